"""Kernels over trailing windows: the value at t reads the `window` values up to and including t.

A window is put together from blocks of 1, 2, 4, … values, each made of two of half its length, so
that a bar costs O(log window). Nothing is ever taken out of a running sum: no rounding error drifts
through a long series, and the value at t depends on the bits of its window alone, not on where the
series starts or ends. Means and moments are merged by the formulas of Chan, Golub and LeVeque
(1983) and Pébay (2008), which do not cancel.

Rows before the first full window are NaN, as is every row whose window holds a NaN. A window
without variation gives the value named in each docstring, never infinity.
"""

from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float

__all__ = [
    "CHUNK",
    "NOISE",
    "exponential_mean",
    "log_return",
    "ratio",
    "rolling_drawdown",
    "rolling_max",
    "rolling_mean",
    "rolling_min",
    "rolling_moment",
    "rolling_rank",
    "rolling_std",
    "rolling_sum",
]

# `no_type_check` keeps the tests' runtime checker off the kernels: numba compiles the plain
# function and cannot compile a wrapped one.

CHUNK = 2048
"""Rows that are worked on at once: the blocks stay in the processor's cache."""

NOISE = 1e-20
"""Share of the sum of squares below which deviations are rounding errors of the mean."""


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
def rolling_sum(x: Float[np.ndarray, " T"], window: int, step: int = 1) -> Float[np.ndarray, " T"]:
    """Sum of the `window` values at t, t - step, t - 2 step and so on."""
    result = np.full(len(x), np.nan)
    reach = (window - 1) * step
    for start in range(reach, len(x), CHUNK):
        level = x[start - reach : min(start + CHUNK, len(x))].copy()
        other, total = np.empty_like(level), np.zeros_like(level)
        taken, size = 0, 1
        while size <= window:
            if window & size:
                behind = taken * step
                for i in range(behind, len(level)):
                    total[i] += level[i - behind]
                taken += size
            half = size * step
            for i in range(half, len(level)):
                other[i] = level[i] + level[i - half]
            level, other = other, level
            size *= 2
        result[start : start + len(level) - reach] = total[reach:]
    return result


@numba.njit(cache=True)
@no_type_check
def rolling_mean(x: Float[np.ndarray, " T"], window: int) -> Float[np.ndarray, " T"]:
    """Arithmetic mean."""
    return rolling_sum(x, window) / window


@numba.njit(cache=True)
@no_type_check
def rolling_max(x: Float[np.ndarray, " T"], window: int) -> Float[np.ndarray, " T"]:
    """Largest value."""
    result = np.full(len(x), np.nan)
    for start in range(window - 1, len(x), CHUNK):
        level = x[start - window + 1 : min(start + CHUNK, len(x))].copy()
        other = np.full_like(level, np.nan)
        size = 1
        while 2 * size <= window:
            for i in range(size, len(level)):
                a, b = level[i], level[i - size]
                other[i] = a if a > b or a != a else b
            level, other = other, level
            size *= 2
        rest = window - size  # two blocks that may overlap cover the window
        for i in range(window - 1, len(level)):
            a, b = level[i], level[i - rest]
            result[start + i - window + 1] = a if a > b or a != a else b
    return result


def rolling_min(x: Float[np.ndarray, " T"], window: int) -> Float[np.ndarray, " T"]:
    """Smallest value."""
    return -rolling_max(-x, window)


@numba.njit(cache=True)
@no_type_check
def _central(x: Float[np.ndarray, " T"], window: int, order: int) -> Float[np.ndarray, "3 T"]:
    """Mean, and sums of squares and of powers `order` of deviations; squares alone for 2."""
    n = len(x)
    out = np.full((1 if order == 2 else 3, n), np.nan)
    for start in range(window - 1, n, CHUNK):
        stop = min(start + CHUNK, n)
        m = stop - start + window - 1
        # Level: blocks of `size`. Total: what of the window is put together so far.
        level, other, total = np.zeros((4, m)), np.zeros((4, m)), np.zeros((4, m))
        level[0] = x[start - window + 1 : stop]
        taken, size = 0, 1
        while size <= window:
            if window & size:
                _merge(level, total, total, size, taken, taken, order)
                taken += size
            _merge(level, level, other, size, size, size, order)
            level, other = other, level
            size *= 2
        if order > 2:
            out[0, start:stop] = total[0, window - 1 :]
            out[2, start:stop] = total[order - 1, window - 1 :]
        out[0 if order == 2 else 1, start:stop] = total[1, window - 1 :]
    return out


@numba.njit(cache=True)
@no_type_check
def _merge(
    old: Float[np.ndarray, "4 M"],
    new: Float[np.ndarray, "4 M"],
    out: Float[np.ndarray, "4 M"],
    n_old: int,
    n_new: int,
    behind: int,
    order: int,
) -> None:
    """Blocks `new` that end at i, joined by the blocks `old` that end at i - behind."""
    n = n_old + n_new
    a, b = n_old / n, n_new / n
    c3 = n_old * n_new * (n_old - n_new) / (n * n)
    c4 = n_old * n_new * (n_old * n_old - n_old * n_new + n_new * n_new) / (n * n * n)
    for i in range(out.shape[1] - 1, behind - 1, -1):
        j = i - behind
        delta = old[0, j] - new[0, i]
        square = delta * delta
        if order >= 3:
            m2_old, m2_new = old[1, j], new[1, i]
            m3_old, m3_new = old[2, j], new[2, i]
            if order >= 4:
                out[3, i] = (
                    old[3, j]
                    + new[3, i]
                    + square * square * c4
                    + 6.0 * square * (b * b * m2_old + a * a * m2_new)
                    + 4.0 * delta * (b * m3_old - a * m3_new)
                )
            out[2, i] = (
                m3_old + m3_new - delta * square * c3 + 3.0 * delta * (b * m2_old - a * m2_new)
            )
        out[1, i] = old[1, j] + new[1, i] + square * (n_old * b)
        out[0, i] = new[0, i] + delta * a


@numba.njit(cache=True)
@no_type_check
def rolling_std(x: Float[np.ndarray, " T"], window: int) -> Float[np.ndarray, " T"]:
    """Standard deviation with divisor window - 1; 0 without variation."""
    return np.sqrt(_central(x, window, 2)[0] / (window - 1))


@numba.njit(cache=True)
@no_type_check
def rolling_moment(x: Float[np.ndarray, " T"], window: int, order: int) -> Float[np.ndarray, " T"]:
    """Standardised central moment: 3 gives skewness, 4 kurtosis (3 for a normal distribution).

    Population moments; without variation 0 for odd orders and 3 for the fourth.
    """
    sums = _central(x, window, order)
    result = np.full(len(x), np.nan)
    for t in range(window - 1, len(x)):
        mean, second = sums[0, t], sums[1, t]
        if second > NOISE * (second + window * mean * mean):
            result[t] = (sums[2, t] / window) / (second / window) ** (order / 2)
        elif np.isfinite(second):
            result[t] = 3.0 if order == 4 else 0.0
    return result


@numba.njit(cache=True)
@no_type_check
def rolling_rank(x: Float[np.ndarray, " T"], window: int) -> Float[np.ndarray, " T"]:
    """Share of the other values in the window below x[t], ties counted half; in [0, 1]."""
    result = np.full(len(x), np.nan)
    ordered = np.empty(window + 1)  # what of the window is not NaN, ascending
    count = 0
    for t in range(len(x)):
        if t >= window and x[t - window] == x[t - window]:
            count -= 1
            for i in range(np.searchsorted(ordered[: count + 1], x[t - window]), count):
                ordered[i] = ordered[i + 1]
        if x[t] == x[t]:
            below = np.searchsorted(ordered[:count], x[t])
            at = count
            while at > below and ordered[at - 1] > x[t]:
                ordered[at] = ordered[at - 1]
                at -= 1
            ordered[at] = x[t]
            count += 1
            if count == window:
                result[t] = (below + 0.5 * (at - below)) / (window - 1)
    return result


@numba.njit(cache=True)
@no_type_check
def rolling_drawdown(close: Float[np.ndarray, " T"], window: int) -> Float[np.ndarray, " T"]:
    """Deepest fall from a peak to a later low inside the window, as a share of the peak; <= 0."""
    n = len(close)
    result = np.full(n, np.nan)
    for start in range(window - 1, n, CHUNK):
        part = close[start - window + 1 : min(start + CHUNK, n)]
        # Peak, trough and deepest fall of each block, and of the part of the window covered so far.
        top, bottom, fall = part.copy(), part.copy(), np.zeros_like(part)
        low, deepest = part.copy(), np.zeros_like(part)
        taken, size = 0, 1
        while size <= window:
            if window & size:
                for i in range(taken, len(part)):
                    j = i - taken
                    if taken:
                        across = low[i] / top[j] - 1.0
                        deepest[i] = min(min(deepest[i], fall[j]), across)
                        low[i] = min(low[i], bottom[j])
                    else:
                        deepest[i], low[i] = fall[j], bottom[j]
                taken += size
            for i in range(len(part) - 1, size - 1, -1):
                j = i - size
                fall[i] = min(min(fall[i], fall[j]), bottom[i] / top[j] - 1.0)
                top[i] = max(top[i], top[j])
                bottom[i] = min(bottom[i], bottom[j])
            size *= 2
        result[start : start + len(part) - window + 1] = deepest[window - 1 :]
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
