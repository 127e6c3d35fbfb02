"""Triple barrier: which of an upper price, a lower price and a deadline is met first.

López de Prado, Advances in Financial Machine Learning (2018), section 3.4.

A label is complete as soon as a barrier is met, even where fewer bars than the deadline follow, so
that a label never changes when bars are appended. Close to the end of the data the complete labels
are therefore mostly those that met a price barrier early.
"""

from dataclasses import dataclass
from typing import Literal, get_args, no_type_check

import numba
import numpy as np
from jaxtyping import Float, Int

from regimecast.core.errors import ConfigError, DataError
from regimecast.labels.base import INCOMPLETE
from regimecast.labels.checks import (
    Numbers,
    check_prices,
    check_range,
    checked_cost,
    checked_count,
    checked_distances,
    checked_entries,
    checked_numbers,
)

__all__ = ["Tie", "TripleBarrierLabels", "barrier_labels", "triple_barrier"]

Tie = Literal["lower", "upper"]

_BLOCK = 8
"""Bars that the search passes over at once where none of their prices reaches a barrier."""


@dataclass(frozen=True, eq=False)
class TripleBarrierLabels:
    """One label per entry, known at the close of its exit bar."""

    label: Int[np.ndarray, " N"]
    """int8: 1 upper barrier, -1 lower barrier, 0 deadline, `INCOMPLETE` where none is met yet."""
    exit: Int[np.ndarray, " N"]
    """Bar at which the first barrier is met; -1 where incomplete."""
    ret: Float[np.ndarray, " N"]
    """Simple return from the entry's close to the exit, moved towards 0 by the cost and no further;
    NaN where incomplete."""


def triple_barrier(
    close: Numbers,
    high: Numbers | None,
    low: Numbers | None,
    *,
    upper: Numbers,
    lower: Numbers,
    horizon: int,
    entries: Numbers | None = None,
    cost_bps: float = 0.0,
    tie: Tie = "lower",
) -> TripleBarrierLabels:
    """Labels of entries at the close of a bar, watched over the `horizon` bars that follow.

    The upper barrier is ``close[o] · (1 + upper + cost)``, the lower one
    ``close[o] · (1 - lower - cost)``: a move counts once it has paid a round trip, whichever its
    direction. With highs and lows a barrier is met when they reach it and the exit is at the
    barrier; with closes alone it is met by a close and the exit is at that close.

    Args:
        close: closes of one asset, positive.
        high: highs; None watches closes.
        low: lows; None watches closes.
        upper: distance of the upper barrier as a fraction of the entry's close, one or per bar,
            positive; infinity for no barrier.
        lower: the same downwards, below 1: no price falls by all of itself.
        horizon: bars until the deadline, fewer than the series has.
        entries: numbers of the bars to label, in any order; every bar where left out.
        cost_bps: cost of a round trip in basis points of the price, below 10,000.
        tie: the barrier that counts where one bar reaches both: the order inside a bar is not
            known, and ``lower`` is the cautious choice for a long position.

    Raises:
        DataError: lengths differ, prices or distances are missing, not positive or not numbers, a
            high is below its low, an entry is no bar, or `horizon` is as long as the series.
        ConfigError: `horizon`, `cost_bps` or `tie` is out of range.
    """
    prices = checked_numbers("close", close)
    horizon = checked_count("horizon", horizon)
    if horizon >= len(prices):
        raise DataError(
            f"horizon={horizon}, and close has {len(prices)} bars; allowed: a horizon below the "
            "number of bars"
        )
    return barrier_labels(
        prices,
        high,
        low,
        upper=upper,
        lower=lower,
        horizon=horizon,
        entries=entries,
        cost_bps=cost_bps,
        tie=tie,
        fall_below=1.0,
    )


def barrier_labels(
    close: Numbers,
    high: Numbers | None,
    low: Numbers | None,
    *,
    upper: Numbers,
    lower: Numbers,
    horizon: int,
    entries: Numbers | None = None,
    cost_bps: float = 0.0,
    tie: Tie = "lower",
    fall_below: float = np.inf,
) -> TripleBarrierLabels:
    """`triple_barrier` of a series however short, with lower barriers however far.

    For rules that label many assets, or the first bars of one: there a deadline beyond the last bar
    leaves labels incomplete, and a barrier of 100 % or more is one that no price meets.

    Args:
        close: as in `triple_barrier`, and so are the others.
        high: highs.
        low: lows.
        upper: distance of the upper barrier.
        lower: distance of the lower barrier.
        horizon: bars until the deadline.
        entries: numbers of the bars to label.
        cost_bps: cost of a round trip.
        tie: the barrier that counts where one bar reaches both.
        fall_below: what a finite `lower` has to be below.

    Raises:
        DataError: as `triple_barrier`.
        ConfigError: as `triple_barrier`.
    """
    horizon = checked_count("horizon", horizon)
    cost_bps = checked_cost("cost_bps", cost_bps)
    if tie not in get_args(Tie):
        raise ConfigError(f"tie={tie!r}; allowed: {', '.join(get_args(Tie))}")
    if (high is None) != (low is None):
        raise DataError("high and low go together; give both or neither")
    close = checked_numbers("close", close)
    bars = None if entries is None else checked_entries(entries, len(close))
    check_prices("close", close, len(close))
    highs = lows = close
    if high is not None and low is not None:
        highs, lows = checked_numbers("high", high), checked_numbers("low", low)
        check_range(highs, lows, len(close))
    count = len(close) if bars is None else len(bars)
    # Allocated here: numpy asks for large pages where numba does not, a fifth of the time at ten
    # million bars.
    labels = TripleBarrierLabels(
        np.empty(count, dtype=np.int8), np.empty(count, dtype=np.int64), np.empty(count)
    )
    _first_touch(
        close,
        highs,
        lows,
        _distances("upper", upper, bars, len(close), np.inf),
        _distances("lower", lower, bars, len(close), fall_below),
        bars,
        horizon,
        cost_bps * 1e-4,
        tie == "upper",
        high is None,
        labels.label,
        labels.exit,
        labels.ret,
    )
    return labels


def _distances(
    name: str,
    distance: Numbers,
    bars: Int[np.ndarray, " N"] | None,
    length: int,
    below: float,
) -> Float[np.ndarray, " D"]:
    """The distance of every bar, or the one distance of all; in range at each entry."""
    values = checked_distances(name, distance, length)
    # False where a distance is missing, in a warm-up say.
    if values.min(initial=np.inf) > 0 and (below == np.inf or values.max(initial=0.0) < below):
        return values
    bars = np.arange(length) if bars is None else bars
    at_entries = values[bars if len(values) == length else np.zeros_like(bars)]
    wrong = np.flatnonzero(~((at_entries > 0) & ((at_entries < below) | (at_entries == np.inf))))
    if len(wrong):
        limit = "" if below == np.inf else f" and below {below:g}, or infinity for no barrier"
        raise DataError(
            f"{name}={at_entries[wrong[0]]} for the entry at bar {bars[wrong[0]]} "
            f"({len(wrong)} such entries); allowed: above 0{limit}"
        )
    return values


# `no_type_check` keeps the tests' runtime checker off the kernels: numba compiles the plain
# function and cannot compile a wrapped one.


@numba.njit(cache=True)
@no_type_check
def _extremes(
    high: Float[np.ndarray, " T"], low: Float[np.ndarray, " T"]
) -> tuple[np.ndarray, np.ndarray]:
    """Highest high and lowest low of each full block."""
    blocks = len(high) // _BLOCK
    highest = np.empty(blocks)
    lowest = np.empty(blocks)
    for block in range(blocks):
        top = high[block * _BLOCK]
        bottom = low[block * _BLOCK]
        for t in range(block * _BLOCK + 1, (block + 1) * _BLOCK):
            top = max(top, high[t])
            bottom = min(bottom, low[t])
        highest[block] = top
        lowest[block] = bottom
    return highest, lowest


# Not parallel: numba would reset the OpenMP threads of the whole process, and one thread labels ten
# million bars in a quarter of a second (experiments/benchmarks/labels.md).
@numba.njit(cache=True)
@no_type_check
def _first_touch(
    close: Float[np.ndarray, " T"],
    high: Float[np.ndarray, " T"],
    low: Float[np.ndarray, " T"],
    upper: Float[np.ndarray, " Du"],
    lower: Float[np.ndarray, " Dl"],
    bars: Int[np.ndarray, " N"] | None,
    horizon: int,
    cost: float,
    upper_wins: bool,
    at_close: bool,
    label: Int[np.ndarray, " N"],
    exit_: Int[np.ndarray, " N"],
    ret: Float[np.ndarray, " N"],
) -> None:
    """Writes label, exit and return of each entry, of every bar where `bars` is None."""
    highest, lowest = _extremes(high, low)
    for n in range(len(label)):
        entry = n if bars is None else bars[n]
        price = close[entry]
        rise = upper[entry if len(upper) > 1 else 0]
        fall = lower[entry if len(lower) > 1 else 0]
        above = price * (1.0 + rise + cost)
        below = price * (1.0 - fall - cost)
        deadline = entry + horizon
        outcome = INCOMPLETE
        last = min(deadline, len(close) - 1)
        t = entry
        while outcome == INCOMPLETE and t < last:
            t += 1
            if t % _BLOCK == 0:
                block = t // _BLOCK
                while t + _BLOCK <= last and highest[block] < above and lowest[block] > below:
                    block += 1
                    t += _BLOCK
            up = high[t] >= above
            down = low[t] <= below
            if up and (upper_wins or not down):
                outcome = 1
            elif down:
                outcome = -1
        if outcome == INCOMPLETE and t == deadline:
            outcome = 0
        label[n] = outcome
        if outcome == INCOMPLETE:
            exit_[n] = -1
            ret[n] = np.nan
            continue
        if at_close or outcome == 0:
            change = close[t] / price - 1.0
        elif outcome == 1:
            change = rise + cost
        else:
            change = -fall - cost
        exit_[n] = t
        ret[n] = np.sign(change) * max(abs(change) - cost, 0.0)
