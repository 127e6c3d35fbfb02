"""Hydra launcher that gives every job of a sweep a process of its own.

Hydra's basic launcher runs all jobs in one process, where random state, module globals and W&B runs
carry over from job to job. Here a server process imports the framework once and each job is a fresh
fork of it, so isolation costs milliseconds instead of an import.
"""

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus, filter_overrides
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from regimecast.core.config import plain, study_folder
from regimecast.core.stopping import StopSignals

_log = logging.getLogger("regimecast.launcher")


@dataclass
class ProcessLauncherConfig:
    """Config of the launcher."""

    _target_: str = "hydra_plugins.regimecast.process_launcher.ProcessLauncher"
    n_jobs: int = 1
    """Jobs at a time; each gets an equal share of the cores."""


ConfigStore.instance().store(
    group="hydra/launcher", name="regimecast_process", node=ProcessLauncherConfig
)


@dataclass(frozen=True)
class JobOutcome:
    """How one job of a sweep ended."""

    study: Path
    overrides: tuple[str, ...]
    folder: Path | None
    error: str | None


_STOPPING_SECONDS = 30.0
"""Time that a stopped sweep gives its jobs to close their folders."""

_SWEEP_FILE = "multirun.yaml"

_outcomes: list[JobOutcome] = []
_unstarted: list[Path] = []
"""Folders of sweeps that Hydra has not handed over yet and had written nothing for before."""


def take_outcomes() -> list[JobOutcome]:
    """Outcomes of the jobs launched since the last call, in order of launching.

    Hydra hands the sweeper's results to nobody, and swallows errors of its callbacks.
    """
    taken = list(_outcomes)
    _outcomes.clear()
    return taken


def remove_unstarted() -> None:
    """Removes what Hydra wrote for a sweep that it then refused, and nothing else."""
    while _unstarted:
        folder = _unstarted.pop()
        (folder / _SWEEP_FILE).unlink(missing_ok=True)
        with suppress(OSError):  # it is not there, or holds other jobs
            folder.rmdir()


class ProcessLauncher(Launcher):
    """Runs each job in a fresh process; a job that fails does not stop the others.

    Args:
        n_jobs: jobs at a time.
    """

    def __init__(self, n_jobs: int) -> None:
        self.n_jobs = n_jobs
        self.config: DictConfig | None = None
        self.hydra_context: HydraContext | None = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Called by Hydra before it writes anything.

        Raises:
            ConfigError: the study would be outside the folder of all studies.
        """
        folder = study_folder({"runs": config.runs, "study": config.study})
        if not (folder / _SWEEP_FILE).exists():
            _unstarted.append(folder)
        self.config = config
        self.hydra_context = hydra_context

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Results in the order of the jobs."""
        assert self.config is not None
        assert self.hydra_context is not None
        # Every job is composed before the first one runs: a typo in the last costs nothing.
        jobs: list[_Job] = []
        for number, overrides in enumerate(job_overrides, initial_job_idx):
            # The study's default name is a time stamp; all jobs of the sweep share the first one.
            shared = [*overrides, f"study='{self.config.study}'"]
            config = self.hydra_context.config_loader.load_sweep_config(self.config, shared)
            with open_dict(config):
                del config["hydra"]
            jobs.append(_Job(number, tuple(filter_overrides(overrides)), plain(config)))
        common = set.intersection(*(set(job.overrides) for job in jobs)) if len(jobs) > 1 else set()
        jobs = [replace(job, common=frozenset(common)) for job in jobs]
        _unstarted.clear()
        outcomes = _Processes(at_a_time=self.n_jobs, total=len(jobs)).run(jobs)
        _outcomes.extend(outcomes)
        return [
            JobReturn(overrides=job.overrides, status=JobStatus.COMPLETED, _return_value=job)
            for job in outcomes
        ]


@dataclass(frozen=True)
class _Job:
    number: int
    overrides: tuple[str, ...]
    config: dict[str, Any]
    common: frozenset[str] = frozenset()
    """Overrides of every job of the sweep."""

    @property
    def distinct(self) -> tuple[str, ...]:
        """Overrides that tell this job from the others."""
        return tuple(override for override in self.overrides if override not in self.common)

    @property
    def title(self) -> str:
        return " ".join(self.distinct) or "defaults"

    def outcome(self, *, folder: str | None = None, error: str | None = None) -> JobOutcome:
        return JobOutcome(
            study=study_folder(self.config),
            overrides=self.overrides,
            folder=None if folder is None else Path(folder),
            error=error,
        )


class _Processes:
    """Runs jobs, each in a process, a few at a time.

    Args:
        at_a_time: processes beside each other; they share the threads equally.
        total: jobs of the sweep.
    """

    def __init__(self, *, at_a_time: int, total: int) -> None:
        methods = multiprocessing.get_all_start_methods()
        self._context: Any = multiprocessing.get_context(
            "forkserver" if "forkserver" in methods else "spawn"
        )
        if hasattr(self._context, "set_forkserver_preload"):
            self._context.set_forkserver_preload(["regimecast.experiment"])
        self._at_a_time = at_a_time
        self._total = total
        self._running: set[BaseProcess] = set()
        self._stopping = threading.Event()

    def run(self, jobs: Sequence[_Job]) -> list[JobOutcome]:
        """Outcomes in the order of the jobs; Ctrl-C stops those that run and starts no other."""
        with ThreadPoolExecutor(self._at_a_time) as pool:
            futures = [pool.submit(self._run, job) for job in jobs]
            try:
                return [future.result() for future in futures]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self._stop()
                raise

    def _run(self, job: _Job) -> JobOutcome:
        """One job in a process of its own, waited for."""
        _log.info("job %d of %d: %s", job.number + 1, self._total, job.title)
        started = time.perf_counter()
        receiver, sender = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_work, args=(sender, job, self._at_a_time))
        process.start()
        self._running.add(process)
        if self._stopping.is_set():
            process.terminate()
        sender.close()
        try:
            outcome = job.outcome(**receiver.recv())
            process.join()
        except EOFError:
            process.join()
            outcome = job.outcome(error=f"the process died with {_ending(process.exitcode)}")
        finally:
            receiver.close()
            self._running.discard(process)
        text = f"failed: {outcome.error}" if outcome.error else f"done: {outcome.folder}"
        seconds = time.perf_counter() - started
        _log.info("job %d of %d, %.0f s, %s", job.number + 1, self._total, seconds, text)
        return outcome

    def _stop(self) -> None:
        """Asks the jobs to stop, and ends those that do not."""
        self._stopping.set()
        for process in tuple(self._running):
            process.terminate()
        deadline = time.monotonic() + _STOPPING_SECONDS
        while self._running and time.monotonic() < deadline:
            time.sleep(0.05)
        for process in tuple(self._running):
            process.kill()


def _work(sender: Connection, job: _Job, at_a_time: int) -> None:
    """Body of a job's process."""
    import torch

    from regimecast.core.terminal import configure_logging
    from regimecast.experiment import execute
    from regimecast.training.threads import share_of_threads

    # A share of what a run by itself would take: the number of threads can change the last bits.
    torch.set_num_threads(share_of_threads(at_a_time))
    configure_logging()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with sender, StopSignals():
        try:
            result = execute(
                job.config, overrides=job.overrides, number=job.number, distinct=job.distinct
            )
            sender.send({"folder": str(result.folder)})
        except KeyboardInterrupt:
            with suppress(BrokenPipeError):  # a sweep that was killed listens no more
                sender.send({"error": "interrupted"})
        except Exception as error:  # noqa: BLE001  # the run's manifest has the traceback
            sender.send({"error": f"{type(error).__name__}: {error}"})


def _end_with_parent() -> None:
    """Ends this job as interrupted when its sweep was killed: nobody waits for it any more."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


def _ending(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"signal {signal.Signals(-exit_code).name}"
    return f"exit code {exit_code}"
