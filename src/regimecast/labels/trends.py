"""Trend scanning: the sign of the clearest trend among several windows ahead.

López de Prado, Machine Learning for Asset Managers (2020), section 5.4. Differences from the book:
the line is fitted to log closes, so that a constant rate of growth is a perfect trend; a perfect
trend has an infinite t-value and wins instead of being left out; the exit is the end of the
longest window, for the choice among the windows reads all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Bool, Float, Int

from regimecast.core.errors import ConfigError
from regimecast.labels.base import INCOMPLETE
from regimecast.labels.checks import (
    Numbers,
    check_prices,
    checked_count,
    checked_entries,
    checked_numbers,
)

__all__ = ["TrendLabels", "trend_scanning"]


@dataclass(frozen=True, eq=False)
class TrendLabels:
    """One label per entry, known at the close of its exit bar."""

    label: Int[np.ndarray, " N"]
    """int8: sign of the t-value, 0 where prices stand still; `INCOMPLETE` where the longest window
    has not ended."""
    t_value: Float[np.ndarray, " N"]
    """t-value of the slope with the largest absolute t-value; infinite for a perfect line, NaN
    where incomplete."""
    horizon: Int[np.ndarray, " N"]
    """Bars ahead at which the chosen window ends, the shortest of equals; -1 where incomplete."""
    exit: Int[np.ndarray, " N"]
    """Last bar that the label reads, the entry plus the longest horizon; -1 where incomplete."""


def trend_scanning(
    close: Numbers,
    horizons: Sequence[int],
    *,
    entries: Numbers | None = None,
) -> TrendLabels:
    """Trends that start at the close of each entry.

    For each horizon h a line is fitted by least squares to the h + 1 log closes from the entry to
    h bars ahead; the label is the sign of the slope whose t-value is the largest in absolute
    value. A label is complete only when the longest horizon has passed, so that it never changes
    when bars are appended.

    Args:
        close: closes of one asset, positive.
        horizons: bars ahead at which windows end, at least 2 each, in any order.
        entries: numbers of the bars to label, in any order; every bar where left out.

    Raises:
        DataError: a close is missing, not positive or no number, or an entry is no bar.
        ConfigError: there is no horizon, or one is below 2 or no whole number.
    """
    if np.ndim(horizons) != 1 or not len(horizons):
        raise ConfigError(f"horizons={horizons}; allowed: one or more, at least 2 bars each")
    windows = [checked_count(f"horizons[{i}]", h, least=2) for i, h in enumerate(horizons)]
    prices = checked_numbers("close", close)
    check_prices("close", prices, len(prices))
    bars = checked_entries(entries, len(prices))
    # No window beyond the series can end, however long it is.
    reach = min(max(windows), len(prices))
    tested = np.zeros(reach + 1, dtype=np.bool_)
    tested[[h for h in windows if h <= reach]] = True
    label, t_value, horizon, exit_ = _scan(prices, tested, bars)
    return TrendLabels(label, t_value, horizon, exit_)


# The sums of squares are updated by each bar's one-step-ahead error (Brown, Durbin and Evans 1975)
# instead of by differences of large sums: one pass serves all horizons and loses no digits.
@numba.njit(cache=True)
@no_type_check  # numba cannot compile the wrapper of the tests' runtime checker
def _scan(
    close: Float[np.ndarray, " T"], tested: Bool[np.ndarray, " H"], bars: Int[np.ndarray, " N"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    count = len(bars)
    longest = len(tested) - 1
    label = np.full(count, INCOMPLETE, dtype=np.int8)
    t_value = np.full(count, np.nan)
    horizon = np.full(count, -1, dtype=np.int64)
    exit_ = np.full(count, -1, dtype=np.int64)
    for n in range(count):
        entry = bars[n]
        if entry + longest >= len(close):
            continue
        start = np.log(close[entry])
        mean = 0.0
        slope = 0.0
        products = 0.0
        squares = 0.0
        errors = 0.0
        best = 0.0
        chosen = -1
        for h in range(1, longest + 1):
            y = np.log(close[entry + h]) - start
            # Before bar h there are h points, at 0 to h - 1.
            distance = h - 0.5 * (h - 1)
            if h > 1:
                error = y - mean - slope * distance
                errors += error * error / (1.0 + 1.0 / h + distance * distance / squares)
            shift = (y - mean) / (h + 1)
            mean += shift
            products += distance * (y - mean)
            squares += distance * distance * h / (h + 1)
            slope = products / squares
            if not tested[h]:
                continue
            if errors > 0.0:
                t = slope / np.sqrt(errors / (h - 1) / squares)
            else:
                t = np.sign(slope) * np.inf if slope != 0.0 else 0.0
            if chosen < 0 or abs(t) > abs(best):
                best = t
                chosen = h
        label[n] = np.sign(best)
        t_value[n] = best
        horizon[n] = chosen
        exit_[n] = entry + longest
    return label, t_value, horizon, exit_
