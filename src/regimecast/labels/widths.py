"""Widths of barriers: how far the upper and the lower price lie from an entry's close.

Each function takes one asset and gives fractions of the close for `triple_barrier`'s `upper` and
`lower`, known at each close. The two sides have multiples of their own: a farther lower barrier
makes label 1 more frequent, a farther upper one makes -1 more frequent, so that on an asset that
drifts upwards the lower barrier has to be the nearer one for balanced labels.
"""

from dataclasses import dataclass
from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Bool, Float

from regimecast.core.errors import ConfigError, DataError
from regimecast.data.returns import trailing_volatility
from regimecast.labels.checks import Numbers, check_prices, checked_count, checked_numbers, is_real

__all__ = [
    "BarrierWidths",
    "atr_barriers",
    "average_true_range",
    "percentage_barriers",
    "volatility_barriers",
]


@dataclass(frozen=True, eq=False)
class BarrierWidths:
    """Distances of both barriers from each close, known at that close."""

    upper: Float[np.ndarray, " T"]
    """Fraction of the close, above 0; NaN in warm-up."""
    lower: Float[np.ndarray, " T"]

    @property
    def known(self) -> Bool[np.ndarray, " T"]:
        """True where an entry is possible."""
        return np.isfinite(self.upper) & np.isfinite(self.lower)


def percentage_barriers(n_bars: int, *, upper: float, lower: float) -> BarrierWidths:
    """The same fractions of the close at every bar.

    Raises:
        ConfigError: `n_bars` is no number of bars, `upper` or `lower` is not above 0, or `lower` is
            1 or more: no price falls by all of itself.
    """
    n_bars = checked_count("n_bars", n_bars, least=0)
    _check_multiples(upper, lower)
    if lower >= 1.0:
        raise ConfigError(f"lower={lower}; allowed: above 0 and below 1")
    return BarrierWidths(np.full(n_bars, float(upper)), np.full(n_bars, float(lower)))


def volatility_barriers(
    close: Numbers,
    *,
    window: int,
    upper: float,
    lower: float,
    floor: float = 1e-4,
) -> BarrierWidths:
    """Multiples of the trailing standard deviation of one-bar log returns.

    Args:
        close: closes, positive.
        window: returns of each standard deviation; the first `window` bars are NaN.
        upper: standard deviations to the upper barrier.
        lower: the same downwards.
        floor: least standard deviation, log return per bar, for prices that stand still.

    Raises:
        DataError: a close is missing or not positive.
        ConfigError: a setting is out of range.
    """
    _check_multiples(upper, lower)
    _check_floor(floor)
    window = checked_count("window", window, least=2)
    prices = checked_numbers("close", close)
    check_prices("close", prices, len(prices))
    returns = np.full(len(prices), np.nan)
    returns[1:] = np.diff(np.log(prices))
    unit = np.maximum(trailing_volatility(returns, window=window), floor)
    return BarrierWidths(upper * unit, lower * unit)


def atr_barriers(
    high: Numbers,
    low: Numbers,
    close: Numbers,
    *,
    window: int,
    upper: float,
    lower: float,
    floor: float = 1e-4,
) -> BarrierWidths:
    """Multiples of Wilder's average true range, as fractions of the close.

    Args:
        high: highs, positive.
        low: lows, positive.
        close: closes, positive.
        window: bars of the average true range; the first `window` bars are NaN.
        upper: ranges to the upper barrier.
        lower: the same downwards.
        floor: least range as a fraction of the close, for prices that stand still.

    Raises:
        DataError: lengths differ, or a price is missing or not positive.
        ConfigError: a setting is out of range.
    """
    _check_multiples(upper, lower)
    _check_floor(floor)
    close, high, low = (
        checked_numbers(name, values)
        for name, values in (("close", close), ("high", high), ("low", low))
    )
    for name, prices in (("close", close), ("high", high), ("low", low)):
        check_prices(name, prices, len(close))
    unit = np.maximum(average_true_range(high, low, close, window=window) / close, floor)
    return BarrierWidths(upper * unit, lower * unit)


def average_true_range(
    high: Numbers,
    low: Numbers,
    close: Numbers,
    *,
    window: int,
    start: float = np.nan,
) -> Float[np.ndarray, " T"]:
    """Wilder's average true range in units of the price, known at each close.

    It starts as the mean of the first `window` true ranges, at bar `window`, and moves by
    1 / `window` of the difference from there on (Wilder 1978, New Concepts in Technical Trading
    Systems), as TA-Lib does. A value never quite forgets the start of the series. A missing price
    starts it anew.

    Args:
        high: highs.
        low: lows.
        close: closes.
        window: bars of the average.
        start: the average at the first bar, where these bars go on from others; from there on the
            result is what all bars together give, to the last bit.

    Raises:
        DataError: lengths differ.
        ConfigError: `window` is below 1.
    """
    window = checked_count("window", window)
    close, high, low = (
        checked_numbers(name, values)
        for name, values in (("close", close), ("high", high), ("low", low))
    )
    for name, prices in (("high", high), ("low", low)):
        if len(prices) != len(close):
            raise DataError(f"{name} has {len(prices)} bars, close has {len(close)}")
    return _average_true_range(high, low, close, window, float(start))


def _check_multiples(upper: float, lower: float) -> None:
    for key, multiple in (("upper", upper), ("lower", lower)):
        if not is_real(multiple) or not 0.0 < multiple < np.inf:
            raise ConfigError(f"{key}={multiple!r}; allowed: a number above 0")


def _check_floor(floor: float) -> None:
    if not is_real(floor) or not 0.0 < floor < np.inf:
        raise ConfigError(f"floor={floor!r}; allowed: a number above 0")


@numba.njit(cache=True)
@no_type_check  # numba cannot compile the wrapper of the tests' runtime checker
def _average_true_range(
    high: Float[np.ndarray, " T"],
    low: Float[np.ndarray, " T"],
    close: Float[np.ndarray, " T"],
    window: int,
    start: float,
) -> Float[np.ndarray, " T"]:
    result = np.full(len(close), np.nan)
    known = 0
    average = 0.0
    if len(close) and not np.isnan(start):
        known = window
        average = start
        result[0] = start
    for t in range(1, len(close)):
        if np.isnan(high[t]) or np.isnan(low[t]) or np.isnan(close[t - 1]):
            known = 0
            average = 0.0
            continue
        true_range = max(high[t], close[t - 1]) - min(low[t], close[t - 1])
        known += 1
        if known < window:
            average += true_range
        elif known == window:
            average = (average + true_range) / window
        else:
            average = (average * (window - 1) + true_range) / window
        if known >= window:
            result[t] = average
    return result
