"""What a target is. One .py with a target and one .yaml with its parameters add it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int

from regimecast.core.errors import SpecError
from regimecast.core.registry import Registry
from regimecast.core.types import Task
from regimecast.data.panel import Panel

__all__ = ["INCOMPLETE", "Target", "TargetRegistry", "TargetSeries"]

INCOMPLETE = -99
"""Class of an origin whose future is not complete yet; it never trains."""


@dataclass(frozen=True, eq=False)
class TargetSeries:
    """A target computed on a panel, stored once per row and never per window.

    A forecast target at origin o and step h is ``(series[o + h] - series[o]) / scale[o]``; with
    `anchored` false it is ``series[o + h] / scale[o]``. A classification target is `label[o]`.
    `history`, the target's own past, is the same expression at rows up to o in both cases.
    """

    task: Task
    horizon: int
    """H of `DataSpec`: steps of a forecast, 1 for classes."""
    series: Float[np.ndarray, " R"]
    """float64, known at the close of each row."""
    anchored: bool
    scale: Float[np.ndarray, " R"]
    """Units of the target at each origin, known at its close; positive, NaN in warm-up."""
    end_row: Int[np.ndarray, " R"]
    """Last row the target of each origin reads; -1 where the future is not complete."""
    lookback: int
    """Bars before the origin that `scale` or barriers read."""
    standardised: bool = False
    """Whether a fold shifts and scales `series` by its mean and deviation in training, per asset;
    see `AssetScaler`."""
    label: Int[np.ndarray, " R"] | None = None
    """Class value per origin, `INCOMPLETE` where unknown; None for a forecast."""
    classes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if (self.task is Task.CLASSIFICATION) != (self.label is not None and bool(self.classes)):
            raise SpecError(f"task={self.task} does not go with label and classes={self.classes}")

    @property
    def complete(self) -> Bool[np.ndarray, " R"]:
        """True where an origin has a known target and a usable scale."""
        return (self.end_row >= 0) & np.isfinite(self.scale)


class Target(ABC):
    """Rule that turns bars into a target."""

    name: ClassVar[str]
    classes: ClassVar[tuple[int, ...]] = ()
    """Class values, ascending, of a target of classes; empty for a forecast."""
    tradable: ClassVar[bool] = True
    """Whether a forecast says which way to trade ``close``; without it there is no backtest."""

    @property
    def task(self) -> Task:
        """What it asks for, known before any data."""
        return Task.CLASSIFICATION if self.classes else Task.FORECAST

    @property
    def horizon(self) -> int:
        """H of `DataSpec`: 1 for classes, else every bar that a target reads is a step."""
        return 1 if self.classes else self.label_bars

    @property
    @abstractmethod
    def label_bars(self) -> int:
        """Most bars after the origin that a target reads; purging needs at least as many."""

    @property
    def fitted_until(self) -> np.datetime64 | None:
        """The last bar that settings of the target were fitted on; None where none were.

        Validation and test parts have to begin after it; `FinancialDataModule` checks that.
        """
        return None

    @abstractmethod
    def compute(self, panel: Panel) -> TargetSeries:
        """The target on every row. `end_row` stays within the asset.

        Raises:
            DataError: a column that the target needs is missing.
        """


TargetRegistry: Registry[Target] = Registry(
    "target", Target, package="regimecast.labels", attribute="TargetRegistry"
)
"""Every target by name; see `Registry`."""
