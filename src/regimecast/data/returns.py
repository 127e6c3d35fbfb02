"""Log returns and trailing volatility of a panel, known at each close.

One definition for targets, barriers, regimes and strategies.
"""

from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float

from regimecast.data.panel import Panel

__all__ = ["log_returns", "trailing_volatility"]


def log_returns(panel: Panel) -> Float[np.ndarray, " R"]:
    """Log return from the bar before to each bar, known at its close; NaN at an asset's first.

    NaN also where either close is missing or not positive.
    """
    close = panel.available("close")
    returns = np.full(panel.n_rows, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):  # prices <= 0 become missing returns
        returns[1:] = np.diff(np.log(close))
    returns[panel.offsets[:-1][np.diff(panel.offsets) > 0]] = np.nan
    returns[~np.isfinite(returns)] = np.nan
    return returns


def trailing_volatility(
    returns: Float[np.ndarray, " R"], *, window: int
) -> Float[np.ndarray, " R"]:
    """Sample standard deviation (ddof 1) of the last `window` returns, NaN if one is missing.

    Per bar, not annualised. Each window is summed anew, so that a value depends on its own window
    alone, to the last bit. An asset's first return is missing, so no window spans two assets.

    Args:
        returns: of a whole panel, as `log_returns` gives them.
        window: number of returns, at least 2.
    """
    return _trailing_volatility(np.ascontiguousarray(returns, dtype=np.float64), window)


@numba.njit(cache=True)
@no_type_check  # numba cannot compile the wrapper of the tests' runtime checker
def _trailing_volatility(returns: Float[np.ndarray, " R"], window: int) -> Float[np.ndarray, " R"]:
    result = np.full(len(returns), np.nan)
    known = 0
    for t in range(len(returns)):
        if np.isnan(returns[t]):
            known = 0
            continue
        known += 1
        if known < window:
            continue
        mean = 0.0
        for s in range(t - window + 1, t + 1):
            mean += returns[s]
        mean /= window
        squares = 0.0
        for s in range(t - window + 1, t + 1):
            squares += (returns[s] - mean) ** 2
        result[t] = np.sqrt(squares / (window - 1))
    return result
