"""CUSUM filter: bars at which the price has moved by a threshold since the last such bar.

López de Prado, Advances in Financial Machine Learning (2018), section 2.5.2.1.
"""

from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float, Int

from regimecast.core.errors import DataError
from regimecast.labels.checks import check_prices

__all__ = ["cusum_events"]


def cusum_events(
    close: Float[np.ndarray, " T"], threshold: float | int | Float[np.ndarray, " Th"]
) -> Int[np.ndarray, " E"]:
    """Bars of the symmetric CUSUM filter's events in rising order, each known at its close.

    Two sums of one-bar log returns run along, one that never falls below 0 and one that never
    rises above it. A bar is an event where one of them has passed the threshold; that sum starts
    anew and the other runs on. Where both could, the downward one is looked at first.

    Args:
        close: closes of one asset, positive.
        threshold: log return, above 0, one or per bar. Where it is missing (NaN, in the warm-up of
            a volatility) there is no event and both sums start anew.

    Raises:
        DataError: a close is missing or not positive, or the thresholds are not one per bar or not
            positive.
    """
    check_prices("close", close, len(close))
    values = np.asarray(threshold, dtype=np.float64)
    if values.ndim and len(values) != len(close):
        raise DataError(
            f"threshold has {len(values)} values; allowed: one, or {len(close)}, one per bar"
        )
    wrong = np.flatnonzero(values <= 0)
    if len(wrong):
        raise DataError(
            f"threshold={values.ravel()[wrong[0]]} at bar {wrong[0]} ({len(wrong)} such bars); "
            "allowed: above 0"
        )
    prices = np.ascontiguousarray(close, dtype=np.float64)
    return _cusum_events(prices, np.ascontiguousarray(np.broadcast_to(values, len(prices))))


@numba.njit(cache=True)
@no_type_check  # numba cannot compile the wrapper of the tests' runtime checker
def _cusum_events(
    close: Float[np.ndarray, " T"], threshold: Float[np.ndarray, " T"]
) -> Int[np.ndarray, " E"]:
    events = np.empty(len(close), dtype=np.int64)
    count = 0
    up = 0.0
    down = 0.0
    for t in range(1, len(close)):
        if np.isnan(threshold[t]):
            up = 0.0
            down = 0.0
            continue
        change = np.log(close[t]) - np.log(close[t - 1])
        up = max(0.0, up + change)
        down = min(0.0, down + change)
        if down < -threshold[t]:
            down = 0.0
        elif up > threshold[t]:
            up = 0.0
        else:
            continue
        events[count] = t
        count += 1
    return events[:count].copy()
