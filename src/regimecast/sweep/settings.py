"""How a search is run: the ``sweep`` node of the config, checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

from regimecast.core.errors import ConfigError, did_you_mean
from regimecast.core.parts import check_keys, settings

__all__ = ["SearchSettings", "check_objectives"]

Searcher = Literal["random", "grid", "tpe", "cmaes", "nsga2"]
Direction = Literal["min", "max"]

_SCHEDULERS: Mapping[str, tuple[str, ...]] = {
    "none": (),
    "asha": ("grace", "reduction"),
    "median": ("grace", "samples"),
    "pbt": ("interval", "quantile", "resample", "factors"),
    "pb2": ("interval", "quantile"),
}
"""Parameters of each scheduler."""


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """The ``sweep`` node; ``conf/sweep/common/tune.yaml`` says what each key means.

    Raises:
        ConfigError: a value is out of range, or two of them do not go together.
    """

    searcher: Searcher
    population: int | None
    scheduler: Mapping[str, Any]
    trials: int | None
    objectives: Mapping[str, Direction]
    space: Mapping[str, Any]
    seed: int
    jobs: int | None
    cpu: int | None
    gpu: float | None
    address: str | None
    storage: str | None
    remote: str | None
    fail_fast: bool
    max_failures: int | None
    time_limit: float | None
    retries: int
    retry_failed: bool

    @classmethod
    def from_config(cls, sweep: Mapping[str, Any]) -> "SearchSettings":
        """The settings of a composed config's ``sweep`` node."""
        objectives = sweep.get("objectives")
        if isinstance(objectives, list) and all(isinstance(one, Mapping) for one in objectives):
            sweep = {**sweep, "objectives": {k: v for one in objectives for k, v in one.items()}}
        return settings(cls, "sweep", {"sweep": sweep})

    def __post_init__(self) -> None:
        for key, least in (
            ("trials", 1), ("population", 4), ("seed", 0), ("jobs", 1), ("cpu", 1),
            ("max_failures", 1), ("retries", 0),
        ):  # fmt: skip
            _at_least(f"sweep.{key}", getattr(self, key), least)
        if self.time_limit is not None and not (isfinite(self.time_limit) and self.time_limit > 0):
            raise ConfigError(f"sweep.time_limit={self.time_limit} must be more than 0 seconds")
        if self.gpu is not None and not (isfinite(self.gpu) and self.gpu >= 0):
            raise ConfigError(f"sweep.gpu={self.gpu} must be 0 or more, such as 0.5 or 1")
        if self.gpu is not None and self.gpu > 1 and self.gpu != int(self.gpu):
            raise ConfigError(f"sweep.gpu={self.gpu}: more than one GPU must be a whole number")
        if self.trials is None and self.searcher != "grid":
            raise ConfigError("sweep.trials=null is for searcher=grid, whose number is known")
        self._check_scheduler()
        self._check_remote()
        if len(self.objectives) != 1 and self.searcher != "nsga2":
            named = ", ".join(self.objectives) or "none"
            raise ConfigError(
                f"sweep.objectives names {named}; searcher={self.searcher} takes one. "
                "sweep=nsga2 takes several"
            )
        if not self.objectives:
            raise ConfigError("sweep.objectives names none, such as [{val/loss: min}]")

    @property
    def cuts(self) -> bool:
        """Whether jobs may be ended early."""
        return self.scheduler["name"] != "none"

    @property
    def population_based(self) -> bool:
        """Whether jobs exchange weights."""
        return self.scheduler["name"] in ("pbt", "pb2")

    def _check_remote(self) -> None:
        if self.remote is None:
            return
        if self.population_based:
            raise ConfigError(
                f"sweep.remote={self.remote!r}: the jobs of sweep={self.scheduler['name']} go on "
                "from each other's checkpoints, in a folder that all nodes share; allowed: null"
            )
        if str(self.address).startswith("ray://"):
            raise ConfigError(
                f"sweep.remote={self.remote!r} with sweep.address={self.address!r}: begin the "
                "search on a machine of the cluster; allowed: auto, HOST:PORT, null"
            )

    def _check_scheduler(self) -> None:
        name = str(self.scheduler.get("name"))
        if name not in _SCHEDULERS:
            raise ConfigError(
                f"sweep.scheduler.name={name!r}.{did_you_mean(name, _SCHEDULERS)} "
                f"Allowed: {', '.join(_SCHEDULERS)}"
            )
        check_keys("sweep.scheduler", self.scheduler, ("name", *_SCHEDULERS[name]))
        for key, least in (("grace", 1), ("reduction", 2), ("samples", 1), ("interval", 1)):
            if key in self.scheduler:
                _at_least(f"sweep.scheduler.{key}", self.scheduler[key], least, optional=False)
        for key, most in (("quantile", 0.5), ("resample", 1.0)):
            _share(f"sweep.scheduler.{key}", self.scheduler.get(key, 0), most)
        for factor in (factors := self.scheduler.get("factors", [0.5, 2])):
            if not isinstance(factor, int | float) or not 0 < factor < float("inf"):
                raise ConfigError(f"sweep.scheduler.factors={factors}: {factor!r} is not above 0")
        if self.cuts and dict(self.objectives) != {"val/loss": "min"}:
            raise ConfigError(
                f"sweep.scheduler.name={name} compares jobs by val/loss while they train; with "
                f"sweep.objectives={dict(self.objectives)} choose sweep.scheduler.name=none"
            )
        if self.population_based and self.searcher != "random":
            raise ConfigError(
                f"sweep.searcher={self.searcher}: the population of scheduler {name} is drawn at "
                "once; allowed: random"
            )


OBJECTIVES: tuple[str, ...] = (
    "val/loss", "parameters", "seconds", "validation/sharpe", "validation/turnover",
    "validation/mae", "validation/mse", "validation/rmse", "validation/crps", "validation/pinball",
    "validation/directional_accuracy", "validation/ic", "validation/rank_ic",
    "validation/accuracy", "validation/macro_f1", "validation/log_loss", "validation/brier",
)  # fmt: skip
"""What jobs can report; of the validation metrics those of their task."""


def check_objectives(named: Mapping[str, str]) -> None:
    """Nothing, if every objective is something that jobs report.

    Raises:
        ConfigError: one is not.
    """
    for name in named:
        if name not in OBJECTIVES:
            raise ConfigError(
                f"sweep.objectives names {name!r}, which no job reports."
                f"{did_you_mean(name, OBJECTIVES)} Allowed: {', '.join(OBJECTIVES)}"
            )


def _at_least(key: str, value: Any, least: int, *, optional: bool = True) -> None:
    if value is None and optional:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigError(f"{key}={value!r} must be a whole number of at least {least}")


def _share(key: str, value: Any, most: float) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= most:
        raise ConfigError(f"{key}={value!r} must be between 0 and {most}")
