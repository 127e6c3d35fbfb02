"""`Span`: a stretch of time given in bars, in time or as a fraction.

One grammar for every size in a split: an integer is a number of bars, a text such as ``5D`` is
time, a float below 1 is a fraction of the whole.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Int, Shaped

from regimecast.core.errors import ConfigError

__all__ = ["NEVER", "Span", "distinct", "ticks", "time_of"]

NEVER = np.iinfo(np.int64).max
EVER = np.iinfo(np.int64).min + 1  # the minimum itself is NaT
"""Nanoseconds after and before every real time."""


def ticks(time: Shaped[np.ndarray, " N"]) -> Int[np.ndarray, " N"]:
    """Times as int64 nanoseconds, which sort and search faster than datetime64."""
    return time.astype("datetime64[ns]", copy=False).view(np.int64)


def time_of(
    value: object, *, key: str, allowed: str = "a time such as '2015-01-01'"
) -> np.datetime64:
    """Time of a config value, in nanoseconds; a time zone's is UTC.

    Raises:
        ConfigError: it is no text that names a time.
    """
    refusal = f"{key}={value!r} is no time; allowed: {allowed}"
    if not isinstance(value, str):
        raise ConfigError(refusal)
    try:
        time = pd.Timestamp(value)
    except ValueError as error:
        raise ConfigError(refusal) from error
    if pd.isna(time):
        raise ConfigError(refusal)
    if time.tzinfo is not None:
        time = time.tz_convert("UTC").tz_localize(None)
    return time.to_datetime64().astype("datetime64[ns]")


def distinct(time: Int[np.ndarray, " N"]) -> Int[np.ndarray, " M"]:
    """Each time once, ascending.

    Times come as a few ascending runs, one per asset, which a stable sort merges: several times as
    fast as `np.unique`, which cannot know that.
    """
    merged = np.sort(time, kind="stable")
    return merged[np.append(True, merged[1:] != merged[:-1])[: len(merged)]]


@dataclass(frozen=True)
class Span:
    """A stretch of time; exactly one of the three units is set."""

    bars: int | None = None
    """Bars of the grid of distinct times."""
    nanoseconds: int | None = None
    fraction: float | None = None
    """Share of the whole, 0 included and 1 excluded."""

    @classmethod
    def parse(cls, value: int | float | str, *, key: str) -> "Span":
        """Span of a config value: ``64`` bars, ``"5D"`` of time, ``0.01`` of the whole.

        Raises:
            ConfigError: negative, not below 1 as a fraction, or not a length of time.
        """
        allowed = "an integer (bars), a time such as '5D', or a fraction in [0, 1)"
        if isinstance(value, bool):
            raise ConfigError(f"{key}={value!r}; allowed: {allowed}")
        if isinstance(value, int):
            if value < 0:
                raise ConfigError(f"{key}={value!r} is negative; allowed: {allowed}")
            return cls(bars=value)
        if isinstance(value, float):
            if not 0 <= value < 1:
                raise ConfigError(f"{key}={value!r} is not in [0, 1); allowed: {allowed}")
            return cls(fraction=value)
        try:
            delta = pd.Timedelta(value)
        except (ValueError, TypeError) as error:
            raise ConfigError(f"{key}={value!r} is not a time; allowed: {allowed}") from error
        if pd.isna(delta) or delta < pd.Timedelta(0):
            raise ConfigError(f"{key}={value!r} is negative or empty; allowed: {allowed}")
        return cls(nanoseconds=delta.as_unit("ns").value)

    @property
    def is_zero(self) -> bool:
        """Whether the span is nothing at all."""
        return not (self.bars or self.nanoseconds or self.fraction)

    def before(
        self, time: Int[np.ndarray, " N"], grid: Int[np.ndarray, " T"]
    ) -> Int[np.ndarray, " N"]:
        """Times that lie this span earlier, all in nanoseconds.

        Args:
            time: points of time.
            grid: the distinct times of all bars, ascending; a fraction is one of its whole length.
        """
        if self.is_zero:
            return time
        if self.bars is None:
            return time - self._length(grid)
        index = np.searchsorted(grid, time) - self.bars
        return np.where(index < 0, EVER, grid[np.maximum(index, 0)])

    def after(
        self, time: Int[np.ndarray, " N"], grid: Int[np.ndarray, " T"]
    ) -> Int[np.ndarray, " N"]:
        """Times that lie this span later; see `before`."""
        if self.is_zero:
            return time
        if self.bars is None:
            length = self._length(grid)
            return np.minimum(time, NEVER - length) + length
        index = np.searchsorted(grid, time, side="right") - 1 + self.bars
        return np.where(index >= len(grid), NEVER, grid[np.minimum(index, len(grid) - 1)])

    def start_of_tail(self, times: Int[np.ndarray, " T"], stop: int, whole: int) -> int:
        """Position at which the last span before position `stop` starts.

        Args:
            times: distinct origin times, ascending.
            stop: first position after the tail.
            whole: number of positions that a fraction refers to.
        """
        if self.bars is not None:
            return stop - self.bars
        if self.fraction is not None:
            return stop - round(self.fraction * whole)
        if stop <= 0:
            return stop - 1
        return int(np.searchsorted(times, times[stop - 1] - self._length(times), side="right"))

    def _length(self, grid: Int[np.ndarray, " T"]) -> int:
        if self.nanoseconds is not None:
            return self.nanoseconds
        assert self.fraction is not None
        return round(self.fraction * int(grid[-1] - grid[0]))
