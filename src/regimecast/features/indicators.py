"""`IndicatorFamily`: a family as a list of columns, each declared beside its function.

The base class does what every column needs. A column is computed on each stretch of bars without a
missing input, on its own: TA-Lib's running sums would carry one NaN through the rest of the series.
A stretch starts with the column's declared lookback as warm-up, which is blanked.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cache, cached_property

import numpy as np
from jaxtyping import Bool, Float

from regimecast.core.errors import ConfigError
from regimecast.features.base import LOOKBACKS, AssetFeatures, Bars, Feature

__all__ = ["PRICES", "Indicator", "IndicatorFamily", "check_bars", "memory"]

PRICES = frozenset({"open", "high", "low", "close"})
"""Columns in units of the price."""


@dataclass(frozen=True)
class Indicator(Feature):
    """A declared column and the function that makes it."""

    function: Callable[..., np.ndarray]
    """From the input columns, in the order of `inputs` and without gaps, to the column."""


class IndicatorFamily(AssetFeatures):
    """Asset features made of independent columns."""

    @abstractmethod
    def indicators(self) -> tuple[Indicator, ...]:
        """Columns in order."""

    def features(self) -> tuple[Feature, ...]:
        """Declarations in the order of `indicators`."""
        return self._declared

    def compute(self, bars: Bars) -> Float[np.ndarray, "T F"]:
        """Columns known at the close of each bar.

        NaN for `lookback` bars from the start and from each bar that misses an input. A price that
        is not positive, or a negative volume, counts as missing.
        """
        table = np.empty((len(next(iter(bars.values()))), len(self._indicators)))
        for index, column in enumerate(self.columns(bars, range(len(self._indicators)))):
            table[:, index] = column
        return table

    def columns(
        self, bars: Bars, chosen: Sequence[int], since: int = 0
    ) -> Iterator[Float[np.ndarray, " S"]]:
        """The chosen columns from row `since` on, one after the other.

        Each reads at most `LOOKBACKS` of its own lookbacks before that row. A stretch of bars that
        begins there warms up; of one that began earlier only the end is read.
        """
        length = len(next(iter(bars.values())))
        stretches: dict[tuple[str, ...], list[slice]] = {}
        for index in chosen:
            indicator = self._indicators[index]
            inputs, warm_up = indicator.inputs, indicator.lookback
            if inputs not in stretches:
                present = [_present(name, bars[name]) for name in inputs]
                stretches[inputs] = _stretches(np.logical_and.reduce(present))
            column = np.full(length - since, np.nan)
            if warm_up == 0 and len(stretches[inputs]) > 1:
                # Nothing before a bar is read: all stretches at once, however short they are.
                usable = np.concatenate([np.arange(r.start, r.stop) for r in stretches[inputs]])
                usable = usable[usable >= since]
                column[usable - since] = indicator.function(
                    *(bars[name][usable] for name in inputs)
                )
            else:
                earliest = max(since - LOOKBACKS * warm_up, 0)
                for rows in stretches[inputs]:
                    start = max(rows.start, earliest)
                    first = max(start + warm_up, since)
                    if first < rows.stop:
                        read = slice(start, rows.stop)
                        values = indicator.function(*(bars[name][read] for name in inputs))
                        column[first - since : rows.stop - since] = values[first - start :]
            yield column

    @cached_property
    def _indicators(self) -> tuple[Indicator, ...]:
        return self.indicators()

    @cached_property
    def _declared(self) -> tuple[Feature, ...]:
        return tuple(
            Feature(**{field.name: getattr(indicator, field.name) for field in fields(Feature)})
            for indicator in self._indicators
        )


def _present(name: str, values: Float[np.ndarray, " T"]) -> Bool[np.ndarray, " T"]:
    present = np.isfinite(values)
    if name in PRICES:
        present &= values > 0
    elif name == "volume":
        present &= values >= 0
    return present


def _stretches(usable: Bool[np.ndarray, " T"]) -> list[slice]:
    """Maximal stretches of True."""
    edges = np.flatnonzero(np.diff(usable.astype(np.int8), prepend=0, append=0))
    return [slice(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


@cache
def memory(*alphas: float) -> int:
    """Bars until a cascade of exponential filters gives everything older less than 1 % weight.

    For one filter the smallest n with (1 - alpha)^n < 0.01. Added to the bars that a filter needs
    to start, it is the number of bars until the start no longer matters.
    """
    states = [0.0] * len(alphas)
    bars = 0
    while 1.0 - states[-1] >= 0.01:
        value = 1.0
        for stage, alpha in enumerate(alphas):
            states[stage] += alpha * (value - states[stage])
            value = states[stage]
        bars += 1
    return bars


def check_bars(key: str, *values: object, minimum: int) -> None:
    """Raises `ConfigError` unless every value of a setting is a whole number of bars >= minimum."""
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
            raise ConfigError(f"features.{key}={value!r}; allowed: whole bars, at least {minimum}")
