"""The run folder: the record of one job, readable at any moment.

    runs/<study>/<job>/
        config.yaml manifest.json metrics.json predictions.parquet returns.parquet
        checkpoints/ report.html train.log

Every file is written atomically. ``manifest.json`` carries the status; a folder whose process died
without a word (kill -9, power) still says ``running``, and `read_status` sees that nobody runs it.
A run that was interrupted goes on in its folder: ``attempts`` has what was said of earlier ones.
"""

import errno
import logging
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from regimecast.core.errors import BusyError, ConfigError, DiskFullError, Pruned, RegimecastError
from regimecast.core.files import (
    out_of_space,
    overwrite_json,
    read_json,
    remove_leftovers,
    write_json,
)
from regimecast.core.processes import here, lives, this_process
from regimecast.tracking.claim import let_go, new_folder, taken
from regimecast.tracking.heartbeat import Heartbeat, quiet_for

__all__ = ["RunFolder", "Status", "end_dead", "read_status", "run_folders", "status_of"]

Status = Literal["running", "finished", "pruned", "failed", "interrupted"]

_ROOM = 8192
"""Bytes of ``manifest.json`` kept free while the run goes on, to say how a full disk ended it."""
_LONGEST_CAUSE = 200

_OF_ATTEMPT = ("status", "started", "ended", "process", "error", "traceback")
"""Entries of ``manifest.json`` that each attempt has of its own."""
_SILENCE = 300.0
"""Seconds without a sign after which a process of another machine is taken for dead. Its lock is
looked at too, but not every network file system shows it."""

_MARKS = ("manifest.json", "metrics.json")
"""Files that only a run folder has."""


class RunFolder:
    """One job's folder as a context: it ends as finished, pruned, failed or interrupted.

    A full disk interrupts, as Ctrl-C does, and is raised as `DiskFullError` with the folder's name.
    No other process can open the folder until this one has left it.

    Args:
        study_folder: folder of the study.
        job: wanted name; a number is added where it is taken, also by another process.
        entries: of ``manifest.json``, which the folder has from its first moment on.
    """

    def __init__(self, study_folder: Path, job: str, **entries: Any) -> None:
        self.manifest: dict[str, Any] = {**_begun(), **entries}
        self.path, self._lock = new_folder(study_folder, job, self.manifest)

    @classmethod
    def reopen(cls, path: Path) -> "RunFolder":
        """The folder of a run that ended before it was finished, for another attempt.

        What the earlier attempts said is kept under ``attempts``; what they were writing when they
        were killed is removed.

        Raises:
            BusyError: a process works on it; one of another machine, as far as can be seen.
            ConfigError: it is no run folder, or its run is finished.
        """
        if not (path / "manifest.json").is_file():
            raise ConfigError(f"{path} is no run folder: it has no manifest.json")
        folder = cls.__new__(cls)
        folder.path, folder._lock = path, taken(path.parent, path.name)
        try:
            folder.manifest = _reopened(path)
            remove_leftovers(path)
            folder.update()
        except BaseException:
            folder.close()
            raise
        return folder

    def close(self) -> None:
        """Lets others open the folder; leaving the context does it too."""
        let_go(self._lock)

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
        self._heartbeat = Heartbeat(self.path)
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
            elif isinstance(error, Pruned):
                self._end("pruned", error)
            else:
                self._end("failed", error)
        finally:
            logging.captureWarnings(capture=False)
            logging.getLogger("regimecast").setLevel(self._log_level)
            for name in ("regimecast", "py.warnings"):
                logging.getLogger(name).removeHandler(self._log_handler)
            with suppress(OSError):
                self._log_handler.close()
            self._heartbeat.stop()
            self.close()
        if full:
            raise self._full(error) from error

    def _end(self, status: Status, error: BaseException | None) -> bool:
        """Writes how it ended; returns whether a run that went well found no room for that."""
        details: dict[str, Any] = {"status": status, "ended": _now()}
        trace: dict[str, Any] = {}
        if error is not None:
            details["error"] = f"{type(error).__name__}: {error}".removesuffix(": ")
            if not isinstance(error, RegimecastError | Pruned):
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
    return status_of(read_json(folder / "manifest.json"))


def status_of(manifest: Mapping[str, Any]) -> Status:
    """Status that the manifest of a run folder tells, see `read_status`."""
    status: Status = manifest["status"]
    process = manifest.get("process", {})
    if status == "running" and here(process) and not lives(process):
        return "interrupted"
    return status


def end_dead(folder: Path, status: Status, error: str) -> None:
    """Says how a run ended whose process cannot: it was killed by who watches over it.

    Raises:
        BusyError: it lives.
    """
    lock = taken(folder.parent, folder.name)
    try:
        manifest = read_json(folder / "manifest.json")
        write_json(
            folder / "manifest.json",
            {**manifest, "status": status, "ended": _now(), "error": error},
        )
    finally:
        let_go(lock)


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


def _begun() -> dict[str, Any]:
    return {"status": "running", "started": _now(), "process": this_process()}


def _reopened(path: Path) -> dict[str, Any]:
    """Manifest of the next attempt."""
    try:
        manifest: dict[str, Any] = read_json(path / "manifest.json")
        status, process = status_of(manifest), manifest.get("process", {})
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path / 'manifest.json'} is damaged: {error}") from error
    if status == "finished":
        raise ConfigError(f"{path} is finished: there is nothing to go on with")
    if status == "running" and not here(process) and (quiet := quiet_for(path)) < _SILENCE:
        raise BusyError(
            f"{path} was written to {quiet:.0f} seconds ago by a process of {process.get('host')}; "
            f"after {_SILENCE:.0f} seconds of silence that is taken for dead"
        )
    attempt = {key: manifest[key] for key in _OF_ATTEMPT if key in manifest}
    attempt["status"] = "interrupted" if status == "running" else status
    kept = {key: value for key, value in manifest.items() if key not in _OF_ATTEMPT}
    return {**_begun(), **kept, "attempts": [*manifest.get("attempts", []), attempt]}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
