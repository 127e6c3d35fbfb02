"""What Ray Tune runs: a job in a process of its own, step by step.

A Ray worker is kept from trial to trial, and with it the server that its jobs are forked from. A
job waits after each step until Tune has decided; Tune's own checkpoints are empty, since what a
trial goes on from is in its run folder.
"""

import json
import logging
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ray import tune

from regimecast.core.errors import BusyError
from regimecast.sweep.following import follow, keep
from regimecast.sweep.job_process import JobProcess
from regimecast.sweep.jobs import ENDED, JobOutcome, SweepJob, find_job
from regimecast.sweep.store import Store
from regimecast.tracking.folder import end_dead
from regimecast.training.watch import Progress

__all__ = ["JobTrainable", "trial_config"]

_log = logging.getLogger(__name__)

_CLOSING_SECONDS = 60.0
"""Time that a job which was told to stop gets to close its folder."""
_TELL_SECONDS = 1.0
"""A job that nobody may end early is told of that often."""
_STORE_SECONDS, _STORE_SHARE = 5.0, 0.1
"""A job's state is handed over no more often, nor for a larger share of its time."""


def trial_config(job: SweepJob, **manner: Any) -> dict[str, Any]:
    """What Tune hands to a worker.

    Args:
        job: what to run.
        manner: how: `folder` to run in, `threads`, `watched`, `time_limit`, `retries`,
            `retry_failed`; `remote`, where runs are kept if nodes share no folder, else null;
            `marks`, a folder that has a file for every job that the scheduler ends;
            `exchange`, a folder for what other jobs go on from, null for none; `follows`, where in
            that this job's first steps are, null where it makes them itself.
    """
    fields = ("number", "overrides", "config", "distinct", "identity")
    return {
        "number": job.number,
        "identity": job.identity,
        "job": json.dumps({name: getattr(job, name) for name in fields}),
        "manner": json.dumps(manner),
    }


class JobTrainable(tune.Trainable):
    """A worker for jobs, one after the other."""

    def setup(self, config: dict[str, Any]) -> None:
        """Begins the first job."""
        # A job would import the worker's own script, and Ray with it, before anything else.
        sys.modules["__main__"].__dict__.pop("__file__", None)
        self._process: JobProcess | None = None
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Ends the job that runs, if any, and begins another."""
        self._end()
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """The job's next step, or how it ended."""
        if self._process is None:
            self._start()
        said = self._hear()
        if isinstance(said, Progress):
            self._at = said.step
            return {
                "step": said.step,
                "val/loss": said.objective,
                "fold": said.fold,
                "epoch": said.epoch,
                "folder": self._folder(),
            }
        self._process = None
        if self._store is not None and said.folder is not None and said.status != "running":
            self._store.push(str(self._job.identity), said.folder)
        return {
            "done": True,
            "status": said.status,
            "folder": None if said.folder is None else str(said.folder),
            "error": said.error,
            "before": said.before,
        }

    def cleanup(self) -> None:
        """Ends the job that runs, if any."""
        self._end()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Interrupts the job, which goes on with the next step, and keeps a copy for others.

        Tune's checkpoint itself has nothing in it: the run folder has all that a job goes on from.
        """
        (Path(checkpoint_dir) / "nothing").touch()
        if self._manner["exchange"] is None:
            return
        self._end(pruned=False)
        if (folder := self._folder()) is not None:
            keep(Path(folder), Path(self._manner["exchange"]) / f"{self._job.identity}-{self._at}")

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing, see `save_checkpoint`."""

    def _begin(self, config: dict[str, Any]) -> None:
        self.config = {"number": config["number"]}
        self._manner = json.loads(config["manner"])
        remote = self._manner["remote"]
        if remote is not None:
            Path(self._manner["folder"]).mkdir(parents=True, exist_ok=True)
        os.chdir(self._manner["folder"])  # where the search was begun: paths may be relative
        given = json.loads(config["job"])
        lists = {key: tuple(given[key]) for key in ("overrides", "distinct")}
        self._job = SweepJob(**{**given, **lists})
        self._store = None if remote is None else Store(remote, self._job.config)
        self._hand_over = 0.0
        self._found: str | None = None
        self._at = 0
        self._attempts = 1 + int(self._manner["retries"])
        if self._manner["follows"] is not None:
            follow(self._job, Path(self._manner["follows"]))
        self._start()

    def _start(self) -> None:
        """Begins the job, or goes on with it where it was interrupted."""
        self._waits = False
        if self._store is not None:
            self._store.pull(str(self._job.identity))
        self._began = time.monotonic()
        self._process = JobProcess.start(
            self._job,
            threads=self._manner["threads"],
            watched=self._waited_for,
            retry_failed=self._manner["retry_failed"],
            time_limit=self._manner["time_limit"],
            quiet=True,
        )

    def _hear(self) -> Progress | JobOutcome:
        """What the job says next; one whose process died is begun again where it may be."""
        until = time.monotonic() + _TELL_SECONDS
        while True:
            assert self._process is not None
            if self._waits:
                self._waits = False
                self._process.go_on()
            said = self._process.hear(self._left())
            if said is None:
                return self._overdue()
            if isinstance(said, JobOutcome):
                if not (self._process.died and said.status == "interrupted" and self._attempts > 1):
                    return said
                self._attempts -= 1
                self._start()
            else:
                self._waits = self._waited_for
                self._keep()
                if self._manner["watched"] or time.monotonic() > until:
                    return said

    @property
    def _waited_for(self) -> bool:
        """Whether the job stands still after a step, for Tune or while its state is handed over."""
        return bool(self._manner["watched"]) or self._store is not None

    def _keep(self) -> None:
        """Hands over the state of a job that waits, so that another node can go on with it."""
        now = time.monotonic()
        if self._store is not None and now >= self._hand_over:
            self._try_push()
            took = time.monotonic() - now
            self._hand_over = now + max(_STORE_SECONDS, took / _STORE_SHARE)

    def _try_push(self) -> None:
        """Hands over the state of a job that stands still, if that can be."""
        if self._store is None or (folder := self._folder()) is None:
            return
        try:
            self._store.push(str(self._job.identity), Path(folder))
        except OSError as error:  # one of before is there, and the next may reach it
            _log.warning("%s", error)

    def _folder(self) -> str | None:
        """The job's run folder; it is there once it has made a step."""
        if self._found is None and self._job.identity is not None:
            found = find_job(self._job.study, self._job.identity)
            self._found = None if found is None else str(found[0])
        return self._found

    def _left(self) -> float | None:
        """Seconds until a job that has not seen that its time was up is killed."""
        limit = self._manner["time_limit"]
        if limit is None:
            return None
        return max(self._began + float(limit) + _CLOSING_SECONDS - time.monotonic(), 0.0)

    def _overdue(self) -> JobOutcome:
        """Outcome of such a job."""
        assert self._process is not None
        self._process.kill()
        outcome: Any = None
        while not isinstance(outcome, JobOutcome):
            outcome = self._process.hear(None)
        error = f"TimeLimitError: it has taken longer than {self._manner['time_limit']:g} seconds"
        if outcome.status in ENDED or outcome.folder is None:
            return outcome
        with suppress(BusyError, OSError, ValueError):
            end_dead(outcome.folder, "failed", error)
        return self._job.outcome("failed", folder=outcome.folder, error=error)

    def _end(self, *, pruned: bool | None = None) -> None:
        """Ends the job as pruned, where the scheduler said so, or as interrupted."""
        process, self._process = self._process, None
        if process is None:
            return
        if pruned is None:
            pruned = self._is_cut()
        if self._waits and pruned:
            process.prune()
        else:
            process.interrupt()
        deadline = time.monotonic() + _CLOSING_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            if isinstance(process.hear(left), JobOutcome):  # else what it said before it was asked
                self._try_push()
                return
        process.kill()

    def _is_cut(self) -> bool:
        """Whether the scheduler has ended the job."""
        identity = str(self._job.identity)
        if self._store is not None:
            try:
                return self._store.is_cut(identity)
            except OSError as error:  # then it is interrupted
                _log.warning("%s", error)
        return (Path(self._manner["marks"]) / identity).exists()
