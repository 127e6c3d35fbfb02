"""What a feature family is. One .py with a family and one .yaml with its parameters add it.

Three kinds, by what they read:
- `AssetFeatures`: one asset's own bars up to and including t.
- `CrossAssetFeatures`: all assets' bars up to and including t.
- `CalendarFeatures`: timestamps only, hence known over the horizon too.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Shaped

from regimecast.core.registry import Registry
from regimecast.data.calendars import bar_length
from regimecast.data.panel import Panel

__all__ = [
    "LOOKBACKS",
    "AssetFeatures",
    "Bars",
    "CalendarFeatures",
    "CrossAssetFeatures",
    "Feature",
    "FeatureFamily",
    "FeatureRegistry",
    "longest_gap",
]

LOOKBACKS = 4
"""Lookbacks before a block of bars that its values may read; see `regimecast.features.blocks`.

A recursive filter forgets all but 1 % of its start in one lookback, hence all but 1e-8 in four:
less than the last bit of a float32.
"""

_LONGEST_GAP = 20_160
"""Bar lengths: two weeks of minutes, more than any exchange's holidays."""

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
    lag: int = field(default=0, kw_only=True)
    """Bars that pass between the close at which an input is available and the first value that
    reads it. 0: known at the bar's own close; calendar features are known ahead."""


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

    def columns(
        self, bars: Bars, chosen: Sequence[int], since: int = 0
    ) -> Iterator[Float[np.ndarray, " S"]]:
        """The chosen columns from row `since` on, one after the other.

        Rows before `since` are there to warm up; a family may leave out those that are more than
        `LOOKBACKS` lookbacks before it.
        """
        table = self.compute(bars)[since:]
        for column in chosen:
            yield table[:, column]


class CrossAssetFeatures(FeatureFamily):
    """Features that relate an asset to the others.

    So that an update gives the bits of a full `compute`, the bits of a value depend on these alone,
    not on the order of the assets nor on what else is in the panel:

    - the bars of the asset's lookback, and as many bars of any other asset;
    - all assets' bars over that time, unless a gap between two own bars exceeds `longest_gap`,
      which ends the window: what lies before it is not compared with other assets;
    - whatever else `settled` says.
    """

    @abstractmethod
    def compute(self, panel: Panel) -> Float[np.ndarray, "R F"]:
        """Columns for every row of the panel, each from bars at or before that row's time."""

    def settled(self, panel: Panel, time: np.datetime64) -> np.datetime64:
        """From when on all assets' bars are read by windows that begin at `time` or later.

        Earlier than `time` where a value takes the latest of something, such as the last trade.
        """
        return time


def longest_gap(panel: Panel) -> np.timedelta64:
    """Longest time between two of an asset's bars over which it is compared with other assets."""
    return np.timedelta64(min(_LONGEST_GAP * bar_length(panel.frequency).value, 2**62), "ns")


class CalendarFeatures(FeatureFamily):
    """Features of timestamps, known as far ahead as the calendar is."""

    @abstractmethod
    def compute(self, time: Shaped[np.ndarray, " T"], calendar: str) -> Float[np.ndarray, "T F"]:
        """Columns for each timestamp on its own: never a function of which other bars exist."""


FeatureRegistry: Registry[FeatureFamily] = Registry(
    "features", FeatureFamily, package="regimecast.features", attribute="FeatureRegistry"
)
"""Every feature family by name; see `Registry`."""
