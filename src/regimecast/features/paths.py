"""Kernels over sequences: how long ago, how long already, how regular, and with what memory.

As in `rolling`, the value at t depends on its window alone, rows before the first full window are
NaN and nothing costs more than O(log window) a bar; only the filter costs its length.
"""

from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float

from regimecast.features.rolling import rolling_sum

__all__ = [
    "bars_since_max",
    "filtered",
    "fractional_weights",
    "ordinal_patterns",
    "run_length",
    "symbol_entropy",
]


@numba.njit(cache=True)
@no_type_check
def bars_since_max(x: Float[np.ndarray, " T"], window: int) -> Float[np.ndarray, " T"]:
    """Bars since the window's largest value, the latest of equal ones; 0..window - 1.

    For values without NaN.
    """
    result = np.full(len(x), np.nan)
    queue = np.empty(len(x), np.int64)  # rows of values that no later value reaches
    first, last = 0, 0
    for t in range(len(x)):
        while last > first and x[queue[last - 1]] <= x[t]:
            last -= 1
        queue[last] = t
        last += 1
        if queue[first] <= t - window:
            first += 1
        if t >= window - 1:
            result[t] = t - queue[first]
    return result


@numba.njit(cache=True)
@no_type_check
def run_length(state: Float[np.ndarray, " T"], most: int) -> Float[np.ndarray, " T"]:
    """Bars for which the state has been what it is, the present one not counted; 0..most.

    NaN for the first `most` bars that have a state: only then is the start of any run known.
    """
    result = np.full(len(state), np.nan)
    length, known = 0, 0
    for t in range(len(state)):
        if state[t] != state[t]:
            length, known = 0, 0
            continue
        length = min(length + 1, most) if known and state[t] == state[t - 1] else 0
        known += 1
        if known > most:
            result[t] = length
    return result


@numba.njit(cache=True)
@no_type_check
def ordinal_patterns(x: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    """Order of the last three values as one of 0..5; equal values count as rising."""
    result = np.full(len(x), np.nan)
    for t in range(2, len(x)):
        a, b, c = x[t - 2], x[t - 1], x[t]
        if a + b + c == a + b + c:
            result[t] = 3.0 * (b < a) + (c < a) + (c < b)
    return result


def symbol_entropy(
    symbols: Float[np.ndarray, " T"], kinds: int, window: int
) -> Float[np.ndarray, " T"]:
    """Shannon entropy of the window's symbols 0..kinds - 1 over ln(kinds); in [0, 1]."""
    total = np.zeros(len(symbols))
    for kind in range(kinds):
        hits = np.where(np.isnan(symbols), np.nan, (symbols == kind).astype(np.float64))
        share = rolling_sum(hits, window) / window
        total -= share * np.log(np.where(share > 0, share, 1.0))
    return np.clip(total / np.log(kinds), 0.0, 1.0)


def fractional_weights(order: float, threshold: float, most: int) -> Float[np.ndarray, " K"]:
    """Weights of returns t, t - 1, … that difference the log price `order` times.

    The binomial weights of (1 - L)^order end where one falls below `threshold`, or after `most`.
    Returns take the sums of them, so that the price's unit drops out
    (López de Prado 2018, fixed-width window fracdiff, section 5.5).
    """
    weights = [1.0]
    while len(weights) < most:
        weight = -weights[-1] * (order - len(weights) + 1) / len(weights)
        if abs(weight) < threshold:
            break
        weights.append(weight)
    return np.cumsum(weights)


@numba.njit(cache=True)
@no_type_check
def filtered(
    x: Float[np.ndarray, " T"], weights: Float[np.ndarray, " K"]
) -> Float[np.ndarray, " T"]:
    """Sum of weights[k] · x[t - k]."""
    n, width = len(x), len(weights)
    result = np.full(n, np.nan)
    if n >= width:
        total = np.zeros(n - width + 1)
        for k in range(width):
            for i in range(len(total)):
                total[i] += weights[k] * x[i + width - 1 - k]
        result[width - 1 :] = total
    return result
