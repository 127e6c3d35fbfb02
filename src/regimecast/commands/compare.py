"""``regimecast compare``: which runs of a study are told apart by the data."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["compare"]


def compare(
    folder: Annotated[Path, typer.Argument(help="Folder with run folders below it.")],
    metric: Annotated[
        list[str] | None,
        typer.Option(help="Only this metric, such as crps or net_return; may be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the resamples.", min=0)] = 0,
) -> None:
    """Test a study's runs against each other, naive and buy-and-hold.

    Writes comparison.json into the folder, which the study's report shows.
    """
    from regimecast.core.errors import DataError
    from regimecast.core.files import write_json
    from regimecast.core.terminal import console
    from regimecast.evaluation.comparison import compare as compare_runs
    from regimecast.evaluation.comparison_table import comparison_table
    from regimecast.tracking.folder import run_folders

    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder of runs")
    runs = {
        "." if run == folder else run.relative_to(folder).as_posix(): run
        for run in run_folders(folder)
    }
    if not runs:
        raise DataError(f"{folder} holds no runs: no metrics.json or manifest.json below it")
    found = compare_runs(runs, metrics=metric, seed=seed)
    console().print(comparison_table(found, console().width, metrics=metric))
    path = folder / "comparison.json"
    write_json(path, found.to_json())
    typer.echo(f"written: {path}")
