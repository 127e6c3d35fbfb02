"""``regimecast ledger``: every trial that was ever run."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["ledger"]

_DAMAGED = 1


def ledger(
    folder: Annotated[Path, typer.Argument(help="Folder of the ledger.")] = Path("ledger"),
    where: Annotated[
        str | None,
        typer.Option(help="Condition in SQL on the columns, such as \"job LIKE '%tft%'\"."),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Only trials on these prices: the start of a fingerprint.")
    ] = None,
    study: Annotated[str | None, typer.Option(help="Only trials of this study.")] = None,
    status: Annotated[
        str | None, typer.Option(help="Only finished, pruned, failed or interrupted ones.")
    ] = None,
    last: Annotated[int, typer.Option(help="How many to show, the latest ones.")] = 30,
    output: Annotated[
        Path | None, typer.Option(help="Write all of them here: .csv, .json or .parquet.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check every record instead of listing them.")
    ] = False,
) -> None:
    """List every trial that was ever run, and what the best on each prices is worth.

    All trials on the same prices count, whatever was chosen from the list and whether their run
    folders are still there. With --verify, exits with 1 if a record is damaged.
    """
    from regimecast.core.terminal import configure_logging
    from regimecast.ledger_view import Wanted, show_ledger, verify_ledger

    configure_logging()
    if verify:
        if not verify_ledger(folder):
            raise typer.Exit(_DAMAGED)
        return
    wanted = Wanted(where=where, data=data, study=study, status=status)
    show_ledger(folder, wanted, last=last, output=output)
