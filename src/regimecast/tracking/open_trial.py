"""Trials that have begun: a job is counted from its start on, however it ends.

    ledger/running/<record>.json   what is known of it
    ledger/running/<record>.lock   held by its process; the system lets go when that dies

A job that was interrupted and goes on is the same trial, and each attempt has a record of its own,
see `Ledger`. A job records itself at its end. One that was killed cannot: whoever looks next finds
its lock free and does it, from what its run folder holds, or without, where that was deleted. A
record has the name of its attempt, so that it is written once, whoever comes first.
"""

import logging
import os
import secrets
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from filelock import FileLock, Timeout

from regimecast.core.errors import DataError
from regimecast.core.files import out_of_space, read_json, write_json
from regimecast.tracking.ledger import Ledger, Trial
from regimecast.tracking.record import attempt_of, record_name, trial_of

__all__ = ["OpenTrial", "new_trial", "record_ended", "running"]

_log = logging.getLogger(__name__)

_RUNNING = "running"
_JUDGEMENT = ("forecast", "trading", "gate")
"""Sections of ``metrics.json`` that are recorded."""


class OpenTrial:
    """A job's place in the ledger, from its start to its record.

    Args:
        ledger: where it is counted.
        run: its run folder.
        config: what decides its result.
        study: name of its study.
        split: registry name of its split.
        manifest: of the run folder, which names the trial and may tell of earlier attempts.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        run: Path,
        config: Mapping[str, Any],
        study: str,
        split: str,
        manifest: Mapping[str, Any] | None = None,
    ) -> None:
        manifest = manifest or {}
        self.ledger = ledger
        self.name = str(manifest.get("trial", {}).get("id") or new_trial())
        self._resumed = bool(manifest.get("attempts"))
        self._place = self._at(1)
        self._lock = FileLock(_lock_of(self._place))
        self._known: dict[str, Any] = {
            "host": socket.gethostname(),
            "run": str(run.resolve()),
            "job": run.name,
            "study": study,
            "split": split,
            "config": dict(config),
            **_prices(manifest),
        }

    def begin(self) -> dict[str, Any]:
        """Counts the job; returns what its manifest says about it.

        Raises:
            OSError: nothing can be written there.
        """
        self._place.parent.mkdir(parents=True, exist_ok=True)
        attempt = self._attempt() if self._resumed else 1
        self._place = self._at(attempt)
        self._lock = FileLock(_lock_of(self._place))
        self._lock.acquire(timeout=0)
        self._known["attempt"] = attempt
        write_json(self._place, self._known)
        run = Path(self._known["run"])
        return {
            "id": self.name,
            "attempt": attempt,
            "ledger": os.path.relpath(self.ledger.folder.resolve(), run),
        }

    def _at(self, attempt: int) -> Path:
        return self.ledger.folder / _RUNNING / f"{record_name(self.name, attempt)}.json"

    def _attempt(self) -> int:
        """Number of the attempt that begins; earlier ones that nobody has recorded are first."""
        begun = sorted(self._place.parent.glob(f"{self.name}*.json"))
        for place in begun:
            # Whatever its machine: the run folder's lock says that this is the only one now.
            _record_if_ended(self.ledger, place)
        return 1 + max([*self.ledger.attempts(self.name), *(attempt_of(p.stem) for p in begun), 0])

    def judged_on(self, data: str, bars_per_year: float) -> None:
        """Says which prices the job has read.

        Args:
            data: their fingerprint, see `Panel.price_hash`.
            bars_per_year: of their calendar.
        """
        self._known |= {"data": data, "bars_per_year": bars_per_year}
        try:
            write_json(self._place, self._known)
        except OSError as error:  # the job need not end for that: its manifest says it too
            _log.warning("%s could not be updated: %s", self._place, error)

    def close(self) -> None:
        """Records what became of the job; nothing if it never began.

        What cannot be recorded, as on a full disk, is logged; the trial stays where it is, and the
        next one who looks records it.
        """
        if not self._lock.is_locked:
            return
        try:
            _record(self.ledger, self._place)
        except (OSError, DataError) as error:
            _log.error(
                "trial %s could not be recorded in %s and will be with the next command that reads "
                "the ledger; the run itself is complete: %s",
                self.name,
                self.ledger.folder,
                "the disk is full" if out_of_space(error) else error,
            )
        finally:
            _release(self._lock)


def new_trial() -> str:
    """A name that no other trial has, in the order of time."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(6)}"


def record_ended(ledger: Ledger) -> None:
    """Records the trials whose process is gone. Safe in any number of processes at once.

    Those of other machines are left to them: not every network file system shows their locks.
    """
    for place in sorted((ledger.folder / _RUNNING).glob("[!.]*.json")):
        if _content(place).get("host", socket.gethostname()) != socket.gethostname():
            continue
        _record_if_ended(ledger, place)


def _record_if_ended(ledger: Ledger, place: Path) -> None:
    lock = FileLock(_lock_of(place))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return  # it runs
    except OSError as error:
        _log.warning("trial %s has ended and cannot be recorded: %s", place.stem, error)
        return
    try:
        _record(ledger, place)
    except (OSError, DataError) as error:
        _log.warning("trial %s has ended and cannot be recorded: %s", place.stem, error)
    finally:
        _release(lock)


def _lock_of(place: Path) -> Path:
    return place.with_name(f"{place.stem}.lock")


def running(ledger: Ledger) -> dict[str, str]:
    """Fingerprints of the prices of the trials that are not recorded yet, by their names.

    Empty where a trial has read none, or its file is damaged.
    """
    places = (ledger.folder / _RUNNING).glob("[!.]*.json")
    return {trial_of(place.stem): str(_content(place).get("data", "")) for place in places}


def _record(ledger: Ledger, place: Path) -> None:
    """The record of a trial whose lock is held, and the end of its stay among those that run.

    Raises:
        OSError: it cannot be written.
        DataError: what was known of it cannot be read.
    """
    try:
        known = read_json(place)
    except FileNotFoundError:
        return  # somebody else was quicker
    except ValueError as error:
        raise DataError(f"{place} is damaged: {error}") from error
    if not (ledger.folder / f"{place.stem}.parquet").exists():
        try:
            trial = _ended(place.stem, known)
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{place} is damaged: {error!r}") from error
        ledger.append(trial)
    place.unlink(missing_ok=True)


def _release(lock: FileLock) -> None:
    # While it is held: who waits for this file sees that it is gone. A trial that could not be
    # recorded is locked anew by who records it.
    Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


def _ended(name: str, known: Mapping[str, Any]) -> Trial:
    """An attempt as its run folder tells it, or as it was begun where that is gone or another's."""
    run = Path(known["run"])
    manifest = _content(run / "manifest.json")
    attempt = known.get("attempt", 1)
    mine = {"id": trial_of(name), "attempt": attempt}
    told = {"attempt": 1, **manifest.get("trial", {})}
    if any(told.get(key) != value for key, value in mine.items()):
        manifest, metrics, returns = {}, {}, None
    else:
        metrics = _content(run / "metrics.json")
        returns = _returns(run / "returns.parquet")
    status = manifest.get("status", "interrupted")
    prices = _prices(manifest)
    bars_per_year = known["bars_per_year"] or prices["bars_per_year"]
    return Trial(
        trial=trial_of(name),
        attempt=attempt,
        status="interrupted" if status == "running" else status,
        study=known["study"],
        job=manifest.get("job", known["job"]),
        config=known["config"],
        data=known["data"] or prices["data"],
        commit=(manifest.get("code") or {}).get("commit"),
        split=known["split"],
        metrics={key: metrics[key] for key in _JUDGEMENT if key in metrics},
        bars_per_year=float("nan") if bars_per_year is None else float(bars_per_year),
        time=np.empty(0, "datetime64[ns]") if returns is None else returns["time"].to_numpy(),
        returns=np.empty(0) if returns is None else returns["strategy"].to_numpy(np.float64),
    )


def _prices(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Which prices a run has read, as far as it has."""
    data = manifest.get("data") or {}
    return {
        "data": data.get("fingerprint", ""),
        "bars_per_year": data.get("spec", {}).get("bars_per_year"),
    }


def _content(path: Path) -> dict[str, Any]:
    """Content of a json file of the run, empty where it is missing or damaged."""
    try:
        content = read_json(path)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _returns(path: Path) -> pd.DataFrame | None:
    try:
        return pd.read_parquet(path, columns=["time", "strategy"])
    except (OSError, pa.ArrowException):
        return None
