"""``regimecast pipeline``: the stages before a model, with every artifact on disk."""

from pathlib import Path
from typing import Annotated

import typer

from regimecast.core.terminal import configure_logging, console

__all__ = ["pipeline"]


def pipeline(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="GROUP=OPTION or KEY=VALUE: data=csv, target=triple_barrier, ..."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(help="Where artifacts go; pipelines/DATA if not given, such as sp500."),
    ] = None,
    first: Annotated[
        str | None,
        typer.Option("--from", help="Stage to begin with; those before it must be up to date."),
    ] = None,
    last: Annotated[str | None, typer.Option("--until", help="Stage to end with.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Run stages though nothing has changed.")
    ] = False,
    config_dir: Annotated[
        Path | None, typer.Option(help="A folder of your own yaml files.")
    ] = None,
) -> None:
    """Run the stages from bars to splits, each only if something has changed.

    ingest, clean, features, label, barriers, final_labels, splits, validate, report

    The same functions as in train; each stage leaves tables, arrays and json in a folder of its
    own. A run that failed, was killed or was interrupted goes on where it stopped.

    search=null leaves barriers as they are configured.
    """
    configure_logging()
    from regimecast.core.compose import composed
    from regimecast.stages.runner import run_pipeline
    from regimecast.stages.table import artifact_table, stage_line

    given = overrides or []
    config = composed(["+labels/search=barriers", *given], config_dir=config_dir)
    place = folder or Path("pipelines") / str(config["data"]["name"])
    screen = console()
    manifest = run_pipeline(
        config,
        place,
        first=first,
        last=last,
        force=force,
        overrides=given,
        tell=lambda progress: screen.print(stage_line(progress)),
    )
    screen.print(artifact_table(manifest))
    if manifest.outdated:
        typer.echo(f"no longer up to date: {', '.join(manifest.outdated)}")
    if "report" in manifest.stages and manifest.status == "finished":
        typer.echo(f"report: {place / 'report' / 'report.html'}")
    typer.echo(f"run id {manifest.run_id}, {manifest.status}: {place}")
