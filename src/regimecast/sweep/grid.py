"""A list of jobs, a few at a time on this machine, until none is missing."""

import logging
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

from regimecast.core.errors import BusyError, DataError
from regimecast.sweep.grid_settings import GridSettings
from regimecast.sweep.job_process import JobProcess
from regimecast.sweep.jobs import ENDED, JobOutcome, SweepJob, error_of, objective_of
from regimecast.sweep.live import LiveTable
from regimecast.sweep.status import SweepStatus
from regimecast.tracking.folder import Status, end_dead
from regimecast.tracking.ledger import Ledger
from regimecast.tracking.open_trial import record_ended
from regimecast.training.watch import Progress

__all__ = ["Grid"]

_log = logging.getLogger("regimecast.launcher")

_TICK = 0.5
"""Seconds without news after which time limits and the like are looked at."""
_STOPPING_SECONDS = 30.0
"""Time that a job which is told to stop gets to close its folder."""
_LOOK_AGAIN = 1.0
"""Seconds between two looks at a job that another process works on."""
_NAMED = 20
"""Jobs that had ended before and are named each; of more, only how many."""


@dataclass
class _Running:
    process: JobProcess
    began: float
    attempt: int
    killed: bool = False


class Grid:
    """Runs jobs, each in a process; one that fails does not stop the others unless asked to.

    Args:
        jobs: of one sweep, at least one.
        settings: how they are run.
    """

    def __init__(self, jobs: Sequence[SweepJob], settings: GridSettings) -> None:
        self._jobs = jobs
        self._settings = settings
        self._quiet = LiveTable.wanted()
        self._waiting: deque[tuple[SweepJob, int, float]] = deque()
        """Jobs to be begun, the number of the attempt, and when at the earliest."""
        self._running: dict[Connection, _Running] = {}
        self._outcomes: dict[int, JobOutcome] = {}
        self._unread: list[tuple[int, Path]] = []
        """Jobs that had finished before, and their run folders."""
        self._busy: set[int] = set()
        """Jobs that another process works on, or did."""
        self._failures = 0
        self.status = SweepStatus(jobs[0].study, total=len(jobs), at_a_time=settings.jobs)

    def run(self, done: Mapping[str, tuple[Path, Status]]) -> list[JobOutcome]:
        """Outcomes in the order of the jobs; Ctrl-C stops those that run and begins no other.

        Args:
            done: what the study holds already, see `find_done`.
        """
        self._sort(done)
        try:
            with LiveTable(self.status):
                self._loop()
            self._read_objectives()
        except BaseException:
            self._stop()
            raise
        finally:
            self.status.write()
        return [self._outcomes[job.number] for job in self._jobs if job.number in self._outcomes]

    def _sort(self, done: Mapping[str, tuple[Path, Status]]) -> None:
        """Jobs that have ended before, and those that are to be run."""
        named: list[str] = []
        for job in self._jobs:
            folder, status = done.get(job.identity or "", (None, None))
            if status in ENDED or (status == "failed" and not self._settings.retry_failed):
                assert folder is not None
                assert status is not None
                error = error_of(folder) if status == "failed" else None
                self._end(job, job.outcome(status, folder=folder, error=error, before=True))
                if status == "finished":
                    self._unread.append((job.number, folder))
                named.append(
                    f"job {job.number + 1} of {len(self._jobs)}: {job.title}: {status} "
                    f"before: {folder}"
                )
            else:
                self.status.update(job.number, title=job.title)
                self._waiting.append((job, 1, 0.0))
        if not named:
            return
        for line in named if len(named) <= _NAMED else []:
            _log.info("%s", line)
        _log.info(
            "%d of %d jobs had ended before and are not run again%s",
            len(named),
            len(self._jobs),
            "; sweep.retry_failed=true runs the failed ones"
            if any(outcome.error for outcome in self._outcomes.values())
            else "",
        )

    def _loop(self) -> None:
        while self._waiting or self._running:
            self._begin()
            self._read_objectives()  # after the first jobs have begun, which need not wait for it
            for connection in wait(list(self._running), timeout=self._pause()):
                assert isinstance(connection, Connection)
                self._hear(connection)
            self._end_overdue()

    def _pause(self) -> float:
        """Seconds until something has to be looked at, whatever is heard."""
        now = time.monotonic()
        if len(self._running) < self._settings.jobs and self._waiting:
            return min(max(min(earliest for *_, earliest in self._waiting) - now, 0.0), _TICK)
        return _TICK

    def _begin(self) -> None:
        """Begins jobs while there is room."""
        for _ in range(len(self._waiting)):
            if len(self._running) >= self._settings.jobs:
                return
            job, attempt, earliest = self._waiting.popleft()
            if earliest > time.monotonic():
                self._waiting.append((job, attempt, earliest))
                continue
            if not earliest:
                _log.info("job %d of %d: %s", job.number + 1, len(self._jobs), job.title)
            self.status.update(job.number, title=job.title, status="running")
            process = JobProcess.start(
                job,
                sharing=self._settings.jobs,
                retry_failed=self._settings.retry_failed,
                time_limit=self._settings.time_limit,
                patience=0.0,
                quiet=self._quiet,
            )
            self._running[process.connection] = _Running(process, time.monotonic(), attempt)

    def _hear(self, connection: Connection) -> None:
        running = self._running[connection]
        said = running.process.hear(0.0)
        job = running.process.job
        if isinstance(said, Progress):
            self.status.update(job.number, objective=said.objective, step=said.step)
        elif said is not None:
            del self._running[connection]
            self._ended(running, said)

    def _ended(self, running: _Running, outcome: JobOutcome) -> None:
        """What follows from how a job ended."""
        job, process = running.process.job, running.process
        seconds = time.monotonic() - running.began
        label = f"job {job.number + 1} of {len(self._jobs)}"
        if outcome.status == "running":
            if job.number not in self._busy:
                _log.info("%s: %s; it is looked at again later", label, outcome.error)
            self._busy.add(job.number)
            self.status.update(job.number, status="waiting")
            self._waiting.append((job, running.attempt, time.monotonic() + _LOOK_AGAIN))
            return
        if running.killed:
            outcome = self._overdue(job, outcome)
        elif process.died and outcome.error and running.attempt <= self._settings.retries:
            _log.warning("%s, %.0f s, %s; it is begun again", label, seconds, outcome.error)
            self.status.update(job.number, status="waiting")
            self._waiting.appendleft((job, running.attempt + 1, 0.0))
            return
        if outcome.error:
            text = f"failed: {outcome.error}"
        elif outcome.before:
            text = f"{outcome.status} before: {outcome.folder}"
        else:
            text = f"{'done' if outcome.status == 'finished' else 'pruned'}: {outcome.folder}"
        _log.info("%s, %.0f s, %s", label, seconds, text)
        self._end(job, outcome)
        if outcome.error and not outcome.before:
            self._failures += 1
            self._give_up(outcome)

    def _end(self, job: SweepJob, outcome: JobOutcome) -> None:
        self._outcomes[job.number] = outcome
        self.status.update(
            job.number,
            title=job.title,
            status=outcome.status,
            folder=None if outcome.folder is None else outcome.folder.name,
            before=outcome.before,
        )

    def _give_up(self, outcome: JobOutcome) -> None:
        """Begins no other job where that was asked for, or would be in vain."""
        most = self._settings.most_failures
        if (outcome.error or "").startswith("DiskFullError"):
            why = "the disk is full"
        elif most is not None and self._failures >= most:
            why = f"{self._failures} failed, as many as sweep.{self._why} allows"
        else:
            return
        if self._waiting:
            _log.warning(
                "%s: %d jobs are not begun; the same command goes on with them",
                why,
                len(self._waiting),
            )
            self._waiting.clear()

    @property
    def _why(self) -> str:
        return "fail_fast" if self._settings.fail_fast else "max_failures"

    def _end_overdue(self) -> None:
        """Kills jobs that have not ended by themselves when their time was up."""
        limit = self._settings.time_limit
        if limit is None:
            return
        for running in self._running.values():
            if time.monotonic() - running.began > limit + _STOPPING_SECONDS and not running.killed:
                running.killed = True
                running.process.kill()

    def _overdue(self, job: SweepJob, outcome: JobOutcome) -> JobOutcome:
        """Outcome of a job that was killed because it did not see that its time was up."""
        error = (
            f"TimeLimitError: it has taken longer than the {self._settings.time_limit:g} "
            "seconds it may, and was killed"
        )
        if outcome.status in ENDED or outcome.folder is None:
            return outcome
        try:
            end_dead(outcome.folder, "failed", error)
            record_ended(Ledger(Path(str(job.config["ledger"]))))
        except (BusyError, DataError, OSError, ValueError) as problem:
            _log.warning("%s: %s", outcome.folder, problem)
        return job.outcome("failed", folder=outcome.folder, error=error)

    def _stop(self) -> None:
        """Asks the jobs to stop, and ends those that do not."""
        for running in self._running.values():
            running.process.interrupt()
        deadline = time.monotonic() + _STOPPING_SECONDS
        while self._running:
            left = deadline - time.monotonic()
            if left <= 0:
                for running in self._running.values():
                    running.process.kill()
                return
            for connection in wait(list(self._running), timeout=min(left, _TICK)):
                assert isinstance(connection, Connection)
                running = self._running[connection]
                said = running.process.hear(0.0)
                if isinstance(said, JobOutcome):
                    del self._running[connection]
                    self._end(running.process.job, said)

    def _read_objectives(self) -> None:
        """What jobs that had finished before have reached."""
        while self._unread:
            number, folder = self._unread.pop()
            self.status.update(number, objective=objective_of(folder))
