"""The nouns that every floor shares: task, regime, data spec, samples.

Nothing here imports torch: `core.batch` holds the one tensor type.
"""

from dataclasses import asdict, dataclass, fields, replace
from enum import IntEnum, StrEnum
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Bool, Int, Shaped

from regimecast.core.errors import ConfigError, SpecError, did_you_mean

__all__ = [
    "REGIMES",
    "REGIME_ALIASES",
    "DataSpec",
    "ForecastKind",
    "Interval",
    "Intervals",
    "Regime",
    "Samples",
    "Task",
    "TrainingTime",
    "training_time",
]


class Regime(IntEnum):
    """Market regimes in the order of their codes; -1 in a code array means not known yet."""

    LOW_VOLATILITY = 0
    NORMAL = 1
    HIGH_VOLATILITY = 2
    CRASH = 3
    RECOVERY = 4

    @property
    def label(self) -> str:
        """Name in config and reports, such as ``low_volatility``."""
        return self.name.lower()

    @classmethod
    def of(cls, name: str, *, key: str) -> "Regime":
        """Regime of a name or an alias; `key` is where the name stands in the config.

        Raises:
            ConfigError: no regime has that name.
        """
        label = REGIME_ALIASES.get(name, name)
        if label not in REGIMES:
            raise ConfigError(
                f"{key}: unknown regime {name!r}.{did_you_mean(name, REGIMES)} "
                f"Allowed: {', '.join(REGIMES)}"
            )
        return cls(REGIMES.index(label))


REGIMES: tuple[str, ...] = tuple(regime.label for regime in Regime)
"""Regime names in the order of their codes."""

REGIME_ALIASES: dict[str, str] = {"high_vol": "high_volatility", "low_vol": "low_volatility"}
"""Other names that event archives use for a regime; read by `Regime.of` and nowhere else."""


class Task(StrEnum):
    """What a target asks for."""

    FORECAST = "forecast"
    """The path of a real number over H bars."""
    CLASSIFICATION = "classification"
    """One of a few classes per origin (H = 1)."""


class ForecastKind(StrEnum):
    """What the last axis of `Forecast.values` holds."""

    QUANTILES = "quantiles"
    """Quantiles at `Forecast.levels`; a point forecast is the single level 0.5."""
    PROBABILITIES = "probabilities"
    """Class probabilities; `Forecast.levels` are the class values, such as (-1, 0, 1)."""
    POSITIONS = "positions"
    """Positions in [-1, 1]; `Forecast.levels` is (0.5,). That of step h is taken at the close of
    step h - 1 and held for one step, so that the first is the one to hold next."""


@dataclass(frozen=True)
class Interval:
    """A closed interval of time, such as the one that a scaler was fitted on."""

    start: np.datetime64
    end: np.datetime64

    def __post_init__(self) -> None:
        if not self.start <= self.end:
            raise SpecError(f"interval ends ({self.end}) before it starts ({self.start})")

    @property
    def first_use(self) -> np.datetime64:
        """Time from which on something fitted here may be used: before it is the fit's past."""
        return self.start

    def contains(self, time: Shaped[np.ndarray, " N"]) -> Bool[np.ndarray, " N"]:
        """True for times inside, both ends included."""
        return (time >= self.start) & (time <= self.end)

    def teaches(
        self, since: Shaped[np.ndarray, " N"], time: Shaped[np.ndarray, " N"]
    ) -> Bool[np.ndarray, " N"]:
        """True for values that may be learnt from: known at `time`, reading bars `since` then.

        Those of the first bars may read bars before the interval: they are the past.
        """
        return self.contains(time)

    def to_json(self) -> list[Any]:
        """Both ends as ISO strings."""
        return [str(self.start), str(self.end)]

    @classmethod
    def from_json(cls, value: list[str]) -> "Interval":
        """Inverse of `to_json`."""
        return cls(np.datetime64(value[0], "ns"), np.datetime64(value[1], "ns"))


@dataclass(frozen=True)
class Intervals:
    """Disjoint closed intervals in order of time: training before and after what is tested.

    What was fitted on them may be used at any time, earlier too: that is what such a test is for.

    Raises:
        SpecError: there is none, or one begins before the one before it has ended.
    """

    parts: tuple[Interval, ...]

    def __post_init__(self) -> None:
        if not self.parts:
            raise SpecError("no interval to fit anything on")
        for before, after in pairwise(self.parts):
            if not before.end < after.start:
                raise SpecError(f"interval from {after.start} begins before {before.end}")

    @property
    def start(self) -> np.datetime64:
        """Start of the first one."""
        return self.parts[0].start

    @property
    def end(self) -> np.datetime64:
        """End of the last one."""
        return self.parts[-1].end

    @property
    def first_use(self) -> np.datetime64:
        """Before any time there is."""
        return np.datetime64(np.iinfo(np.int64).min + 1, "ns")

    def contains(self, time: Shaped[np.ndarray, " N"]) -> Bool[np.ndarray, " N"]:
        """True for times inside one of them, both ends included."""
        return self.teaches(time, time)

    def teaches(
        self, since: Shaped[np.ndarray, " N"], time: Shaped[np.ndarray, " N"]
    ) -> Bool[np.ndarray, " N"]:
        """True for values that may be learnt from: known at `time`, reading bars `since` then.

        What they read has to lie within one interval: between two of them others are judged.
        """
        part = np.searchsorted(self._starts, since, side="right") - 1
        return (part >= 0) & (time <= self._ends[part])

    def to_json(self) -> list[Any]:
        """Both ends of each as ISO strings."""
        return [part.to_json() for part in self.parts]

    @classmethod
    def from_json(cls, value: list[list[str]]) -> "Intervals":
        """Inverse of `to_json`."""
        return cls(tuple(Interval.from_json(part) for part in value))

    @cached_property
    def _starts(self) -> Shaped[np.ndarray, " K"]:
        return np.array([part.start for part in self.parts])

    @cached_property
    def _ends(self) -> Shaped[np.ndarray, " K"]:
        return np.array([part.end for part in self.parts])


TrainingTime: TypeAlias = Interval | Intervals
"""Where everything of a fold is fitted: one interval where what is judged comes later, several
where training goes on before and after it."""


def training_time(value: list[Any]) -> TrainingTime:
    """Inverse of either's `to_json`."""
    return Interval.from_json(value) if isinstance(value[0], str) else Intervals.from_json(value)


@dataclass(frozen=True)
class DataSpec:
    """Shape and meaning of every batch, derived by the data module and never typed into a yaml.

    `past[0]` is always ``history``: the target's own series over the context window, in the units
    of the target and relative to the origin, so that a target is its continuation.
    """

    task: Task
    context_length: int
    """L, bars fed to a model, the origin included."""
    horizon: int
    """H, steps forecast; 1 for classification."""
    past: tuple[str, ...]
    """Channels of `Batch.past`, known up to the origin."""
    known: tuple[str, ...]
    """Channels of `Batch.known`, known over the horizon too (calendar)."""
    static: tuple[str, ...]
    """Channels of `Batch.static`, constant per asset."""
    assets: tuple[str, ...]
    frequency: str
    """Bar length as a pandas offset, such as ``1D`` or ``1min``."""
    bars_per_year: float
    """Measured on the data's own calendar; used to annualise."""
    classes: tuple[int, ...] = ()
    """Class values of a classification target, ascending; empty for a forecast."""
    target: str = "forward_return"
    """Registry name of the target."""

    def __post_init__(self) -> None:
        if self.context_length < 1 or self.horizon < 1:
            raise SpecError(
                f"context_length={self.context_length} and horizon={self.horizon} must be >= 1"
            )
        if not self.past or self.past[0] != "history":
            raise SpecError(f"past channels must start with 'history', got {self.past[:3]}")
        if (self.task is Task.CLASSIFICATION) != bool(self.classes):
            raise SpecError(f"task={self.task} does not go with classes={self.classes}")

    def only(self, *, past: bool, known: bool, static: bool) -> "DataSpec":
        """The spec with the history and these groups of covariates."""
        return replace(
            self,
            past=self.past if past else self.past[:1],
            known=self.known if known else (),
            static=self.static if static else (),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values for a json file."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "DataSpec":
        """Inverse of `to_json`.

        Raises:
            SpecError: a field is missing or unknown, as in a checkpoint of another version.
        """
        names = {field.name for field in fields(cls)}
        if unknown := set(value) - names:
            raise SpecError(
                f"data spec has unknown fields {sorted(unknown)}; allowed: {sorted(names)}"
            )
        fitting: dict[str, Any] = {
            key: tuple(item) if isinstance(item, list) else item for key, item in value.items()
        }
        try:
            return cls(**{**fitting, "task": Task(fitting["task"])})
        except (TypeError, KeyError, ValueError) as error:
            raise SpecError(f"not a data spec: {error}") from error

    def differences(self, other: "DataSpec") -> list[str]:
        """One line per field in which two specs differ, assets' order and bars per year aside."""
        mine, theirs = self.to_json(), other.to_json()
        return [
            f"{key}: {mine[key]!r} here, {theirs[key]!r} there"
            for key in mine
            if key != "bars_per_year" and mine[key] != theirs[key]
        ]


@dataclass(frozen=True, eq=False)
class Samples:
    """One row per (asset, origin), with the interval of time that the sample reads.

    Purging, embargo and uniqueness all use `[start, end]`: `start` is the time of the earliest bar
    that any feature in the window reads, `end` the time of the last bar that the target reads.
    """

    row: Int[np.ndarray, " N"]
    """Row of the origin in the panel."""
    asset: Int[np.ndarray, " N"]
    origin: Shaped[np.ndarray, " N"]
    """Time of the origin, datetime64[ns]: the forecast is made at the close of this bar."""
    start: Shaped[np.ndarray, " N"]
    end: Shaped[np.ndarray, " N"]
    end_row: Int[np.ndarray, " N"]
    """Row of the last bar the target reads."""

    def __len__(self) -> int:
        return len(self.row)

    def take(self, index: Int[np.ndarray, " M"]) -> "Samples":
        """Samples at these positions, repeats allowed."""
        return Samples(*(getattr(self, field.name)[index] for field in fields(self)))
