"""Weights & Biases: one run per job, offline unless asked otherwise."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import pandas as pd
from typing_extensions import override

from regimecast.core.errors import ConfigError
from regimecast.tracking.base import Tracker, TrackerRegistry

__all__ = ["WandbTracker"]


@TrackerRegistry.register("wandb")
class WandbTracker(Tracker):
    """W&B run in the run folder; ``wandb sync RUN_FOLDER/wandb/offline-run-*`` uploads it later.

    Args:
        mode: ``offline`` never touches the network; ``online`` needs a login; ``disabled`` is off.
        project: project name.
        entity: team or user; null for the account's default.
        tags: labels of the run.
    """

    tables: ClassVar[bool] = True

    def __init__(
        self,
        *,
        mode: Literal["offline", "online", "disabled"],
        project: str,
        entity: str | None,
        tags: list[str],
    ) -> None:
        if mode not in {"offline", "online", "disabled"}:
            raise ConfigError(f"tracker.mode={mode!r}; allowed: offline, online, disabled")
        self._mode = mode
        self._project = project
        self._entity = entity
        self._tags = tags
        self._run: Any = None

    @override
    def start(self, *, study: str, job: str, config: Mapping[str, Any], folder: Path) -> None:
        self._open(study, job, config, folder, run_id=None)

    @override
    def resume(self, *, study: str, job: str, config: Mapping[str, Any], folder: Path) -> None:
        """Goes on with the run, offline in a further folder of the same run id.

        W&B takes nothing back: what was logged after the checkpoint is logged again.
        """
        folders = sorted((folder / "wandb").glob("*run-*-*"))  # offline-run-TIME-ID
        run_id = folders[-1].name.rpartition("-")[2] if folders else None
        self._open(study, job, config, folder, run_id=run_id)

    def _open(
        self, study: str, job: str, config: Mapping[str, Any], folder: Path, run_id: str | None
    ) -> None:
        if self._mode != "online":
            # W&B reports its own errors to a server in every mode, unless told not to beforehand.
            os.environ["WANDB_ERROR_REPORTING"] = "false"
        import wandb  # half a second; only runs that track with it pay

        if self._mode != "disabled":
            # W&B writes to folder/wandb when that exists, and to a hidden folder otherwise.
            (folder / "wandb").mkdir(exist_ok=True)
        try:
            self._run = wandb.init(
                mode=self._mode,
                id=run_id,
                resume=None if run_id is None else "allow",
                project=self._project,
                entity=self._entity,
                group=study,
                name=job,
                tags=self._tags,
                config=dict(config),
                # The service that writes may have another working folder.
                dir=str(folder.resolve()),
                # Without it a second run of one process is merged into the first (wandb#1314).
                reinit="create_new",
                settings=wandb.Settings(silent=True, console="off"),
            )
        except wandb.errors.UsageError as error:  # no login
            raise ConfigError(f"tracker=wandb, tracker.mode={self._mode}: {error}") from error

    @override
    def log_metrics(self, metrics: Mapping[str, float], *, step: int | None = None) -> None:
        present = {key: value for key, value in metrics.items() if value == value}
        if step is None:
            self._run.summary.update(present)
        else:
            self._run.log({**present, "epoch": step})

    @override
    def log_files(self, paths: list[Path]) -> None:
        # What lies in the run's own folder is uploaded with it; `save` would warn of links instead.
        for path in paths if self._mode != "disabled" else ():
            shutil.copy2(path, self._run.dir)

    @override
    def log_table(self, name: str, frame: pd.DataFrame) -> None:
        import wandb

        cells = frame.astype(object).where(frame.notna(), None)
        table = wandb.Table(
            columns=[str(name) for name in cells], data=cells.to_numpy(), allow_mixed_types=True
        )
        self._run.log({name: table})

    @override
    def finish(self, exit_code: int) -> None:
        self._run.finish(exit_code=exit_code)
