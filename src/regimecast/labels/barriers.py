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
from regimecast.labels.checks import check_prices, check_range, checked_entries

__all__ = ["Tie", "TripleBarrierLabels", "triple_barrier"]

Tie = Literal["lower", "upper"]

_BLOCK = 8
"""Bars that the search passes over at once where none of their prices reaches a barrier."""

Distance = float | int | Float[np.ndarray, " D"]


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
    close: Float[np.ndarray, " T"],
    high: Float[np.ndarray, " Th"] | None,
    low: Float[np.ndarray, " Tl"] | None,
    *,
    upper: Distance,
    lower: Distance,
    horizon: int,
    entries: Int[np.ndarray, " N"] | None = None,
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
        lower: the same downwards.
        horizon: bars until the deadline.
        entries: bars to label, in any order; every bar where left out.
        cost_bps: cost of a round trip in basis points of the price.
        tie: the barrier that counts where one bar reaches both: the order inside a bar is not
            known, and ``lower`` is the cautious choice for a long position.

    Raises:
        DataError: lengths differ, prices or distances are missing or not positive, a high is below
            its low, or an entry is no bar.
        ConfigError: `horizon`, `cost_bps` or `tie` is out of range.
    """
    _check_settings(horizon, cost_bps, tie)
    if (high is None) != (low is None):
        raise DataError("high and low go together; give both or neither")
    bars = None if entries is None else checked_entries(entries, len(close))
    check_prices("close", close, len(close))
    if high is not None and low is not None:
        check_range(high, low, len(close))
    count = len(close) if bars is None else len(bars)
    # Allocated here: numpy asks for large pages where numba does not, a fifth of the time at ten
    # million bars.
    labels = TripleBarrierLabels(
        np.empty(count, dtype=np.int8), np.empty(count, dtype=np.int64), np.empty(count)
    )
    _first_touch(
        np.ascontiguousarray(close, dtype=np.float64),
        np.ascontiguousarray(close if high is None else high, dtype=np.float64),
        np.ascontiguousarray(close if low is None else low, dtype=np.float64),
        _distances("upper", upper, bars, len(close)),
        _distances("lower", lower, bars, len(close)),
        bars,
        int(horizon),
        float(cost_bps) * 1e-4,
        tie == "upper",
        high is None,
        labels.label,
        labels.exit,
        labels.ret,
    )
    return labels


def _check_settings(horizon: int, cost_bps: float, tie: str) -> None:
    if horizon < 1:
        raise ConfigError(f"horizon={horizon}; allowed: at least 1 bar")
    if not 0.0 <= cost_bps < np.inf:
        raise ConfigError(f"cost_bps={cost_bps}; allowed: 0 or more")
    if tie not in get_args(Tie):
        raise ConfigError(f"tie={tie!r}; allowed: {', '.join(get_args(Tie))}")


def _distances(
    name: str, distance: Distance, bars: Int[np.ndarray, " N"] | None, length: int
) -> Float[np.ndarray, " D"]:
    """The distance of every bar, or the one distance of all; positive at each entry."""
    values = np.atleast_1d(np.asarray(distance, dtype=np.float64))
    if np.ndim(distance) and len(values) != length:
        raise DataError(f"{name} has {len(values)} values; allowed: one, or {length}, one per bar")
    if values.min(initial=np.inf) > 0:  # false where a distance is missing, in a warm-up say
        return np.ascontiguousarray(values)
    bars = np.arange(length) if bars is None else bars
    at_entries = values[bars] if np.ndim(distance) else np.broadcast_to(values, len(bars))
    wrong = np.flatnonzero(~(at_entries > 0))
    if len(wrong):
        raise DataError(
            f"{name}={at_entries[wrong[0]]} for the entry at bar {bars[wrong[0]]} "
            f"({len(wrong)} such entries); allowed: above 0"
        )
    return np.ascontiguousarray(values)


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
