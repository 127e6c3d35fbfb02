"""MLflow in a local SQLite store, or on a server."""

import logging
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from typing_extensions import override

from regimecast.core.config import flat
from regimecast.core.files import read_json, write_json
from regimecast.tracking.base import INTERRUPTED, Tracker, TrackerRegistry

__all__ = ["MlflowTracker"]

_LONGEST_PARAMETER = 500
"""MLflow refuses longer parameter values on some stores."""

_SQLITE = "sqlite:///"

_PATIENCE = 120.0
"""Seconds to wait for another job that makes the tables."""

_BATCH = 100
"""Parameters that MLflow takes at once."""

_RUN = "mlflow.json"
"""File of the run folder that holds the run's id."""


@TrackerRegistry.register("mlflow")
class MlflowTracker(Tracker):
    """MLflow run; ``mlflow ui --backend-store-uri URI`` shows it (needs the full mlflow package).

    Args:
        uri: tracking store, such as ``sqlite:///runs/mlflow.db`` or ``http://host:5000``.
        artifacts: folder or address of the artifacts of a new experiment.
        experiment: experiment name.
    """

    def __init__(self, *, uri: str, artifacts: str, experiment: str) -> None:
        self._uri = uri
        self._artifacts = artifacts
        self._experiment = experiment
        self._client: Any = None
        self._run_id = ""

    @override
    def start(self, *, study: str, job: str, config: Mapping[str, Any], folder: Path) -> None:
        from mlflow.entities import Param

        experiment = self._connect()
        run = self._client.create_run(
            experiment, run_name=job, tags={"study": study, "folder": str(folder)}
        )
        self._run_id = run.info.run_id
        params = [
            Param(key, str(value)[:_LONGEST_PARAMETER]) for key, value in flat(config).items()
        ]
        for first in range(0, len(params), _BATCH):
            self._client.log_batch(self._run_id, params=params[first : first + _BATCH])
        write_json(folder / _RUN, {"run_id": self._run_id})

    @override
    def resume(self, *, study: str, job: str, config: Mapping[str, Any], folder: Path) -> None:
        """Goes on with the run, or begins one where it was never begun or is gone.

        MLflow takes nothing back: what was logged after the checkpoint is logged again.
        """
        from mlflow.exceptions import MlflowException

        try:
            run_id = str(read_json(folder / _RUN)["run_id"])
            self._connect()
            self._client.update_run(run_id, status="RUNNING")
        except (FileNotFoundError, MlflowException):
            self.start(study=study, job=job, config=config, folder=folder)
        else:
            self._run_id = run_id

    def _connect(self) -> str:
        """Opens the store; returns the experiment."""
        from mlflow.tracking import MlflowClient  # 1.5 seconds; only runs that track with it pay

        # It logs the traceback of every database error that it raises.
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
        with self._alone():
            self._client = MlflowClient(tracking_uri=self._uri)
            return self._experiment_id()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keeps other jobs from making the tables of a new SQLite store at the same time.

        MLflow does not. The lock is SQLite's own, so it goes with a process that dies.
        """
        if not self._uri.startswith(_SQLITE):
            yield
            return
        store = Path(self._uri.removeprefix(_SQLITE))
        store.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(f"{store}.lock", timeout=_PATIENCE)) as lock:
            lock.execute("BEGIN EXCLUSIVE")
            yield

    def _experiment_id(self) -> str:
        """The experiment, made where it does not exist."""
        found = self._client.get_experiment_by_name(self._experiment)
        if found:
            return str(found.experiment_id)
        location = self._artifacts
        if "://" not in location:
            location = Path(location).resolve().as_uri()
        made = self._client.create_experiment(self._experiment, artifact_location=location)
        return str(made)

    @override
    def log_metrics(self, metrics: Mapping[str, float], *, step: int | None = None) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        present = [
            Metric(key.replace("=", "-"), value, now, step or 0)
            for key, value in metrics.items()
            if value == value
        ]
        self._client.log_batch(self._run_id, metrics=present)

    @override
    def log_files(self, paths: list[Path]) -> None:
        for path in paths:
            self._client.log_artifact(self._run_id, str(path))

    @override
    def finish(self, exit_code: int) -> None:
        ends = {0: "FINISHED", INTERRUPTED: "KILLED"}
        self._client.set_terminated(self._run_id, ends.get(exit_code, "FAILED"))
