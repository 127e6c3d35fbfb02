"""What a search knows of its jobs from their beginning to their end."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regimecast.core.errors import ConfigError
from regimecast.core.files import read_json
from regimecast.sweep.jobs import JobOutcome, SweepJob
from regimecast.sweep.schedulers import STEP, VALUE
from regimecast.sweep.search_jobs import SearchJobs
from regimecast.sweep.search_store import SearchStore
from regimecast.sweep.status import SweepStatus
from regimecast.sweep.study import Search
from regimecast.tracking.folder import Status
from regimecast.training.progress import FILENAME, read_progress

__all__ = ["Running"]

_log = logging.getLogger(__name__)


class Running:
    """What is known of the jobs of a search, from their beginning to their end.

    Args:
        search: who is asked for jobs, and told how they did.
        jobs: makes the job of a trial.
        status: for whoever looks from outside.
        store: where nodes keep runs that share no folder.
    """

    def __init__(
        self, search: Search, jobs: SearchJobs, status: SweepStatus, store: SearchStore | None
    ) -> None:
        self.search = search
        self._store = store
        self.settings = search.settings
        self.status = status
        self.jobs: dict[int, SweepJob] = {}
        """Those that were begun now, by number."""
        self.outcomes: dict[int, JobOutcome] = {}
        """Those that have ended now."""
        self._make = jobs
        self._origins: dict[int, SweepJob] = {}
        """As they were suggested."""
        self._roots: dict[int, int] = {}
        """Trials whose weights another began with."""
        self._steps: dict[int, int] = {}
        self._began: dict[int, float] = {}
        self._stopped = False
        for told in search.told():
            folder = told.facts.get("folder")
            status.update(
                told.number,
                # One that has followed another is not what was suggested.
                title=" ".join(told.facts.get("distinct") or search.space.overrides(told.point))
                or "defaults",
                status=told.status,
                folder=None if folder is None else Path(folder).name,
                objective=told.values[0] if told.values else None,
                step=told.facts.get("steps"),
                before=True,
            )

    @property
    def open(self) -> list[SweepJob]:
        """Jobs that have begun and not ended."""
        return [job for number, job in self.jobs.items() if number not in self.outcomes]

    @property
    def cut(self) -> list[SweepJob]:
        """Jobs that the scheduler has ended."""
        return [
            job
            for n, job in self.jobs.items()
            if n in self.outcomes and self.outcomes[n].status == "pruned"
        ]

    def next_job(self) -> SweepJob | None:
        """The next job whose config can be composed; None where no other is to be begun."""
        while not self._enough() and (asked := self.search.ask()) is not None:
            try:
                job = self._make.job(asked)
            except ConfigError as error:
                self.search.failed(asked.number, str(error), {})
                _log.warning("%s failed: %s", self._label(asked.number), error)
                continue
            self._origins[job.number] = self.jobs[job.number] = job
            if asked.descent is not None:
                self._go_back(asked.number, asked.descent)
                job = self.jobs[asked.number]
            self._began[job.number] = time.monotonic()
            _log.info("%s: %s", self._label(job.number), job.title)
            self.status.update(job.number, title=job.title, status="running")
            if self._store is not None:
                self._store.hand_over()
            return job
        return None

    def follows(self, number: int, other: int, epoch: int, values: Mapping[str, float]) -> SweepJob:
        """The job that a trial goes on with after another's epochs.

        Args:
            number: of the trial.
            other: number of the trial that it follows.
            epoch: from which on it differs.
            values: that it has from there on, by key.
        """
        root = self._roots.get(other, other)
        changes = [*self.jobs[other].config["changes"], {"epoch": epoch, "set": dict(values)}]
        job = self._make.changed(self._origins[root], number, changes)
        self._roots[number] = root
        self.jobs[number] = job
        self.search.descends(number, root, changes)
        _log.info("%s goes on as job %d did, with %s", self._label(number), other + 1, values)
        self.status.update(number, title=job.title)
        return job

    def _go_back(self, number: int, descent: Mapping[str, Any]) -> None:
        """Takes up where a killed search was: the trial had followed another."""
        root = int(descent["root"])
        if root not in self._origins:
            self._origins[root] = self._make.job(self.search.asked(root))
        self._roots[number] = root
        self.jobs[number] = self._make.changed(self._origins[root], number, descent["changes"])

    def step(self, number: int, result: Mapping[str, Any]) -> None:
        """Notes how a job does.

        Args:
            number: of the job.
            result: what its worker says.
        """
        if STEP in result:
            self._steps[number] = int(result[STEP])
            self.status.update(number, step=int(result[STEP]), objective=float(result[VALUE]))

    def ended(self, number: int, result: Mapping[str, Any]) -> None:
        """Notes the end of a job.

        Args:
            number: of the job.
            result: its last one; without a status where the scheduler has ended it.
        """
        job = self.jobs[number]
        status: Status = result.get("status", "pruned")
        folder = None if result.get("folder") is None else Path(result["folder"])
        error = result.get("error")
        if self._store is not None and status != "pruned":  # its worker has still to close it
            folder = self._store.pull(str(job.identity)) or folder
        facts = {
            "folder": None if folder is None else str(folder),
            "identity": job.identity,
            "overrides": list(job.overrides),
            "distinct": list(job.distinct),
            "steps": _steps(folder) or self._steps.get(number, 0),
        }
        objective = None
        if status == "finished":
            assert folder is not None
            values = _validation(folder)
            error = self.search.finished(number, values, facts)
            status = "failed" if error else status
            objective = None if error else values[next(iter(self.settings.objectives))]
        elif status == "pruned":
            objective = result.get(VALUE)
            self.search.pruned(
                number,
                int(result.get(STEP, 0)),
                float("nan" if objective is None else objective),
                facts,
            )
        elif status == "failed":
            self.search.failed(number, str(error), facts)
        else:  # it goes on with the next search; another process works on it, or did
            status = "interrupted"
        if self._store is not None:
            self._store.hand_over()
        self.outcomes[number] = job.outcome(
            status, folder=folder, error=error, before=bool(result.get("before"))
        )
        self.status.update(
            number,
            status=status,
            folder=None if folder is None else folder.name,
            objective=objective,
            before=bool(result.get("before")),
        )
        text = (
            f"{'failed' if status == 'failed' else status}: {error}"
            if error
            else (f"{'done' if status == 'finished' else status}{f': {folder}' if folder else ''}")
        )
        _log.info(
            "%s, %.0f s, %s", self._label(number), time.monotonic() - self._began[number], text
        )

    def stopped(self) -> None:
        """Notes that what still runs is interrupted."""
        for job in self.open:
            self.status.update(job.number, status="interrupted")

    def _enough(self) -> bool:
        """Whether no other job is to be begun."""
        if self._stopped:
            return True
        failed = sum(outcome.status == "failed" for outcome in self.outcomes.values())
        most = 1 if self.settings.fail_fast else self.settings.max_failures
        if any((o.error or "").startswith("DiskFullError") for o in self.outcomes.values()):
            why = "the disk is full"
        elif most is not None and failed >= most:
            key = "fail_fast" if self.settings.fail_fast else "max_failures"
            why = f"{failed} failed, as many as sweep.{key} allows"
        else:
            return False
        self._stopped = True
        _log.warning("%s: no other job is begun; the same command goes on", why)
        return True

    def _label(self, number: int) -> str:
        return f"job {number + 1} of {self.search.total}"


def _steps(folder: Path | None) -> int:
    """Reports that a run has made."""
    path = None if folder is None else folder / FILENAME
    return len(read_progress(path)) if path is not None else 0


def _validation(folder: Path) -> dict[str, Any]:
    """Section ``validation`` of a run's metrics."""
    metrics = read_json(folder / "metrics.json")
    return dict(metrics.get("validation") or {})
