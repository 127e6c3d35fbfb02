"""Hydra launcher that gives every job of a sweep a process of its own.

Hydra's basic launcher runs all jobs in one process, where random state, module globals and W&B runs
carry over from job to job. Here a server process imports the framework once and each job is a fresh
fork of it, so isolation costs milliseconds instead of an import.
"""

import logging
import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus, filter_overrides
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

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


_outcomes: list[JobOutcome] = []


def launched() -> list[JobOutcome]:
    """Outcomes of every job that this process launched, in order of launching.

    Hydra hands the sweeper's results to nobody, and swallows errors of its callbacks.
    """
    return list(_outcomes)


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
        """Called by Hydra before the first launch."""
        self.config = config
        self.hydra_context = hydra_context

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Results in the order of the jobs."""
        assert self.config is not None
        assert self.hydra_context is not None
        # Every job is composed before the first one runs: a typo in the last costs nothing.
        jobs = []
        for number, overrides in enumerate(job_overrides, initial_job_idx):
            # The study's default name is a time stamp; all jobs of the sweep share the first one.
            shared = [*overrides, f"study='{self.config.study}'"]
            config = self.hydra_context.config_loader.load_sweep_config(self.config, shared)
            with open_dict(config):
                del config["hydra"]
            jobs.append((number, list(filter_overrides(overrides)), _plain(config)))
        methods = multiprocessing.get_all_start_methods()
        context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        if hasattr(context, "set_forkserver_preload"):
            context.set_forkserver_preload(["regimecast.experiment"])
        threads = max(1, (os.cpu_count() or 1) // self.n_jobs)
        with ThreadPoolExecutor(self.n_jobs) as pool:
            outcomes = list(
                pool.map(lambda job: _run(context, *job, total=len(jobs), threads=threads), jobs)
            )
        _outcomes.extend(outcomes)
        return [
            JobReturn(overrides=job.overrides, status=JobStatus.COMPLETED, _return_value=job)
            for job in outcomes
        ]


def _plain(config: DictConfig) -> dict[str, Any]:
    container = OmegaConf.to_container(config, resolve=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def _run(
    context: Any,
    number: int,
    overrides: list[str],
    config: dict[str, Any],
    *,
    total: int,
    threads: int,
) -> JobOutcome:
    """One job in a process of its own, waited for."""
    title = " ".join(overrides) or "defaults"
    _log.info("job %d of %d: %s", number + 1, total, title)
    started = time.perf_counter()
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=_job, args=(sender, number, overrides, config, threads), daemon=False
    )
    process.start()
    sender.close()
    try:
        outcome: dict[str, Any] = receiver.recv()
    except EOFError:
        process.join()
        outcome = {"error": f"the process died with exit code {process.exitcode}"}
    finally:
        receiver.close()
    process.join()
    seconds = time.perf_counter() - started
    if error := outcome.get("error"):
        _log.error("job %d of %d failed after %.0f s: %s", number + 1, total, seconds, error)
    else:
        _log.info("job %d of %d done in %.0f s: %s", number + 1, total, seconds, outcome["folder"])
    return JobOutcome(
        study=Path(str(config["runs"])) / str(config["study"]),
        overrides=tuple(overrides),
        folder=Path(outcome["folder"]) if "folder" in outcome else None,
        error=error,
    )


def _job(
    sender: Connection, number: int, overrides: list[str], config: dict[str, Any], threads: int
) -> None:
    """Body of a job's process."""
    import torch

    from regimecast.cli import configure_logging
    from regimecast.core.errors import RegimecastError
    from regimecast.experiment import execute

    torch.set_num_threads(threads)
    configure_logging()
    try:
        result = execute(config, overrides=overrides, number=number)
        sender.send({"folder": str(result.folder)})
    except (RegimecastError, OSError) as error:
        sender.send({"error": f"{type(error).__name__}: {error}"})
    except Exception as error:
        # The parent gets one line; the traceback is in the run folder and on the terminal.
        sender.send({"error": f"{type(error).__name__}: {error}"})
        raise
    finally:
        sender.close()
