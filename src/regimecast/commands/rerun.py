"""``regimecast rerun``: a run repeated from its folder."""

from pathlib import Path
from typing import Annotated

import typer

from regimecast.core.terminal import configure_logging

__all__ = ["rerun"]

_DIFFERENT = 1


def rerun(
    run_dir: Annotated[Path, typer.Argument(help="Run folder.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            help="Where the data lie now, if elsewhere: data.path=...; tracker=wandb, if not csv."
        ),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare stage by stage; exit with 1 if one differs.")
    ] = False,
    into: Annotated[
        str | None, typer.Option(help="Study of the new run; by default STUDY-rerun.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print json instead of tables.")] = False,
) -> None:
    """Repeat a run from its folder alone, with the code of today.

    The new run has a folder of its own. On the same data and with the same code it is the same
    trial, which the ledger does not count again.

    With --verify, every stage from the bars to the metrics is compared with the run's. The first
    that differs is named, and why: another package, a changed byte of the data, other threads,
    other code, other hardware.
    """
    configure_logging()
    from regimecast.rerun import rerun as run_again
    from regimecast.rerun import show_rerun

    found = run_again(run_dir, overrides or [], into=into, checked=verify)
    if as_json:
        import json

        typer.echo(json.dumps(found.to_json(), indent=2))
    else:
        show_rerun(found, verified=verify)
    if verify and not (found.verification and found.verification.identical):
        raise typer.Exit(_DIFFERENT)
