"""A job in a process of its own: a fresh fork of a server that has imported the framework.

Random state, module globals and tracker runs cannot carry over from job to job, and isolation costs
milliseconds instead of an import.
"""

import multiprocessing
import os
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from regimecast.core.errors import BusyError, Pruned
from regimecast.core.files import out_of_space
from regimecast.core.stopping import StopSignals
from regimecast.sweep.jobs import ENDED, JobOutcome, SweepJob, error_of, find_job
from regimecast.tracking.claim import let_go, taken
from regimecast.tracking.folder import Status
from regimecast.tracking.identity import changed_code
from regimecast.training.watch import Progress

__all__ = ["JobProcess", "end_with_parent", "start_server"]

_GO_ON, _PRUNE = "go on", "prune"
_PATIENCE = 600.0
_LOOK_AGAIN = 0.2
"""Seconds between two looks at what another process works on."""


class JobProcess:
    """A job that runs, and the two ends of what is said to each other.

    Its process ends as interrupted when the one that started it dies.
    """

    def __init__(self, job: SweepJob, process: Any, connection: Connection) -> None:
        self.job = job
        self.died = False
        """Whether the process ended without a word."""
        self._process = process
        self._connection = connection

    @classmethod
    def start(
        cls,
        job: SweepJob,
        *,
        threads: int | None = None,
        sharing: int = 1,
        watched: bool = False,
        resume: Path | None = None,
        retry_failed: bool = False,
        time_limit: float | None = None,
        patience: float = _PATIENCE,
        quiet: bool = False,
    ) -> "JobProcess":
        """The job, begun.

        A job whose identity is known is not run if it has ended in its study before, and goes on
        in its run folder if it was interrupted.

        Args:
            job: what to run.
            threads: of torch and BLAS; None for as many as the job would take by itself.
            sharing: jobs that run beside each other and share those threads.
            watched: whether the job waits after each step that it tells of for `go_on`.
            resume: its run folder, where it was interrupted before and its identity is not known.
            retry_failed: whether a job that failed before is run anew.
            time_limit: seconds after which it ends as failed.
            patience: seconds to wait for another process that works on the same job; after that
                the outcome has the status ``running``.
            quiet: whether only the run folder's log says what happens.
        """
        manner = _Manner(
            threads, sharing, watched, resume, retry_failed, time_limit, patience, quiet
        )
        context = _context()
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, job, manner))
        process.start()
        theirs.close()
        return cls(job, process, ours)

    @property
    def connection(self) -> Connection:
        """For `multiprocessing.connection.wait`: ready when there is something to hear."""
        return self._connection

    def hear(self, timeout: float | None = None) -> Progress | JobOutcome | None:
        """What the job says next; its outcome is the last. None where it says nothing in time.

        Args:
            timeout: seconds to wait; None for as long as it takes.
        """
        if not self._connection.poll(timeout):
            return None
        try:
            said: Progress | JobOutcome = self._connection.recv()
        except (EOFError, OSError):
            self.died = True
            said = self._last_word()
        if isinstance(said, JobOutcome):
            self._process.join()
            self._connection.close()
        return said

    def go_on(self) -> None:
        """Lets a watched job go on after what it has told."""
        self._tell(_GO_ON)

    def prune(self) -> None:
        """Ends a watched job that waits, as pruned."""
        self._tell(_PRUNE)

    def interrupt(self) -> None:
        """Asks the job to stop; it can be resumed."""
        self._process.terminate()

    def kill(self) -> None:
        """Ends the process at once."""
        self._process.kill()

    def _tell(self, word: str) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # it has died: `hear` says so
            self._connection.send(word)

    def _last_word(self) -> JobOutcome:
        """Outcome of a process that died; what its folder says, if that was closed."""
        self._process.join()
        error = f"the process died with {_ending(self._process.exitcode)}"
        job = self.job
        found = None if job.identity is None else find_job(job.study, job.identity)
        if found is None:
            return job.outcome("interrupted", error=error)
        folder, status = found
        if status in ENDED:
            return job.outcome(status, folder=folder)
        return job.outcome(
            "failed" if status == "failed" else "interrupted", folder=folder, error=error
        )


def start_server() -> None:
    """Begins the import of the framework that jobs are forked from, and does not wait for it."""
    if _context().get_start_method() == "forkserver":
        from multiprocessing.forkserver import ensure_running

        ensure_running()


@dataclass(frozen=True)
class _Manner:
    """How a job is run, see `JobProcess.start`."""

    threads: int | None
    sharing: int
    watched: bool
    resume: Path | None
    retry_failed: bool
    time_limit: float | None
    patience: float
    quiet: bool


class _Remote:
    """Tells the process that started this one.

    Args:
        connection: to it.
        waits: whether it has to answer.
    """

    def __init__(self, connection: Connection, *, waits: bool) -> None:
        self._connection = connection
        self._waits = waits

    def report(self, progress: Progress) -> None:
        """Returns when the job is to go on; see `Watch`."""
        try:
            self._connection.send(progress)
            answer = self._connection.recv() if self._waits else _GO_ON
        except (EOFError, OSError):
            # It is dead, and the thread that looks after it has not seen it yet.
            raise KeyboardInterrupt("nobody listens") from None
        if answer == _PRUNE:
            raise Pruned(f"after step {progress.step}")


@cache
def _context() -> Any:
    methods = multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if hasattr(context, "set_forkserver_preload"):
        context.set_forkserver_preload(["regimecast.sweep.preloaded"])
    return context


def _work(connection: Connection, job: SweepJob, manner: _Manner) -> None:
    """Body of a job's process."""
    from regimecast.core.terminal import configure_logging
    from regimecast.training.threads import share_threads

    # A share of what a run by itself would take: the number of threads can change the last bits.
    share_threads(manner.sharing, manner.threads)
    if manner.quiet:
        for stream in (1, 2):  # progress bars and what libraries print too
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    configure_logging(quiet=manner.quiet)
    threading.Thread(target=end_with_parent, daemon=True).start()
    with connection, StopSignals(seconds=manner.time_limit):
        outcome = _outcome(job, manner, _Remote(connection, waits=manner.watched))
        with suppress(BrokenPipeError, ConnectionResetError):  # a sweep that was killed is deaf
            connection.send(outcome)


def _outcome(job: SweepJob, manner: _Manner, remote: _Remote) -> JobOutcome:
    """How the job ends, whatever happens."""

    def ended(status: Status, error: str | None = None) -> JobOutcome:
        found = None if job.identity is None else find_job(job.study, job.identity)
        return job.outcome(status, folder=found[0] if found else manner.resume, error=error)

    if changed := changed_code():  # what is not imported yet would be of another version
        said = f"{changed[0]} has changed since the sweep began; the same command goes on with that"
        return ended("interrupted", said)
    try:
        return _run(job, manner, remote)
    except KeyboardInterrupt:
        return ended("interrupted", "interrupted")
    except Pruned:
        return ended("pruned")
    except BusyError as error:
        return ended("running", str(error))
    except Exception as error:  # noqa: BLE001  # the run's manifest has the traceback
        if out_of_space(error):
            return ended("interrupted", f"DiskFullError: {error}")
        return ended("failed", f"{type(error).__name__}: {error}")


def _run(job: SweepJob, manner: _Manner, remote: _Remote) -> JobOutcome:
    """Outcome of a job that goes well, or has ended before."""
    from regimecast.experiment import execute

    def run(resume: Path | None) -> JobOutcome:
        result = execute(
            job.config,
            overrides=job.overrides,
            number=job.number,
            distinct=job.distinct,
            watch=remote,
            resume=resume,
            identity=job.identity,
        )
        return job.outcome("finished", folder=result.folder)

    if job.identity is None:
        return run(manner.resume)
    deadline = time.monotonic() + manner.patience
    while True:
        try:
            lock = taken(job.study, job.identity, of=f"{job.title} of {job.study}")
            try:
                found = find_job(job.study, job.identity)
                if found is None:
                    return run(manner.resume)
                folder, status = found
                if status in ENDED:
                    return job.outcome(status, folder=folder, before=True)
                if status != "failed":
                    return run(folder)
                if manner.retry_failed:
                    return run(None)
                return job.outcome("failed", folder=folder, error=error_of(folder), before=True)
            finally:
                let_go(lock)
        except BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_LOOK_AGAIN)


def end_with_parent() -> None:
    """Ends this job as interrupted when its sweep was killed: nobody waits for it any more."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


def _ending(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"signal {signal.Signals(-exit_code).name}"
    return f"exit code {exit_code}"
