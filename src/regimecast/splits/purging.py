"""Purging and embargo on the intervals of time that samples really read.

A sample reads the bars in `[start, end]`, from the first bar any feature of its window touches to
the last bar its label touches. Two samples that share a bar share information, whatever
their asset: a crash is in every asset's window. Hence the rule is stated in time and over all
assets (Lopez de Prado 2018, *Advances in Financial Machine Learning*, section 7.4).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from regimecast.core.errors import ConfigError, LeakageError
from regimecast.core.types import Samples
from regimecast.splits.spans import Span, ticks

__all__ = ["PurgeRule", "purge"]


def purge(
    train: Samples, test: Samples, *, embargo: np.timedelta64 | None = None
) -> Bool[np.ndarray, " N"]:
    """True for training samples that may stay: their `[start, end]` meets no test sample's.

    Intervals are closed: sharing one bar is meeting. O(n log n) in the number of samples.

    Args:
        train: samples to thin.
        test: samples that must stay unseen, of any asset.
        embargo: extra distance in time to keep on both sides of each test interval.
    """
    margin = 0 if embargo is None else int(embargo.astype("timedelta64[ns]").astype(np.int64))
    return _apart(
        ticks(train.start), ticks(train.end), ticks(test.start) - margin, ticks(test.end) + margin
    )


def _apart(
    first: Int[np.ndarray, " N"],
    last: Int[np.ndarray, " N"],
    start: Int[np.ndarray, " M"],
    end: Int[np.ndarray, " M"],
) -> Bool[np.ndarray, " N"]:
    """True where a closed interval `[first, last]` meets none of the intervals `[start, end]`."""
    if len(start) == 0:
        return np.ones(len(first), dtype=bool)
    order = np.argsort(start, kind="stable")
    start = start[order]
    reach = np.maximum.accumulate(end[order])
    # A new block begins where nothing so far reaches: blocks are disjoint, both ends ascending.
    begin = np.flatnonzero(np.append(True, start[1:] > reach[:-1]))
    block_start = start[begin]
    block_end = reach[np.append(begin[1:] - 1, len(start) - 1)]
    # The only block that can matter is the first one that ends at or after the interval's start.
    block = np.searchsorted(block_end, first)
    nearest = block_start[np.minimum(block, len(block_start) - 1)]
    return (block == len(block_start)) | (nearest > last)


@dataclass(frozen=True)
class PurgeRule:
    """How far apart the parts of a fold must be.

    Two rules, each the same on either side of a part in whose midst another one lies:

    - ``auto`` (`bars` is None): no sample's `[start, end]` meets that of a sample in a later part.
      No bar is ever read on both sides, features included.
    - a number of bars: of two samples of different parts one's origin lies at least that many bars
      before the other's, and its label is complete by then. Windows may reach back over a border,
      as the long-horizon forecasting papers have it: no label leaks, but bars are shared.
    """

    bars: int | None
    embargo: Span
    """Extra distance on top of the rule."""

    @classmethod
    def parse(cls, purge: int | str, embargo: int | float | str) -> "PurgeRule":
        """Rule of the two config values.

        Raises:
            ConfigError: `purge` is neither ``auto`` nor a number of bars, or `embargo` is no span.
        """
        if isinstance(purge, bool) or not (
            purge == "auto" or (isinstance(purge, int) and purge >= 0)
        ):
            raise ConfigError(f"split.purge={purge!r}; allowed: 'auto' or a number of bars >= 0")
        bars = purge if isinstance(purge, int) else None
        return cls(bars, Span.parse(embargo, key="split.embargo"))

    @property
    def measures(self) -> bool:
        """Whether the rule needs the grid of bars: it counts bars or adds an embargo."""
        return self.bars is not None or not self.embargo.is_zero

    def check(self, *, label_bars: int) -> None:
        """Refuses a purge that is shorter than a label.

        Raises:
            LeakageError: the message gives the value that is needed.
        """
        if self.bars is not None and self.bars < label_bars:
            raise LeakageError(
                f"split.purge={self.bars} bars is shorter than the label, which reads up to "
                f"{label_bars} bars after its origin: training labels would reach into the next "
                f"part. Needed: split.purge=auto, or at least {label_bars}"
            )

    def within(
        self, samples: Samples, grid: Int[np.ndarray, " T"], *, last: int
    ) -> Bool[np.ndarray, " N"]:
        """True for samples that may belong to a part whose last bar has this time.

        Args:
            samples: samples of any part.
            grid: distinct times of all bars in nanoseconds, ascending.
            last: nanoseconds.
        """
        complete = ticks(samples.end) <= last
        if self.bars is None:
            return complete
        # Not by the label's own end alone: one that is known early would count and its neighbour
        # of the same bar would not.
        return complete & (Span(bars=self.bars).after(ticks(samples.origin), grid) <= last)

    def keep(
        self, part: Samples, other: Samples, grid: Int[np.ndarray, " T"]
    ) -> Bool[np.ndarray, " N"]:
        """True for samples of a part that may stay beside another part, before and after it.

        Args:
            part: samples to thin.
            other: samples that must stay unseen.
            grid: distinct times of all bars in nanoseconds, ascending.
        """
        first, last = self._held(part, grid)
        start, end = self._held(other, grid)
        return _apart(first, last, self.embargo.before(start, grid), self.embargo.after(end, grid))

    def spans(
        self, samples: Samples, grid: Int[np.ndarray, " T"]
    ) -> tuple[Int[np.ndarray, " N"], Int[np.ndarray, " N"]]:
        """First and last bar that the rule keeps each sample's part to itself, nanoseconds.

        With ``auto`` those are all that it reads; with a number of bars those of its label.
        """
        if self.bars is None:
            return ticks(samples.start), ticks(samples.end)
        after = np.searchsorted(grid, ticks(samples.origin), side="right")
        return grid[np.minimum(after, len(grid) - 1)], ticks(samples.end)

    def _held(
        self, samples: Samples, grid: Int[np.ndarray, " T"]
    ) -> tuple[Int[np.ndarray, " N"], Int[np.ndarray, " N"]]:
        """Closed intervals that must not meet those of another part, nanoseconds."""
        if self.bars is None:
            return ticks(samples.start), ticks(samples.end)
        origin, end = ticks(samples.origin), ticks(samples.end)
        gap = Span(bars=self.bars).after(origin, grid)
        # Open at its end: where one's label ends, another's origin may stand.
        return origin, np.maximum(gap, end) - 1
