"""``regimecast leaderboard``: all runs below a folder, ranked."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["leaderboard"]


def leaderboard(
    folder: Annotated[Path, typer.Argument(help="Folder with run folders below it.")],
    sort: Annotated[str | None, typer.Option(help="Metric to rank by.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="Write it here too: .csv, .json or .parquet.")
    ] = None,
) -> None:
    """Rank all runs below a folder, beside buy-and-hold and naive."""
    from regimecast.summary import show_leaderboard

    show_leaderboard(folder, sort=sort, output=output)
