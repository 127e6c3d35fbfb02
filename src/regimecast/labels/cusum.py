"""CUSUM filter: bars at which the price has moved by a threshold since the last such bar.

López de Prado, Advances in Financial Machine Learning (2018), section 2.5.2.1.
"""

from dataclasses import dataclass
from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Bool, Float, Int

from regimecast.core.errors import DataError
from regimecast.labels.checks import Numbers, check_prices, checked_distances, checked_numbers

__all__ = ["CusumSums", "cusum_events", "cusum_sums"]


@dataclass(frozen=True, eq=False)
class CusumSums:
    """The filter's sums after each bar, known at its close."""

    rise: Float[np.ndarray, " T"]
    """Log return, 0 or more."""
    fall: Float[np.ndarray, " T"]
    """Log return, 0 or less."""
    event: Bool[np.ndarray, " T"]
    """True where a sum has passed the threshold and started anew."""


def cusum_events(close: Numbers, threshold: Numbers) -> Int[np.ndarray, " E"]:
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
    return np.flatnonzero(cusum_sums(close, threshold).event)


def cusum_sums(
    close: Numbers,
    threshold: Numbers,
    *,
    start: tuple[float, float] = (0.0, 0.0),
) -> CusumSums:
    """The sums behind `cusum_events`, which go on from earlier ones.

    Args:
        close: closes of one asset, positive.
        threshold: log return, above 0, one or per bar; NaN where it is missing.
        start: rise and fall after the first bar, where these bars go on from others; from there on
            the result is what all bars together give, to the last bit.

    Raises:
        DataError: as `cusum_events`.
    """
    prices = checked_numbers("close", close)
    check_prices("close", prices, len(prices))
    values = checked_distances("threshold", threshold, len(prices))
    wrong = np.flatnonzero(values <= 0)
    if len(wrong):
        raise DataError(
            f"threshold={values[wrong[0]]} at bar {wrong[0]} ({len(wrong)} such bars); "
            "allowed: above 0"
        )
    thresholds = np.ascontiguousarray(np.broadcast_to(values, len(prices)))
    return CusumSums(*_cusum_sums(prices, thresholds, float(start[0]), float(start[1])))


@numba.njit(cache=True)
@no_type_check  # numba cannot compile the wrapper of the tests' runtime checker
def _cusum_sums(
    close: Float[np.ndarray, " T"], threshold: Float[np.ndarray, " T"], up: float, down: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rise = np.zeros(len(close))
    fall = np.zeros(len(close))
    event = np.zeros(len(close), dtype=np.bool_)
    if len(close):
        rise[0] = up
        fall[0] = down
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
            event[t] = True
        elif up > threshold[t]:
            up = 0.0
            event[t] = True
        rise[t] = up
        fall[t] = down
    return rise, fall, event
