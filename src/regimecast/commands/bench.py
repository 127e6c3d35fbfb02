"""``regimecast bench``: how fast, as ratios with targets."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["bench"]


def bench(
    name: Annotated[
        str,
        typer.Argument(
            help="features, labels, cache, incremental, splits, audit, training, windows, memory, "
            "inference, boosters, compile, gpu, selection or ledger."
        ),
    ],
    repetitions: Annotated[int, typer.Option(help="Of each contestant; they take turns.")] = 7,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Small data, to see that it works; targets do not apply."),
    ] = False,
    output: Annotated[
        Path | None, typer.Option(help="Folder to write NAME.md and NAME.json to.")
    ] = None,
) -> None:
    """Measure how fast a part is, as ratios within one run, each beside its target.

    Exits with 0 whether targets are met or missed: the table says which.
    """
    from rich.console import Console
    from rich.table import Table

    from regimecast.bench.catalogue import run_bench
    from regimecast.core.files import check_writable_folder
    from regimecast.core.terminal import configure_logging, console

    configure_logging()
    if output is not None:
        check_writable_folder(output, "--output")
    with Console(stderr=True).status(f"measuring {name}; this takes minutes"):
        report = run_bench(name, repetitions=repetitions, quick=quick)
    table = Table(title=report.title, title_justify="left")
    for heading in report.columns:
        table.add_column(heading, justify="right" if heading == "ratio" else "left")
    for row in report.rows:
        table.add_row(*row)
    console().print(table)
    for line in report.notes:
        typer.echo(line)
    typer.echo(f"machine: {report.machine}")
    if output is not None:
        page, values = report.write(output)
        typer.echo(f"written: {page} and {values.name}")
