"""What a feature family is. One .py with a family and one .yaml with its parameters add it.

Three kinds, by what they read:
- `AssetFeatures`: one asset's own bars up to and including t.
- `CrossAssetFeatures`: all assets' bars up to and including t.
- `CalendarFeatures`: timestamps only, hence known over the horizon too.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Shaped

from regimecast.core.registry import Registry
from regimecast.data.panel import Panel

__all__ = [
    "AssetFeatures",
    "Bars",
    "CalendarFeatures",
    "CrossAssetFeatures",
    "Feature",
    "FeatureFamily",
    "FeatureRegistry",
]

Bars = Mapping[str, Float[np.ndarray, " T"]]
"""One asset's columns as known at each close (availability lags applied), float64."""


@dataclass(frozen=True)
class Feature:
    """Declaration of one column that a family computes."""

    name: str
    lookback: int
    """Bars before t that the value at t reads. For recursive filters: bars until the first bar's
    weight has fallen below 1 %. Rows 0..lookback-1 of an asset are NaN (warm-up, never a guess)."""
    inputs: tuple[str, ...]
    """Source columns; empty for calendar features."""
    units: str
    """Such as ``log return``, ``ratio``, ``z-score``, ``0..100``."""
    source: str
    """Formula and paper, book or library function."""


class FeatureFamily(ABC):
    """Features that are computed together and share parameters."""

    name: ClassVar[str]

    @abstractmethod
    def features(self) -> tuple[Feature, ...]:
        """Declarations, in the order of the columns that `compute` returns."""


class AssetFeatures(FeatureFamily):
    """Features of one asset's own bars."""

    @abstractmethod
    def compute(self, bars: Bars) -> Float[np.ndarray, "T F"]:
        """Columns known at the close of each bar; NaN in warm-up rows.

        A series shorter than a lookback gives NaN throughout, never an error. Rows up to t must be
        bit-identical whatever follows t.
        """


class CrossAssetFeatures(FeatureFamily):
    """Features that relate an asset to the others."""

    @abstractmethod
    def compute(self, panel: Panel) -> Float[np.ndarray, "R F"]:
        """Columns for every row of the panel, each from bars at or before that row's time."""


class CalendarFeatures(FeatureFamily):
    """Features of timestamps, known as far ahead as the calendar is."""

    @abstractmethod
    def compute(self, time: Shaped[np.ndarray, " T"], calendar: str) -> Float[np.ndarray, "T F"]:
        """Columns for each timestamp on its own: never a function of which other bars exist."""


FeatureRegistry: Registry[FeatureFamily] = Registry(
    "features", FeatureFamily, package="regimecast.features", attribute="FeatureRegistry"
)
"""Every feature family by name; see `Registry`."""
