"""Checks that every labelling function makes of its prices and entries."""

import numpy as np
from jaxtyping import Float, Int

from regimecast.core.errors import DataError

__all__ = ["check_prices", "check_range", "checked_entries"]


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


def checked_entries(entries: Int[np.ndarray, " N"] | None, n_bars: int) -> Int[np.ndarray, " N"]:
    """The entries as int64, every bar where there are none.

    Raises:
        DataError: an entry is no bar.
    """
    if entries is None:
        return np.arange(n_bars)
    if len(entries) and not (entries.min() >= 0 and entries.max() < n_bars):
        raise DataError(f"entries reach from {entries.min()} to {entries.max()}; bars: {n_bars}")
    return np.ascontiguousarray(entries, dtype=np.int64)
