"""Metrics in a plain csv file of the run folder."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from typing_extensions import override

from regimecast.tracking.base import Tracker, TrackerRegistry

__all__ = ["CsvTracker"]


@TrackerRegistry.register("csv")
class CsvTracker(Tracker):
    """Long table ``metrics.csv`` with columns step, key, value; every row is flushed."""

    _file: TextIO

    @override
    def start(self, *, study: str, job: str, config: Mapping[str, Any], folder: Path) -> None:
        self._file = (folder / "metrics.csv").open("w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file)
        self._writer.writerow(["step", "key", "value"])

    @override
    def log_metrics(self, metrics: Mapping[str, float], *, step: int | None = None) -> None:
        for key, value in metrics.items():
            if value == value:  # not NaN
                self._writer.writerow(["" if step is None else step, key, repr(value)])
        self._file.flush()

    @override
    def log_files(self, paths: list[Path]) -> None:
        """Nothing: the files are in the run folder already."""

    @override
    def finish(self, exit_code: int) -> None:
        self._file.close()
