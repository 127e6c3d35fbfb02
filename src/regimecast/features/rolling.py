"""Kernels over trailing windows: the value at t reads the `window` values up to and including t.

Every window is summed anew instead of by adding and dropping one value. That costs a factor of the
window and buys two things: no rounding error drifts through a long series, and the value at t does
not depend on where the series starts. Rows before the first full window are NaN, as is every row
whose window holds a NaN. A window without variation gives the value named in each docstring, never
infinity.
"""

from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float

__all__ = [
    "exponential_mean",
    "log_return",
    "ratio",
    "rolling_beta",
    "rolling_correlation",
    "rolling_drawdown",
    "rolling_mean",
    "rolling_moment",
    "rolling_rank",
    "rolling_std",
]

# `no_type_check` keeps the tests' runtime checker off the kernels: numba compiles the plain
# function and cannot compile a wrapped one.


def log_return(close: Float[np.ndarray, " T"], bars: int = 1) -> Float[np.ndarray, " T"]:
    """ln(close[t] / close[t - bars]); NaN in the first `bars` rows."""
    result = np.full(len(close), np.nan)
    result[bars:] = np.log(close[bars:] / close[:-bars])
    return result


def ratio(
    numerator: Float[np.ndarray, " T"], denominator: Float[np.ndarray, " T"], *, otherwise: float
) -> Float[np.ndarray, " T"]:
    """Elementwise quotient of non-negative denominators, `otherwise` where the denominator is 0."""
    result = np.full(len(numerator), otherwise)
    np.divide(numerator, denominator, out=result, where=denominator != 0)
    return result


@numba.njit(cache=True)
@no_type_check
def rolling_mean(x: Float[np.ndarray, " T"], window: int) -> Float[np.ndarray, " T"]:
    """Arithmetic mean."""
    result = np.full(len(x), np.nan)
    for t in range(window - 1, len(x)):
        total = 0.0
        for i in range(t - window + 1, t + 1):
            total += x[i]
        result[t] = total / window
    return result


@numba.njit(cache=True)
@no_type_check
def rolling_std(x: Float[np.ndarray, " T"], window: int) -> Float[np.ndarray, " T"]:
    """Standard deviation with divisor window - 1, in two passes; 0 without variation."""
    result = np.full(len(x), np.nan)
    for t in range(window - 1, len(x)):
        mean = 0.0
        for i in range(t - window + 1, t + 1):
            mean += x[i]
        mean /= window
        total = 0.0
        for i in range(t - window + 1, t + 1):
            total += (x[i] - mean) ** 2
        result[t] = np.sqrt(total / (window - 1))
    return result


@numba.njit(cache=True)
@no_type_check
def rolling_moment(x: Float[np.ndarray, " T"], window: int, order: int) -> Float[np.ndarray, " T"]:
    """Standardised central moment: 3 gives skewness, 4 kurtosis (3 for a normal distribution).

    Population moments; without variation 0 for odd orders and 3 for the fourth.
    """
    result = np.full(len(x), np.nan)
    for t in range(window - 1, len(x)):
        mean = 0.0
        size = 0.0
        for i in range(t - window + 1, t + 1):
            mean += x[i]
            size += x[i] * x[i]
        mean /= window
        second = 0.0
        moment = 0.0
        for i in range(t - window + 1, t + 1):
            deviation = x[i] - mean
            second += deviation * deviation
            moment += deviation**order
        if second > 1e-20 * size:  # below that the deviations are rounding errors of the mean
            result[t] = (moment / window) / (second / window) ** (order / 2)
        elif np.isfinite(second):
            result[t] = 3.0 if order == 4 else 0.0
    return result


@numba.njit(cache=True)
@no_type_check
def _comovement(
    x: Float[np.ndarray, " T"], y: Float[np.ndarray, " T"], window: int, slope: bool
) -> Float[np.ndarray, " T"]:
    """Correlation of x and y, or the slope of x on y."""
    result = np.full(len(x), np.nan)
    for t in range(window - 1, len(x)):
        mean_x = 0.0
        mean_y = 0.0
        size_x = 0.0
        size_y = 0.0
        for i in range(t - window + 1, t + 1):
            mean_x += x[i]
            mean_y += y[i]
            size_x += x[i] * x[i]
            size_y += y[i] * y[i]
        mean_x /= window
        mean_y /= window
        xx = 0.0
        yy = 0.0
        xy = 0.0
        for i in range(t - window + 1, t + 1):
            xx += (x[i] - mean_x) ** 2
            yy += (y[i] - mean_y) ** 2
            xy += (x[i] - mean_x) * (y[i] - mean_y)
        if not np.isfinite(xy):
            continue
        if xx <= 1e-20 * size_x or yy <= 1e-20 * size_y:
            result[t] = 0.0
        elif slope:
            result[t] = xy / yy
        else:
            result[t] = xy / np.sqrt(xx * yy)
    return result


def rolling_correlation(
    x: Float[np.ndarray, " T"], y: Float[np.ndarray, " T"], window: int
) -> Float[np.ndarray, " T"]:
    """Pearson correlation in [-1, 1]; 0 where either side has no variation."""
    return np.clip(_comovement(x, y, window, False), -1.0, 1.0)


def rolling_beta(
    x: Float[np.ndarray, " T"], y: Float[np.ndarray, " T"], window: int
) -> Float[np.ndarray, " T"]:
    """Least-squares slope of x on y; 0 where either side has no variation."""
    return np.asarray(_comovement(x, y, window, True))


@numba.njit(cache=True)
@no_type_check
def rolling_rank(x: Float[np.ndarray, " T"], window: int) -> Float[np.ndarray, " T"]:
    """Share of the other values in the window below x[t], ties counted half; in [0, 1]."""
    result = np.full(len(x), np.nan)
    for t in range(window - 1, len(x)):
        below = 0.0
        for i in range(t - window + 1, t):
            if x[i] < x[t]:
                below += 1.0
            elif x[i] == x[t]:
                below += 0.5
            elif np.isnan(x[i]) or np.isnan(x[t]):
                below = np.nan
        result[t] = below / (window - 1)
    return result


@numba.njit(cache=True)
@no_type_check
def rolling_drawdown(close: Float[np.ndarray, " T"], window: int) -> Float[np.ndarray, " T"]:
    """Deepest fall from a peak to a later low inside the window, as a share of the peak; <= 0."""
    result = np.full(len(close), np.nan)
    for t in range(window - 1, len(close)):
        peak = close[t - window + 1]
        deepest = 0.0
        for i in range(t - window + 1, t + 1):
            peak = max(peak, close[i])
            deepest = min(deepest, close[i] / peak - 1.0)
        result[t] = deepest
    return result


@numba.njit(cache=True)
@no_type_check
def exponential_mean(x: Float[np.ndarray, " T"], decay: float) -> Float[np.ndarray, " T"]:
    """m[t] = decay · m[t - 1] + (1 - decay) · x[t], started at the first value that is not NaN."""
    result = np.full(len(x), np.nan)
    mean = np.nan
    for t in range(len(x)):
        mean = x[t] if np.isnan(mean) else decay * mean + (1.0 - decay) * x[t]
        result[t] = mean
    return result
