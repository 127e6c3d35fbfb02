"""Checks that every labelling function makes of its arguments.

Arrays may be anything that numpy turns into one row of real numbers: arrays, lists, pandas Series.
"""

from typing import Any, TypeGuard

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from regimecast.core.errors import ConfigError, DataError

__all__ = [
    "Numbers",
    "check_prices",
    "check_range",
    "checked_bars",
    "checked_cost",
    "checked_count",
    "checked_distances",
    "checked_entries",
    "checked_numbers",
    "is_real",
]

Numbers = ArrayLike | tuple[Any, ...] | float | int
"""What numpy turns into numbers; the last three are implied, named for checks at run time."""

_MOST = 10**15
"""Most of anything that is counted; a sum of such counts is still an int64."""


def checked_numbers(
    name: str, values: Numbers, *, allowed: str = "real numbers in one dimension"
) -> Float[np.ndarray, " N"]:
    """The values as a contiguous float64 array.

    Raises:
        DataError: they are not real numbers in one dimension.
    """
    return np.ascontiguousarray(_one_row(name, values, "iuf", allowed), dtype=np.float64)


def checked_distances(name: str, values: Numbers, length: int) -> Float[np.ndarray, " D"]:
    """One value for all bars, or one per bar, as a contiguous float64 array.

    Raises:
        DataError: they are not real numbers, or of another number.
    """
    single = np.isscalar(values) or (isinstance(values, np.ndarray) and not values.ndim)
    allowed = f"one number, or {length}, one per bar"
    numbers = np.ascontiguousarray(
        _one_row(name, values, "iuf", allowed, single=single), dtype=np.float64
    )
    if not single and len(numbers) != length:
        raise DataError(f"{name} has {len(numbers)} values; allowed: {allowed}")
    return numbers


def checked_entries(entries: Numbers | None, n_bars: int) -> Int[np.ndarray, " N"]:
    """The entries as a contiguous int64 array, every bar where there are none.

    Raises:
        DataError: they are not whole numbers in one dimension, or one is no bar.
    """
    if entries is None:
        return np.arange(n_bars)
    bars = checked_bars("entries", entries)
    if len(bars) and not (bars.min() >= 0 and bars.max() < n_bars):
        raise DataError(f"entries reach from {bars.min()} to {bars.max()}; bars: {n_bars}")
    return bars


def checked_bars(name: str, bars: Numbers) -> Int[np.ndarray, " N"]:
    """Numbers of bars as a contiguous int64 array.

    Raises:
        DataError: they are not whole numbers in one dimension.
    """
    empty = isinstance(bars, list | tuple) and not bars
    allowed = (
        f"{name} are bar numbers; for a mask: np.flatnonzero(mask), for times: "
        "index.get_indexer(times)"
    )
    row = _one_row(name, bars, "iuf" if empty else "iu", allowed)
    if row.dtype.kind == "u" and row.max(initial=0) > _MOST:
        raise DataError(f"{name} reach to {row.max()}; allowed: bars of the series")
    return np.ascontiguousarray(row, dtype=np.int64)


def checked_count(key: str, value: object, *, least: int = 1, unit: str = "bars") -> int:
    """The value as an int.

    Raises:
        ConfigError: it is no whole number, or out of range. A truth value is no number.
    """
    truth = isinstance(value, bool)  # which is an int
    if not (isinstance(value, int | np.integer) and least <= value <= _MOST) or truth:
        raise ConfigError(
            f"{key}={value!r}; allowed: a whole number of {unit}, at least {least} and at most "
            f"{_MOST:.0e}"
        )
    return int(value)


def checked_cost(key: str, value: object) -> float:
    """A cost in basis points as a float.

    Raises:
        ConfigError: it is no number, below 0, or the whole price.
    """
    if not is_real(value) or not 0.0 <= value < 1e4:
        raise ConfigError(f"{key}={value!r}; allowed: 0 or more, below 10,000 basis points")
    return float(value)


def is_real(value: object) -> TypeGuard[float]:
    """True for a number, NaN and infinity included; a truth value is none."""
    real = isinstance(value, int | float | np.integer | np.floating)
    return real and not isinstance(value, bool)


def check_prices(name: str, prices: Float[np.ndarray, " P"], length: int) -> None:
    """Raises `DataError` unless there are `length` prices, all of them positive and finite."""
    if len(prices) != length:
        raise DataError(f"{name} has {len(prices)} bars, close has {length}")
    # Faster than a mask, and false where a price is missing.
    if prices.min(initial=np.inf) > 0 and prices.max(initial=0.0) < np.inf:
        return
    wrong = np.flatnonzero(~(np.isfinite(prices) & (prices > 0)))
    raise DataError(
        f"{name}={prices[wrong[0]]} at bar {wrong[0]} ({len(wrong)} such bars); "
        "labels need positive prices"
    )


def check_range(high: Float[np.ndarray, " Th"], low: Float[np.ndarray, " Tl"], length: int) -> None:
    """Raises `DataError` unless both are `length` prices and no high is below its low."""
    check_prices("high", high, length)
    check_prices("low", low, length)
    if (high < low).any():
        row = int(np.flatnonzero(high < low)[0])
        raise DataError(f"high={high[row]} is below low={low[row]} at bar {row}")


def _one_row(
    name: str, values: Numbers, kinds: str, allowed: str, *, single: bool = False
) -> np.ndarray:
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as error:  # ragged
        raise DataError(f"{name} is no array: {error}; allowed: {allowed}") from error
    if array.ndim != (0 if single else 1) or array.dtype.kind not in kinds:
        what = f"a {type(values).__name__} of {array.dtype} with shape {array.shape}"
        raise DataError(f"{name} is {what}; allowed: {allowed}")
    return np.atleast_1d(array)
