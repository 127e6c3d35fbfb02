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
    return _apart(train, ticks(test.start) - margin, ticks(test.end) + margin)


def _apart(
    train: Samples, start: Int[np.ndarray, " M"], end: Int[np.ndarray, " M"]
) -> Bool[np.ndarray, " N"]:
    """True where a sample's interval meets none of the intervals `[start, end]`."""
    if len(start) == 0:
        return np.ones(len(train), dtype=bool)
    order = np.argsort(start, kind="stable")
    start = start[order]
    reach = np.maximum.accumulate(end[order])
    # A new block begins where nothing so far reaches: blocks are disjoint, both ends ascending.
    first = np.flatnonzero(np.append(True, start[1:] > reach[:-1]))
    block_start = start[first]
    block_end = reach[np.append(first[1:] - 1, len(start) - 1)]
    # The only block that can matter is the first one that ends at or after the sample's start.
    block = np.searchsorted(block_end, ticks(train.start))
    nearest = block_start[np.minimum(block, len(block_start) - 1)]
    return (block == len(block_start)) | (nearest > ticks(train.end))


@dataclass(frozen=True)
class PurgeRule:
    """How far apart the parts of a fold must be.

    Two rules:
    - ``auto`` (`bars` is None): no sample's `[start, end]` meets that of a sample in a later part.
      No bar is ever read on both sides, features included.
    - a number of bars: the last origin of a part lies at least that many bars before the first
      origin of the next, and its labels are complete by then. Windows may reach back over the
      border, as the long-horizon forecasting papers have it: no label leaks, but bars are shared.
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
        self, earlier: Samples, later: Samples, grid: Int[np.ndarray, " T"]
    ) -> Bool[np.ndarray, " N"]:
        """True for samples of the earlier part that may stay beside the later part.

        Args:
            earlier: samples of a part.
            later: samples of the parts after it.
            grid: distinct times of all bars in nanoseconds, ascending.
        """
        if len(later) == 0:
            return np.ones(len(earlier), dtype=bool)
        if self.bars is None:
            return _apart(
                earlier,
                self.embargo.before(ticks(later.start), grid),
                self.embargo.after(ticks(later.end), grid),
            )
        first = ticks(later.origin).min(keepdims=True)
        limit = self.embargo.before(first, grid)
        gap = Span(bars=self.bars).after(ticks(earlier.origin), grid)
        return (gap <= limit) & (ticks(earlier.end) <= limit)
