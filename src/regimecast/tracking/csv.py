"""Metrics in a plain csv file of the run folder."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from typing_extensions import override

from regimecast.core.files import atomic_path
from regimecast.tracking.base import Tracker, TrackerRegistry

__all__ = ["CsvTracker"]

_HEADER = ["step", "key", "value"]


@TrackerRegistry.register("csv")
class CsvTracker(Tracker):
    """Long table ``metrics.csv`` with columns step, key, value; every row is flushed."""

    _path: Path
    _file: TextIO
    _rows: int

    @override
    def start(self, *, study: str, job: str, config: Mapping[str, Any], folder: Path) -> None:
        self._path = folder / "metrics.csv"
        self._write([])

    @override
    def resume(self, *, study: str, job: str, config: Mapping[str, Any], folder: Path) -> None:
        self._path = folder / "metrics.csv"
        self._write(self._whole_rows())

    @property
    @override
    def place(self) -> int:
        return self._rows

    @override
    def rewind(self, place: int) -> None:
        if place < self._rows:
            self._file.close()
            self._write(self._whole_rows()[:place])

    def _write(self, rows: list[list[str]]) -> None:
        """Begins the file with these rows, and keeps it open."""
        text = io.StringIO(newline="")
        csv.writer(text).writerows([_HEADER, *rows])
        with atomic_path(self._path, synced=False) as temporary:
            temporary.write_bytes(text.getvalue().encode())
        self._rows = len(rows)
        self._file = self._path.open("a", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file)

    def _whole_rows(self) -> list[list[str]]:
        """Rows of the file, as far as neither a kill nor a power cut has broken it."""
        if not self._path.exists():
            return []
        # Blocks that were never written are read as zeros.
        text = self._path.read_text(encoding="utf-8", errors="replace").partition("\0")[0]
        whole = text[: text.rfind("\n") + 1]
        return list(csv.reader(whole.splitlines()))[1:]

    @override
    def log_metrics(self, metrics: Mapping[str, float], *, step: int | None = None) -> None:
        for key, value in metrics.items():
            if value == value:  # not NaN
                self._writer.writerow(["" if step is None else step, key, repr(value)])
                self._rows += 1
        self._file.flush()

    @override
    def log_files(self, paths: list[Path]) -> None:
        """Nothing: the files are in the run folder already."""

    @override
    def finish(self, exit_code: int) -> None:
        self._file.close()
