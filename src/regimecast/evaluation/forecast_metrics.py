"""Metrics of real-valued forecasts as pure functions of plain arrays.

Every function takes M cells (one origin and one step each) that are known and returns a float, or
None where the metric does not exist: no cell, no weight, no variation. Weights multiply each cell's
score and are normalised by their sum; left out, every cell counts the same.
"""

from itertools import combinations, pairwise
from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float, Int

__all__ = [
    "central_intervals",
    "coverage",
    "crps",
    "crps_cells",
    "direction_cells",
    "directional_accuracy",
    "information_coefficient",
    "mae",
    "mse",
    "pinball",
    "pinball_cells",
    "rmse",
    "weighted_mean",
    "width",
]


def weighted_mean(
    score: Float[np.ndarray, " M"], weight: Float[np.ndarray, " M"] | None = None
) -> float | None:
    """Σ w·s / Σ w, or the plain mean without weights; None for no cell or no weight at all."""
    if weight is None:
        return float(score.mean()) if len(score) else None
    total = float(weight.sum(dtype=np.float64))
    return float(score @ weight / total) if total > 0 else None


def mae(
    predicted: Float[np.ndarray, " M"],
    actual: Float[np.ndarray, " M"],
    weight: Float[np.ndarray, " M"] | None = None,
) -> float | None:
    """Mean absolute error, mean |ŷ - y|, in units of the target."""
    error = predicted - actual
    return weighted_mean(np.abs(error, out=error), weight)


def mse(
    predicted: Float[np.ndarray, " M"],
    actual: Float[np.ndarray, " M"],
    weight: Float[np.ndarray, " M"] | None = None,
) -> float | None:
    """Mean squared error, mean (ŷ - y)², in squared units of the target."""
    error = predicted - actual
    return weighted_mean(np.square(error, out=error), weight)


def rmse(
    predicted: Float[np.ndarray, " M"],
    actual: Float[np.ndarray, " M"],
    weight: Float[np.ndarray, " M"] | None = None,
) -> float | None:
    """Root mean squared error, √(mean (ŷ - y)²), in units of the target."""
    squared = mse(predicted, actual, weight)
    return None if squared is None else float(np.sqrt(squared))


def pinball(
    quantiles: Float[np.ndarray, "M Q"],
    levels: tuple[float, ...],
    actual: Float[np.ndarray, " M"],
    weight: Float[np.ndarray, " M"] | None = None,
) -> float | None:
    """Pinball loss averaged over cells and over levels, in units of the target.

    ρ_q(y, ŷ) = max(q (y - ŷ), (q - 1)(y - ŷ)), without the factor 2 that some authors put before
    it: the median's pinball loss is half the absolute error. Koenker & Bassett (1978),
    Econometrica 46.
    """
    return weighted_mean(pinball_cells(quantiles, levels, actual), weight)


def pinball_cells(
    quantiles: Float[np.ndarray, "M Q"],
    levels: tuple[float, ...],
    actual: Float[np.ndarray, " M"],
) -> Float[np.ndarray, " M"]:
    """What `pinball` is the mean of."""
    level = np.asarray(levels, dtype=np.float64)
    return _tilted_error(quantiles, actual, level / len(level), (1 - level) / len(level))


def crps(
    quantiles: Float[np.ndarray, "M Q"],
    levels: tuple[float, ...],
    actual: Float[np.ndarray, " M"],
    weight: Float[np.ndarray, " M"] | None = None,
) -> float | None:
    """Continuous ranked probability score of the stated quantiles, in units of the target.

    CRPS = 2 ∫ ρ_q(y, F⁻¹(q)) dq over q in [0, 1]. Each level's quantile stands, flat, for the part
    of [0, 1] that is nearer to that level than to any other, and over it the integral is exact: the
    score is that of a distribution that is made of the stated quantiles. So a choice of levels
    cannot lower it: a lone level is a point forecast and scores its absolute error, whichever level
    it is, and so do quantiles that are all the same. Few levels make a coarse distribution.
    Gneiting & Ranjan (2011), Journal of Business & Economic Statistics 29.

    Raises:
        ValueError: levels do not ascend strictly.
    """
    return weighted_mean(crps_cells(quantiles, levels, actual), weight)


def crps_cells(
    quantiles: Float[np.ndarray, "M Q"],
    levels: tuple[float, ...],
    actual: Float[np.ndarray, " M"],
) -> Float[np.ndarray, " M"]:
    """What `crps` is the mean of.

    Raises:
        ValueError: levels do not ascend strictly.
    """
    at = np.asarray(levels, dtype=np.float64)
    if (np.diff(at) <= 0).any():
        raise ValueError(f"quantile levels must ascend strictly, got {levels}")
    edges = np.concatenate([[0.0], (at[1:] + at[:-1]) / 2, [1.0]])
    # ∫ 2q dq and ∫ 2(1 - q) dq over each part.
    above, below = np.diff(edges**2), -np.diff((1 - edges) ** 2)
    return _tilted_error(quantiles, actual, above, below)


def _tilted_error(
    quantiles: Float[np.ndarray, "M Q"],
    actual: Float[np.ndarray, " M"],
    above: Float[np.ndarray, " Q"],
    below: Float[np.ndarray, " Q"],
) -> Float[np.ndarray, " M"]:
    """Σ over levels of the error, times `above` where the outcome is above, else times `below`.

    One level at a time, and in place, since there may be many millions of cells.
    """
    cells = np.zeros(len(actual))
    for column, (over, under) in enumerate(zip(above, below, strict=True)):
        error = actual - quantiles[:, column]
        tilted = over * error
        error *= -under
        cells += np.maximum(tilted, error, out=error)
    return cells


def directional_accuracy(
    predicted: Float[np.ndarray, " M"],
    actual: Float[np.ndarray, " M"],
    weight: Float[np.ndarray, " M"] | None = None,
) -> float | None:
    """Share of cells whose sign was forecast, between 0 and 1; 0.5 is what a coin gets.

    Ties: a cell whose outcome is exactly 0 has no direction and is left out; a forecast of exactly
    0 names no direction and counts as half a hit. Pesaran & Timmermann (1992), JBES 10.
    """
    moved = actual != 0
    hits = direction_cells(predicted[moved], actual[moved])
    return weighted_mean(hits, None if weight is None else weight[moved])


def direction_cells(
    predicted: Float[np.ndarray, " M"], actual: Float[np.ndarray, " M"]
) -> Float[np.ndarray, " M"]:
    """1 for a sign that was forecast, 0 for the other, 0.5 where either side is 0."""
    return (1.0 + np.sign(predicted) * np.sign(actual)) / 2


def central_intervals(levels: tuple[float, ...]) -> list[tuple[int, int, float]]:
    """(position of the lower level, of the upper, nominal coverage) of each symmetric pair."""
    return [
        (low, high, levels[high] - levels[low])
        for low, high in combinations(range(len(levels)), 2)
        if abs(levels[low] + levels[high] - 1) < 1e-6
    ]


def coverage(
    lower: Float[np.ndarray, " M"],
    upper: Float[np.ndarray, " M"],
    actual: Float[np.ndarray, " M"],
    weight: Float[np.ndarray, " M"] | None = None,
) -> float | None:
    """Share of cells with lower ≤ y ≤ upper; compare with the interval's nominal coverage."""
    return weighted_mean(((lower <= actual) & (actual <= upper)).astype(np.float64), weight)


def width(
    lower: Float[np.ndarray, " M"],
    upper: Float[np.ndarray, " M"],
    weight: Float[np.ndarray, " M"] | None = None,
) -> float | None:
    """Mean of upper - lower, in units of the target; negative where quantiles cross."""
    return weighted_mean(upper - lower, weight)


def information_coefficient(
    predicted: Float[np.ndarray, " M"],
    actual: Float[np.ndarray, " M"],
    *,
    origin: Int[np.ndarray, " M"],
    step: Int[np.ndarray, " M"],
    rank: bool,
    min_assets: int = 5,
) -> float | None:
    """Correlation of forecasts with outcomes, between -1 and 1.

    Where at least one (origin, step) holds `min_assets` assets, it is the cross-section's: one
    correlation per such group, averaged over groups. Otherwise it is pooled: one correlation per
    step over all its cells, averaged over steps, so that the growing variance of longer steps does
    not pass for skill. Groups in which either side is constant are left out. Grinold & Kahn (2000),
    Active Portfolio Management, ch. 6.

    Args:
        predicted: point forecasts.
        actual: outcomes.
        origin: number of the cell's date, from 0 and without large gaps.
        step: step of the forecast, from 0.
        rank: Spearman's correlation (average ranks for ties) instead of Pearson's.
        min_assets: smallest cross-section that is used.
    """
    if len(predicted) < 2:
        return None
    if (np.diff(step) < 0).any():
        order = np.argsort(step, kind="stable")
        predicted, actual, origin, step = (a[order] for a in (predicted, actual, origin, step))
    # Step by step, so that the memory is that of one step's cells.
    edges = np.searchsorted(step, np.arange(int(step[-1]) + 2))
    parts = [slice(a, b) for a, b in pairwise(edges) if b > a]
    pooled = all(np.bincount(origin[part]).max() < min_assets for part in parts)
    correlations = [
        _correlations(
            predicted[part],
            actual[part],
            np.zeros_like(origin[part]) if pooled else origin[part],
            least=0 if pooled else min_assets,
            rank=rank,
        )
        for part in parts
    ]
    found = np.concatenate(correlations)
    return float(found.mean()) if len(found) else None


def _correlations(
    x: Float[np.ndarray, " M"],
    y: Float[np.ndarray, " M"],
    group: Int[np.ndarray, " M"],
    *,
    least: int,
    rank: bool,
) -> Float[np.ndarray, " G"]:
    """Correlation in each group of at least so many cells in which both sides vary."""
    keep = np.bincount(group)[group] >= least
    x, y, group = x[keep], y[keep], group[keep]
    size = np.bincount(group)
    if rank:
        x, y = _ranks(x, group, size), _ranks(y, group, size)
    dx, spread_x = _deviation(x, group, size)
    dy, spread_y = _deviation(y, group, size)
    varies = (spread_x > 0) & (spread_y > 0)
    return np.bincount(group, dx * dy)[varies] / (spread_x[varies] * spread_y[varies])


def _deviation(
    x: Float[np.ndarray, " M"], group: Int[np.ndarray, " M"], size: Int[np.ndarray, " G"]
) -> tuple[Float[np.ndarray, " M"], Float[np.ndarray, " G"]]:
    """Deviation from the group's mean and its norm per group, 0 where only rounding varies."""
    x = x.astype(np.float64)
    deviation = x - (np.bincount(group, x) / np.maximum(size, 1))[group]
    norm = np.sqrt(np.bincount(group, deviation**2))
    largest = np.zeros(len(size))
    np.maximum.at(largest, group, np.abs(x))
    return deviation, np.where(norm > 1e-10 * largest * np.sqrt(size), norm, 0.0)


@no_type_check  # numba compiles the bare function, which a type checker's wrapper is not
@numba.njit(cache=True)
def _ranks(values, group, size):  # noqa: ANN202  # the compiler infers types
    """Ranks from 0 within each group, the average of them for ties."""
    # Cells are gathered by group first: many small sorts are quicker than one of all cells.
    stop = np.cumsum(size)
    place = stop - size
    member = np.empty(len(values), dtype=np.int64)
    for cell in range(len(values)):
        member[place[group[cell]]] = cell
        place[group[cell]] += 1
    ranks = np.empty(len(values))
    for g in range(len(size)):
        cells = member[stop[g] - size[g] : stop[g]]
        cells = cells[np.argsort(values[cells])]
        first = 0
        while first < len(cells):
            last = first
            while last + 1 < len(cells) and values[cells[last + 1]] == values[cells[first]]:
                last += 1
            for i in range(first, last + 1):
                ranks[cells[i]] = (first + last) / 2
            first = last + 1
    return ranks
