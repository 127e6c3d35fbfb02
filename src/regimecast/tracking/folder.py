"""The run folder: the record of one job, readable at any moment.

    runs/<study>/<job>/
        config.yaml manifest.json metrics.json predictions.parquet returns.parquet
        checkpoints/ report.html train.log

Every file is written atomically. ``manifest.json`` carries the status; a folder whose process died
without a word (kill -9, power) still says ``running``, and `read_status` sees that nobody runs it.
"""

import errno
import logging
import os
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from regimecast.core.errors import DiskFullError, RegimecastError
from regimecast.core.files import out_of_space, overwrite_json, read_json, write_json

__all__ = ["RunFolder", "Status", "read_status", "run_folders"]

Status = Literal["running", "finished", "failed", "interrupted"]

_ROOM = 8192
"""Bytes of ``manifest.json`` kept free while the run goes on, to say how a full disk ended it."""
_LONGEST_CAUSE = 200

_MARKS = ("manifest.json", "metrics.json")
"""Files that only a run folder has."""


class RunFolder:
    """One job's folder as a context: it ends as finished, failed or interrupted.

    A full disk interrupts, as Ctrl-C does, and is raised as `DiskFullError` with the folder's name.

    Args:
        study_folder: folder of the study.
        job: wanted name; a number is added where it is taken, also by another process.
    """

    def __init__(self, study_folder: Path, job: str) -> None:
        self.path = _claim(study_folder, job)
        self.manifest: dict[str, Any] = {
            "status": "running",
            "started": _now(),
            "process": {"id": os.getpid(), "host": socket.gethostname()},
        }

    def update(self, **entries: Any) -> None:
        """Adds entries to ``manifest.json``."""
        self.manifest.update(entries)
        room = _ROOM if self.manifest["status"] == "running" else 0
        write_json(self.path / "manifest.json", self.manifest, room=room)

    def __enter__(self) -> "RunFolder":
        self._log_handler = _LogFile(self.path / "train.log", encoding="utf-8")
        self._log_handler.setFormatter(
            logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
        )
        logger = logging.getLogger("regimecast")
        self._log_level = logger.level
        if not logger.isEnabledFor(logging.INFO):
            logger.setLevel(logging.INFO)
        logger.addHandler(self._log_handler)
        logging.getLogger("py.warnings").addHandler(self._log_handler)
        logging.captureWarnings(capture=True)
        self.update()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            full = out_of_space(error)
            if error is None:
                full = self._end("finished", None)
            elif full or not isinstance(error, Exception):
                self._end("interrupted", error)
            else:
                self._end("failed", error)
        finally:
            logging.captureWarnings(capture=False)
            logging.getLogger("regimecast").setLevel(self._log_level)
            for name in ("regimecast", "py.warnings"):
                logging.getLogger(name).removeHandler(self._log_handler)
            with suppress(OSError):
                self._log_handler.close()
        if full:
            raise self._full(error) from error

    def _end(self, status: Status, error: BaseException | None) -> bool:
        """Writes how it ended; returns whether a run that went well found no room for that."""
        details: dict[str, Any] = {"status": status, "ended": _now()}
        trace: dict[str, Any] = {}
        if error is not None:
            details["error"] = f"{type(error).__name__}: {error}".removesuffix(": ")
            if not isinstance(error, RegimecastError):
                trace = {"traceback": traceback.format_exception(error)}
            # To the file only: who runs the job shows the error.
            self._log_handler.handle(
                logging.makeLogRecord(
                    {"levelname": "ERROR", "name": __name__, "msg": f"{status}: {details['error']}"}
                )
            )
        try:
            self.update(**details, **trace)
            self._mark_metrics(status)
        except OSError as unwritten:
            if not out_of_space(unwritten):
                if error is None:
                    raise
                return False  # the user should see the first error
            if error is None:
                details |= {"status": "interrupted", "error": str(self._full(unwritten))}
            self.manifest.pop("traceback", None)
            self.manifest.update(details)
            with suppress(OSError):  # else it says running, and `read_status` sees that it is not
                overwrite_json(self.path / "manifest.json", self.manifest)
                self._mark_metrics(self.manifest["status"], write=overwrite_json)
            return error is None
        return False

    def _mark_metrics(
        self, status: Status, write: Callable[[Path, Any], None] = write_json
    ) -> None:
        metrics = self.path / "metrics.json"
        if metrics.exists():
            write(metrics, {**read_json(metrics), "status": status})

    def _full(self, cause: BaseException | None) -> DiskFullError:
        said = str(cause).strip().splitlines()[0][:_LONGEST_CAUSE] if str(cause or "") else ""
        return DiskFullError(
            f"the disk of {self.path} is full, the run is interrupted: "
            f"{said or os.strerror(errno.ENOSPC)}"
        )


class _LogFile(logging.FileHandler):
    """A log file that a full disk cuts short without a word.

    The next result will not fit either, and that error ends the run.
    """

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


def read_status(folder: Path) -> Status:
    """Status of a run folder; ``interrupted`` where it says running but its process is gone.

    Raises:
        FileNotFoundError: there is no manifest.
        ValueError: the manifest is not json.
    """
    manifest = read_json(folder / "manifest.json")
    status: Status = manifest["status"]
    process = manifest.get("process", {})
    if status == "running" and process.get("host") == socket.gethostname():
        try:
            os.kill(int(process["id"]), 0)
        except ProcessLookupError:
            return "interrupted"
        except PermissionError:
            return "running"
    return status


def run_folders(folder: Path) -> list[Path]:
    """Run folders anywhere below a folder, or the folder itself, by path.

    Hidden folders are passed over, and so are copies of a run's files inside the run itself, such
    as those that an offline tracker keeps.
    """
    found = {path.parent for name in _MARKS for path in folder.rglob(name)}
    return sorted(
        run
        for run in found
        if found.isdisjoint(run.parents)
        and not any(part.startswith(".") for part in run.relative_to(folder).parts)
    )


def _claim(study_folder: Path, job: str) -> Path:
    """A new folder; making it is atomic, so two processes never get the same."""
    study_folder.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        path = study_folder / (job if number == 1 else f"{job}~{number}")
        try:
            path.mkdir()
        except FileExistsError:
            number += 1
        else:
            return path


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
