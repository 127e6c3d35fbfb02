"""``regimecast cluster``: the machines that a search may use."""

from typing import Annotated

import typer

__all__ = ["cluster"]

cluster = typer.Typer(no_args_is_help=True, help="Look at a Ray cluster before a search uses it.")


@cluster.callback()
def _cluster() -> None:
    """Keeps ``check`` a word of its own while it is the only one."""


@cluster.command(
    epilog="Example: regimecast cluster check --address auto data=csv data.path=/shared/bars.csv"
)
def check(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="GROUP=OPTION and KEY=VALUE of the jobs to come: data=csv."),
    ] = None,
    address: Annotated[
        str, typer.Option(help="auto, for the one on this machine, HOST:PORT or ray://HOST:PORT.")
    ] = "auto",
    remote: Annotated[
        str | None,
        typer.Option(help="URL of the store that keeps runs, if nodes share no folder."),
    ] = None,
) -> None:
    """List every node with its resources and versions, and whether it reaches runs and data.

    Exit code 1 where a job would not run on all nodes as it does here.
    """
    from regimecast.sweep.survey import show_cluster

    if not show_cluster(address, overrides or [], remote):
        raise typer.Exit(1)
