"""``regimecast resume``: an interrupted run goes on where it stopped."""

from pathlib import Path
from typing import Annotated

import typer

from regimecast.core.terminal import configure_logging

__all__ = ["resume"]


def resume(
    run_dir: Annotated[Path, typer.Argument(help="Run folder of a run that did not finish.")],
) -> None:
    """Go on with a run that was interrupted or killed, to the same result.

    Folds that were trained are read back, and the one in the middle goes on from its last
    checkpoint. Config, data, code and packages have to be those it was begun with.
    """
    configure_logging()
    from regimecast.experiment import execute
    from regimecast.same_job import config_to_resume
    from regimecast.summary import show_run

    config, overrides = config_to_resume(run_dir)
    result = execute(config, overrides=overrides, resume=run_dir)
    show_run(result.folder, result.metrics)
