"""``regimecast audit``: proof that nothing known at t depends on what came after t."""

from pathlib import Path
from typing import Annotated

import typer

from regimecast.core.terminal import configure_logging, console

__all__ = ["audit"]

_FOUND = 1
"""Exit code of an audit that is not clean."""


def audit(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="GROUP=OPTION and KEY=VALUE of the experiment to audit."),
    ] = None,
    cuts: Annotated[
        int, typer.Option(min=1, max=1000, help="Random times after which all is replaced.")
    ] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Of cuts and noise.")] = 0,
    bars: Annotated[
        int | None,
        typer.Option(min=1, help="Only the latest bars of each asset; all if not given."),
    ] = None,
    model: Annotated[
        bool, typer.Option(help="Train the model briefly and audit its forecasts too.")
    ] = True,
    json: Annotated[
        Path | None, typer.Option("--json", help="File to write the whole report to.")
    ] = None,
) -> None:
    """Replace the future at random times and require that nothing before it changes a bit.

    Exits with 1 if anything known at a time depends on what came after it.
    """
    configure_logging()
    import logging

    from rich.console import Console

    from regimecast.audit.engine import ALL_CHECKS, MARKET_CHECKS
    from regimecast.audit.engine import audit as run_audit
    from regimecast.audit.render import show
    from regimecast.core.compose import composed
    from regimecast.core.files import check_writable, write_json

    # A component says the same of every replaced panel as of the real one; once is enough.
    logging.getLogger("regimecast").setLevel(logging.ERROR)
    if json is not None:
        check_writable(json, "--json")
    config = composed(overrides or [])
    errors = Console(stderr=True)
    with errors.status("audit") as status:
        report = run_audit(
            config,
            cuts=cuts,
            seed=seed,
            bars=bars,
            checks=ALL_CHECKS if model else MARKET_CHECKS,
            progress=lambda name: status.update(f"audit: {name}"),
        )
    show(report, console())
    if json is not None:
        write_json(json, report.to_json())
        typer.echo(f"written: {json}")
    if not report.clean:
        raise typer.Exit(_FOUND)
