"""What a conformal method is. One .py with a method and one .yaml with its parameters add it.

Conventions that every method keeps:
- The pair of levels (q, 1 - q) is an interval that shall hold 1 - 2q of the outcomes. Each pair and
  each step of the horizon is calibrated on its own; the median stays as it was.
- What calibrates was neither trained on nor watched by early stopping: see `splits.calibration`.
- The outcome of step h is known at the close of its own bar. A method that goes on learning uses it
  for forecasts that are made from that close on, never before.
- No bound is ever infinite: where a rule asks for more than all scores say, the widest score that
  was ever known is taken (see `thresholds.online`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

from regimecast.core.forecast import Forecast
from regimecast.core.registry import Registry
from regimecast.core.types import ForecastKind, Samples
from regimecast.data.datamodule import FinancialDataModule
from regimecast.splits.base import Fold
from regimecast.splits.purging import PurgeRule

__all__ = ["Calibrated", "Conformal", "ConformalRegistry", "Forecaster", "Member"]

Forecaster: TypeAlias = Callable[[FinancialDataModule, str], Forecast]
"""A trained model's forecast of a fold's split, by the split's name."""

Member: TypeAlias = Callable[[int, FinancialDataModule], Forecaster]
"""A further model of the same kind: its number from 0, and the fold as drawn for it to train on."""


@dataclass(frozen=True, eq=False)
class Calibrated:
    """Forecast of the test part after calibration and before."""

    forecast: Forecast
    before: Forecast
    """What the model said."""
    state: dict[str, Any] = field(default_factory=dict)
    """What was calibrated, as plain values; empty where nothing was."""


class Conformal(ABC):
    """Rule that turns what a model says into intervals that cover as often as they claim."""

    name: ClassVar[str]
    level: float | None
    """Coverage of the interval that is reported; None where nothing is calibrated."""

    @abstractmethod
    def check(self, kind: ForecastKind, levels: tuple[float, ...], horizon: int) -> None:
        """Nothing, if it can calibrate such a forecast; a run asks before it reads data.

        Raises:
            ConfigError: the kind of forecast has no intervals, or these levels do not suffice.
        """

    @abstractmethod
    def levels(self, levels: tuple[float, ...]) -> tuple[float, ...]:
        """Levels of the calibrated forecast of a model that says these."""

    @abstractmethod
    def divide(self, fold: Fold, samples: Samples, rule: PurgeRule) -> Fold:
        """The fold with a part for calibration, where the method needs one.

        Args:
            fold: train, validation and test.
            samples: what the fold divides.
            rule: how far apart parts must be.

        Raises:
            DataError: the validation part is too small to be divided.
        """

    @abstractmethod
    def calibrate(
        self, data: FinancialDataModule, forecast: Forecaster, member: Member
    ) -> Calibrated:
        """The test part's forecast.

        Args:
            data: a fold that `divide` made.
            forecast: of the fold's model.
            member: makes further models, for methods that need several.

        Raises:
            SpecError: the model says something that is not finite.
        """


ConformalRegistry: Registry[Conformal] = Registry(
    "conformal",
    Conformal,
    package="regimecast.evaluation.conformal",
    attribute="ConformalRegistry",
)
"""Every conformal method by name; see `Registry`."""
