"""How far a sweep is, in ``runs/<study>/sweep.json`` for whoever looks from outside."""

import logging
import math
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from regimecast.core.files import out_of_space, write_json
from regimecast.core.processes import this_process
from regimecast.tracking.folder import Status

__all__ = ["FILENAME", "JobLine", "SweepStatus"]

_log = logging.getLogger(__name__)

FILENAME = "sweep.json"
_SECONDS = 1.0
"""Between two writes."""
_ENDED = ("finished", "pruned", "failed", "interrupted")


@dataclass(frozen=True)
class JobLine:
    """What is known of one job.

    Args:
        number: its place in the sweep, from 0.
        title: what tells it from the others.
        status: ``waiting`` until it begins.
        folder: its run folder.
        objective: mean of its folds' best validation values so far.
        step: how many it has made, over all folds.
        before: whether it had ended before this sweep began.
    """

    number: int
    title: str
    status: Status | Literal["waiting"] = "waiting"
    folder: str | None = None
    objective: float | None = None
    step: int | None = None
    before: bool = False


class SweepStatus:
    """Jobs of a sweep as they go; `update` writes the file at most once a second.

    Args:
        study: folder of the study.
        total: jobs of the sweep; None where it is not known.
        at_a_time: jobs beside each other.
        objectives: ``min`` or ``max`` by name, the one that jobs are told by first; None for
            that of training.
    """

    def __init__(
        self,
        study: Path,
        *,
        total: int | None,
        at_a_time: int,
        objectives: Mapping[str, str] | None = None,
    ) -> None:
        self.path = study / FILENAME
        self.total = total
        self.jobs: dict[int, JobLine] = {}
        self._at_a_time = at_a_time
        self._objectives = None if objectives is None else dict(objectives)
        self._lower = objectives is None or next(iter(objectives.values())) == "min"
        self._started = time.monotonic()
        self._begun: dict[int, float] = {}
        self._taken: list[float] = []
        self._written = -math.inf

    def update(self, number: int, **changes: Any) -> None:
        """Something new of a job, with the names of `JobLine`.

        Args:
            number: of the job.
            changes: of its line; a title with the first.
        """
        before = self.jobs.get(number) or JobLine(number, str(changes.get("title", number)))
        objective = changes.get("objective")
        if objective is not None and not math.isfinite(objective):
            changes["objective"] = None
        after = self.jobs[number] = replace(before, **changes)
        now = time.monotonic()
        if after.status == "running" and before.status != "running":
            self._begun[number] = now
        elif after.status in _ENDED and number in self._begun:
            took = now - self._begun.pop(number)
            if after.status in ("finished", "pruned") and not after.before:
                self._taken.append(took)
        self.write(force=False)

    @property
    def counts(self) -> dict[str, int]:
        """Jobs by status, with ``done``, those that are finished."""
        found = Counter(job.status for job in self.jobs.values())
        return {
            "done": found["finished"],
            **{name: found[name] for name in ("running", "pruned", "failed", "interrupted")},
        }

    @property
    def best(self) -> JobLine | None:
        """Of the finished jobs the one with the best objective."""
        known = [
            j for j in self.jobs.values() if j.status == "finished" and j.objective is not None
        ]
        pick = min if self._lower else max
        return pick(known, key=lambda job: job.objective or 0.0, default=None)

    @property
    def seconds(self) -> float:
        """Since the sweep began, or was continued."""
        return time.monotonic() - self._started

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the jobs that have ended; None before the first, or without a total."""
        if self.total is None or not self._taken:
            return None
        each = sum(self._taken) / len(self._taken)
        now = time.monotonic()
        ended = sum(job.status in _ENDED for job in self.jobs.values())
        waiting = max(self.total - ended - len(self._begun), 0)
        rest = sum(max(each - (now - begun), 0.0) for begun in self._begun.values())
        return (waiting * each + rest) / self._at_a_time

    def to_json(self) -> dict[str, Any]:
        """Content of the file."""
        best, left = self.best, self.seconds_left
        return {
            "process": this_process(),
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "jobs": {"total": self.total, **self.counts},
            "objectives": self._objectives,
            "best": None
            if best is None
            else {"number": best.number, "folder": best.folder, "objective": best.objective},
            "seconds": round(self.seconds, 1),
            "seconds_left": None if left is None else round(left, 1),
            "each": [asdict(self.jobs[number]) for number in sorted(self.jobs)],
        }

    def write(self, *, force: bool = True) -> None:
        """Writes the file; a full disk is for the jobs to complain of."""
        now = time.monotonic()
        if not force and now - self._written < _SECONDS:
            return
        self._written = now
        try:
            write_json(self.path, self.to_json(), synced=False)
        except OSError as error:
            if not out_of_space(error):
                _log.warning("%s cannot be written: %s", self.path, error)
