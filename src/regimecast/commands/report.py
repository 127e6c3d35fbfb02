"""``regimecast report``: the page of a run or a study."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["report"]


def report(
    folder: Annotated[Path, typer.Argument(help="A run folder, or a folder of them.")],
) -> None:
    """Write report.html of a run, or of a whole study."""
    from regimecast.summary import write_report

    typer.echo(write_report(folder))
