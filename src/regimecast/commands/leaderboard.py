"""``regimecast leaderboard``: all runs below a folder, ranked."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["leaderboard"]


def leaderboard(
    folder: Annotated[Path, typer.Argument(help="Folder with run folders below it.")],
    sort: Annotated[
        str | None,
        typer.Option(help="Metric to rank by; the deflated Sharpe ratio where runs trade."),
    ] = None,
    top: Annotated[int, typer.Option(help="How many of each kind to show, the best ones.")] = 50,
    unfold: Annotated[
        bool, typer.Option("--unfold", help="A row per run, not one for all seeds of a config.")
    ] = False,
    ledger: Annotated[
        Path | None,
        typer.Option(help="Where trials are counted; what each run says where left out."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Write it here too: .csv, .json or .parquet.")
    ] = None,
) -> None:
    """Rank all runs below a folder, beside buy-and-hold and naive.

    Runs that differ in their seed only are one row: their mean, an interval of it and the worst.
    Every Sharpe ratio stands with the number of trials on the same prices, of all studies.
    """
    from regimecast.summary import show_leaderboard

    show_leaderboard(folder, sort=sort, top=top, unfold=unfold, ledger=ledger, output=output)
