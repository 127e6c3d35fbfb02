"""Trailing volatility of a panel: the unit of targets and of barriers."""

from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float

from regimecast.core.errors import ConfigError, DataError
from regimecast.data.panel import Panel

__all__ = ["check_volatility", "log_close", "trailing_volatility"]


def check_volatility(target: str, *, window: int, floor: float) -> None:
    """Raises `ConfigError` unless a window holds two returns and a floor is positive."""
    if window < 2:
        raise ConfigError(f"{target}.volatility_window={window}; allowed: at least 2 bars")
    if not 0.0 < floor < np.inf:
        raise ConfigError(f"{target}.volatility_floor={floor}; allowed: above 0")


def log_close(panel: Panel) -> Float[np.ndarray, " R"]:
    """Ln of the close that happened at each bar, float64.

    Raises:
        DataError: a close is missing or not positive.
    """
    close = panel.actual("close")
    wrong = np.flatnonzero(~(np.isfinite(close) & (close > 0)))
    if len(wrong):
        row = int(wrong[0])
        asset = panel.assets[int(panel.asset_of_row[row])]
        raise DataError(
            f"close={close[row]} of {asset!r} at {panel.time[row]} ({len(wrong)} such bars); "
            "a target needs positive closes"
        )
    return np.log(np.asarray(close, dtype=np.float64))


def trailing_volatility(panel: Panel, *, window: int, floor: float) -> Float[np.ndarray, " R"]:
    """Standard deviation of the last `window` log returns of an asset, at least `floor`.

    Known at the close of each bar, from closes as available then; divisor window - 1. NaN in an
    asset's first `window` bars and wherever the window misses a close.
    """
    close = panel.available("close")
    with np.errstate(invalid="ignore"):
        log = np.log(np.where(close > 0, close, np.nan))
    volatility = np.full(panel.n_rows, np.nan)
    for asset in range(panel.n_assets):
        rows = panel.rows(asset)
        volatility[rows] = _trailing_std(log[rows], window)
    return np.maximum(volatility, floor)


@numba.njit(cache=True)
@no_type_check  # numba cannot compile the wrapper of the tests' runtime checker
def _trailing_std(log: Float[np.ndarray, " T"], window: int) -> Float[np.ndarray, " T"]:
    result = np.full(len(log), np.nan)
    for t in range(window, len(log)):
        mean = (log[t] - log[t - window]) / window
        total = 0.0
        for i in range(t - window + 1, t + 1):
            total += (log[i] - log[i - 1] - mean) ** 2
        result[t] = np.sqrt(total / (window - 1))
    return result
