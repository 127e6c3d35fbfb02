"""The stationary bootstrap: blocks of random length from random places of a series.

Politis & Romano (1994), *The Stationary Bootstrap*, JASA 89. The mean length of a block is chosen
from the data by `arch`. The resampling itself is ours: a mean over a block is a difference of two
running sums, so that a resample costs as much as it has blocks, and not as it has times.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float, Int

from regimecast.core.errors import SpecError
from regimecast.evaluation.significance.testable import varies

__all__ = ["LEVEL", "REPETITIONS", "Blocks", "block_length", "percentile_interval"]

LEVEL = 0.95
"""Nominal coverage of the intervals that a run reports."""
REPETITIONS = 1000
"""Resamples behind an interval or a p-value."""

_MOST_BLOCKS = 2000
"""In one resample. More would not make it truer, and a million bars would take minutes."""


def block_length(series: Float[np.ndarray, "T K"], *, horizon: int = 1) -> float:
    """Mean length of a block, in times: the longest that any column asks for.

    Politis & White (2004), corrected in Patton, Politis & White (2009), Econometric Reviews 28,
    from 1 to a third of the times; never below the horizon, over which neighbours overlap, nor so
    short that a resample has more than 2,000 blocks.

    Args:
        series: values in time order; columns that do not vary ask for nothing.
        horizon: times over which neighbours overlap.
    """
    from arch.bootstrap import optimal_block_length  # takes as long to load as a run to be judged

    n = len(series)
    moving = series[:, varies(series)]
    # The correlation in which a lag's own times do not vary is 0 / 0 there, and counts for nothing.
    with np.errstate(invalid="ignore", divide="ignore"):
        wished = (
            optimal_block_length(moving)["stationary"].to_numpy(np.float64)
            if moving.shape[1]
            else np.ones(1)
        )
    longest = float(np.nan_to_num(wished, nan=1.0).max())
    return max(1.0, float(horizon), min(longest, n / 3), n / _MOST_BLOCKS)


@dataclass(frozen=True, eq=False)
class Blocks:
    """Resamples of `n` times in a circle, each as blocks put one after another."""

    n: int
    start: Int[np.ndarray, " M"]
    """First time of each block."""
    length: Int[np.ndarray, " M"]
    first: Int[np.ndarray, " B1"]
    """Number of each resample's first block, and behind them the number of all blocks."""

    @classmethod
    def draw(cls, n: int, *, length: float, repetitions: int, seed: int) -> "Blocks":
        """Blocks of geometric lengths from places that are all equally likely.

        Args:
            n: times.
            length: mean of the blocks' lengths, at least 1.
            repetitions: resamples.
            seed: the same seed gives the same blocks.

        Raises:
            SpecError: no times, no repetitions, or a length below 1.
        """
        if n < 1 or repetitions < 1 or not length >= 1:
            raise SpecError(
                f"n={n}, repetitions={repetitions}, length={length}; each must be at least 1"
            )
        rng = np.random.default_rng(seed)
        # One chain of blocks, cut where a resample ends: what is left of a geometric length is
        # as good as a new one. Ten deviations more than are expected, so that it is long enough.
        ends = n * repetitions
        expected = ends / length
        waiting = rng.standard_exponential(int(expected + 10 * np.sqrt(expected)) + 10)
        with np.errstate(divide="ignore"):  # a mean of 1 is an infinite rate: blocks of one time
            rate = -np.log1p(-1 / length)
        edges = np.cumsum(1 + np.floor(waiting / rate).astype(np.int64))
        edges = edges[: np.searchsorted(edges, ends)]
        cuts = np.arange(repetitions + 1) * n
        place = np.searchsorted(edges, cuts)
        edges = np.insert(edges, place, cuts)
        start = rng.integers(n, size=len(edges) - 1)
        return cls(n, start, np.diff(edges), place + np.arange(repetitions + 1))

    def __len__(self) -> int:
        return len(self.first) - 1

    @cached_property
    def times(self) -> Int[np.ndarray, "B T"]:
        """Times of each resample in their order; large, for tests and references."""
        inside = np.arange(self.length.sum()) - np.repeat(
            np.cumsum(self.length) - self.length, self.length
        )
        return ((np.repeat(self.start, self.length) + inside) % self.n).reshape(len(self), self.n)

    def means(self, series: Float[np.ndarray, "T K"]) -> Float[np.ndarray, "B K"]:
        """Mean of every column over each resample.

        Raises:
            SpecError: the series has another number of times.
        """
        level = self._checked(series).mean(axis=0)
        # About the mean, so that little is lost in differences of running sums.
        moved = series - level
        running = np.zeros((2 * self.n + 1, series.shape[1]))
        np.cumsum(np.concatenate([moved, moved]), axis=0, out=running[1:])
        sums = np.zeros((len(self), series.shape[1]))
        _add_blocks(running, self.start, self.length, self.first, sums)
        return sums / self.n + level

    def max_drawdowns(self, log_growth: Float[np.ndarray, " T"]) -> Float[np.ndarray, " B"]:
        """Largest drawdown of each resample, as a positive share.

        Args:
            log_growth: ln(1 + return) per time.

        Raises:
            SpecError: the series has another number of times.
        """
        worst = np.zeros(len(self))
        _walk(self._checked(log_growth), self.start, self.length, self.first, worst)
        return -np.expm1(-worst)

    def _checked(self, series: Float[np.ndarray, "T *K"]) -> Float[np.ndarray, "T *K"]:
        if len(series) != self.n:
            raise SpecError(f"blocks are of {self.n} times, the series has {len(series)}")
        return series


def percentile_interval(
    resampled: Float[np.ndarray, "B *K"], *, level: float = LEVEL
) -> Float[np.ndarray, "bounds *K"]:
    """Bounds between which the middle share `level` of the resamples lies.

    Efron & Tibshirani (1993), *An Introduction to the Bootstrap*, ch. 13.
    """
    tail = (1 - level) / 2
    return np.asarray(np.quantile(resampled, [tail, 1 - tail], axis=0))


@no_type_check  # numba compiles the bare function, which a type checker's wrapper is not
@numba.njit(cache=True)
def _add_blocks(running, start, length, first, sums):  # noqa: ANN202  # the compiler infers types
    """Adds each block's sum to its resample's."""
    for b in range(len(sums)):
        for m in range(first[b], first[b + 1]):
            low = start[m]
            high = low + length[m]
            for k in range(sums.shape[1]):
                sums[b, k] += running[high, k] - running[low, k]


@no_type_check  # as above
@numba.njit(cache=True)
def _walk(log_growth, start, length, first, worst):  # noqa: ANN202  # as above
    """Largest fall of the logarithm of equity below its highest so far, the start counted."""
    n = len(log_growth)
    for b in range(len(worst)):
        equity = 0.0
        highest = 0.0
        for m in range(first[b], first[b + 1]):
            time = start[m]
            for _ in range(length[m]):
                equity += log_growth[time]
                highest = max(highest, equity)
                worst[b] = max(worst[b], highest - equity)
                time = time + 1 if time + 1 < n else 0
