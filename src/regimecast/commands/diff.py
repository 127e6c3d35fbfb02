"""``regimecast diff``: in what two runs differ."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["diff"]


def diff(
    first: Annotated[Path, typer.Argument(metavar="RUN_A", help="Run folder.")],
    second: Annotated[Path, typer.Argument(metavar="RUN_B", help="Another one.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print json instead of tables.")] = False,
) -> None:
    """Show in what two runs differ: config, data, code, packages, hardware, metrics.

    Runs that failed or were stopped can be compared too.
    """
    from regimecast.core.terminal import console
    from regimecast.run_diff import diff_runs

    found = diff_runs(first, second)
    if as_json:
        import json

        typer.echo(json.dumps(found.to_json(), indent=2))
        return
    terminal = console()
    for note in found.notes:
        terminal.print(note, soft_wrap=True)
    if found.statuses != ("finished", "finished"):
        terminal.print(f"the first is {found.statuses[0]}, the second {found.statuses[1]}")
    for table in found.tables():
        terminal.print(table)
    if found.empty:
        stages = f", {len(found.stages)} stages to the bit" if found.stages else ""
        terminal.print(f"no difference: config, surroundings and metrics are the same{stages}")
