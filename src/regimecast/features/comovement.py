"""How two columns move together over trailing windows, by the method of `rolling`."""

from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float

from regimecast.features.rolling import CHUNK, NOISE, ratio

__all__ = ["comoments", "rolling_beta", "rolling_correlation"]


@numba.njit(cache=True)
@no_type_check
def comoments(
    x: Float[np.ndarray, " T"], y: Float[np.ndarray, " T"], window: int
) -> Float[np.ndarray, "3 T"]:
    """Sums of squared deviations of x, of y, and of their products.

    Exactly 0 for a side whose deviations are rounding errors.
    """
    n = len(x)
    out = np.full((3, n), np.nan)
    for start in range(window - 1, n, CHUNK):
        stop = min(start + CHUNK, n)
        m = stop - start + window - 1
        level, other, total = np.zeros((5, m)), np.zeros((5, m)), np.zeros((5, m))
        level[0] = x[start - window + 1 : stop]
        level[1] = y[start - window + 1 : stop]
        taken, size = 0, 1
        while size <= window:
            if window & size:
                _join(level, total, total, size, taken, taken)
                taken += size
            _join(level, level, other, size, size, size)
            level, other = other, level
            size *= 2
        for i in range(window - 1, m):
            t = start + i - window + 1
            xx, yy, xy = total[2, i], total[3, i], total[4, i]
            if xx <= NOISE * (xx + window * total[0, i] ** 2):
                xx, xy = 0.0, xy * 0.0  # a NaN of the other side stays one
            if yy <= NOISE * (yy + window * total[1, i] ** 2):
                yy, xy = 0.0, xy * 0.0
            out[0, t], out[1, t], out[2, t] = xx, yy, xy
    return out


@numba.njit(cache=True)
@no_type_check
def _join(
    old: Float[np.ndarray, "5 M"],
    new: Float[np.ndarray, "5 M"],
    out: Float[np.ndarray, "5 M"],
    n_old: int,
    n_new: int,
    behind: int,
) -> None:
    """Blocks `new` that end at i, joined by the blocks `old` that end at i - behind."""
    n = n_old + n_new
    a, weight = n_old / n, n_old * (n_new / n)
    for i in range(out.shape[1] - 1, behind - 1, -1):
        j = i - behind
        dx, dy = old[0, j] - new[0, i], old[1, j] - new[1, i]
        out[0, i] = new[0, i] + dx * a
        out[1, i] = new[1, i] + dy * a
        out[2, i] = old[2, j] + new[2, i] + dx * dx * weight
        out[3, i] = old[3, j] + new[3, i] + dy * dy * weight
        out[4, i] = old[4, j] + new[4, i] + dx * dy * weight


def rolling_correlation(
    x: Float[np.ndarray, " T"], y: Float[np.ndarray, " T"], window: int
) -> Float[np.ndarray, " T"]:
    """Pearson correlation in [-1, 1]; 0 where either side has no variation."""
    xx, yy, xy = comoments(x, y, window)
    size = np.sqrt(xx, out=xx)  # in place: columns of minute bars are large
    size *= np.sqrt(yy, out=yy)
    result = ratio(xy, size, otherwise=0.0)
    return np.clip(result, -1.0, 1.0, out=result)


def rolling_beta(
    x: Float[np.ndarray, " T"], y: Float[np.ndarray, " T"], window: int
) -> Float[np.ndarray, " T"]:
    """Least-squares slope of x on y; 0 where either side has no variation."""
    _, yy, xy = comoments(x, y, window)
    return ratio(xy, yy, otherwise=0.0)
