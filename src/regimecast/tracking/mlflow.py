"""MLflow in a local SQLite store, or on a server."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from typing_extensions import override

from regimecast.tracking.base import Tracker, TrackerRegistry

__all__ = ["MlflowTracker"]

_LONGEST_PARAMETER = 500
"""MLflow refuses longer parameter values on some stores."""


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
        from mlflow.tracking import MlflowClient  # 1.5 seconds; only runs that track with it pay

        if self._uri.startswith("sqlite:///"):
            Path(self._uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        location = self._artifacts
        if "://" not in location:
            location = Path(location).resolve().as_uri()
        self._client = MlflowClient(tracking_uri=self._uri)
        found = self._client.get_experiment_by_name(self._experiment)
        experiment = (
            found.experiment_id
            if found
            else self._client.create_experiment(self._experiment, artifact_location=location)
        )
        run = self._client.create_run(
            experiment, run_name=job, tags={"study": study, "folder": str(folder)}
        )
        self._run_id = run.info.run_id
        for key, value in _flat(config).items():
            self._client.log_param(self._run_id, key, str(value)[:_LONGEST_PARAMETER])

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
        self._client.set_terminated(self._run_id, "FINISHED" if exit_code == 0 else "FAILED")


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
