"""Hydra launcher that gives every missing job of a sweep a process of its own."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus, filter_overrides
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from regimecast.core.config import study_folder


@dataclass
class ProcessLauncherConfig:
    """Config of the launcher, see ``conf/sweep/grid.yaml``."""

    _target_: str = "hydra_plugins.regimecast.process_launcher.ProcessLauncher"
    n_jobs: int = 1
    fail_fast: bool = False
    max_failures: int | None = None
    time_limit: float | None = None
    retries: int = 1
    retry_failed: bool = False


ConfigStore.instance().store(
    group="hydra/launcher", name="regimecast_process", node=ProcessLauncherConfig
)

_SWEEP_FILE = "multirun.yaml"

_outcomes: list[Any] = []
_unstarted: list[Path] = []
"""Folders of sweeps that Hydra has not handed over yet and had written nothing for before."""


def add_outcomes(outcomes: Sequence[Any]) -> None:
    """Keeps outcomes of jobs for `take_outcomes`.

    Hydra hands the sweeper's results to nobody, and swallows errors of its callbacks.
    """
    _outcomes.extend(outcomes)


def take_outcomes() -> list[Any]:
    """Every `JobOutcome` since the last call, in order of launching."""
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
        settings: the other keys of `GridSettings`.
    """

    def __init__(self, n_jobs: int, **settings: Any) -> None:
        from regimecast.sweep.grid_settings import GridSettings

        self.settings = GridSettings(jobs=n_jobs, **settings)
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
        """Results in the order of the jobs; of a sweep that gave up, those that it has."""
        from regimecast.sweep.grid import Grid
        from regimecast.sweep.jobs import find_done
        from regimecast.tracking.claim import remove_unborn

        jobs = self._jobs(job_overrides, initial_job_idx)
        _unstarted.clear()
        done: dict[str, Any] = {}
        for study in {job.study for job in jobs}:
            remove_unborn(study)
            done |= find_done(study)
        outcomes = Grid(jobs, self.settings).run(done)
        add_outcomes(outcomes)
        return [
            JobReturn(overrides=job.overrides, status=JobStatus.COMPLETED, _return_value=job)
            for job in outcomes
        ]

    def _jobs(self, job_overrides: Sequence[Sequence[str]], first: int) -> list[Any]:
        """Every job, composed before the first one runs: a typo in the last costs nothing."""
        from regimecast.sweep.bars import BarsHashes
        from regimecast.sweep.composing import Composer
        from regimecast.sweep.jobs import SweepJob
        from regimecast.tracking.identity import job_identity

        assert self.config is not None
        assert self.hydra_context is not None
        composer, bars = Composer(self.hydra_context.config_loader, self.config), BarsHashes()
        # The study's name is the sweep's; all its jobs share it.
        shared = f"study='{self.config.study}'"
        jobs = []
        for number, overrides in enumerate(job_overrides, first):
            own = tuple(o for o in filter_overrides(overrides) if not o.startswith(_HOW))
            config = composer.compose([*overrides, shared])
            jobs.append(SweepJob(number, own, config))
        common = set.intersection(*(set(job.overrides) for job in jobs)) if len(jobs) > 1 else set()
        return [
            replace(
                job,
                distinct=tuple(o for o in job.overrides if o not in common),
                identity=job_identity(job.config, bars.of(job.config)),
            )
            for job in jobs
        ]


_HOW = ("sweep=", "sweep.")
"""Overrides that say how jobs are run, not what they are."""
