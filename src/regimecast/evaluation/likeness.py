"""Which trials are the same idea, and what the best of them shows by luck alone."""

import numpy as np
from jaxtyping import Bool, Float, Int

from regimecast.core.errors import SpecError

__all__ = ["clusters", "correlations", "luckiest_sharpe"]

_FEWEST = 20
"""Times that two trials have to share for their correlation to say anything."""
_DRAWS = 1000


def clusters(
    returns: Float[np.ndarray, "T N"], *, correlation: float = 0.5
) -> Int[np.ndarray, " N"]:
    """Number of each trial's cluster, from 0.

    Trials are joined by average linkage while their mean correlation is at least `correlation`.
    Those that never trade have no correlation; all of them are one.

    Args:
        returns: of each trial, NaN at times that are not in its calendar.
        correlation: from which two trials are the same one, above -1 and at most 1.

    Raises:
        SpecError: no trial, or a correlation out of range.
    """
    if returns.shape[1] < 1:
        raise SpecError(f"returns of shape {returns.shape}; allowed: 1 or more trials")
    if not -1 < correlation <= 1:
        raise SpecError(f"correlation={correlation}; allowed: above -1 and at most 1")
    _, idle = _moved(returns)
    label = np.zeros(returns.shape[1], dtype=np.int64)
    moving = np.flatnonzero(~idle)
    if len(moving) > 1:
        apart = np.clip(1 - correlations(returns[:, moving]), 0, 2)
        # Rounding must not part trials that are the same.
        label[moving] = _joined(apart, 1 - correlation + 1e-9)
    label[idle] = label[moving].max(initial=-1) + 1
    return label


def luckiest_sharpe(returns: Float[np.ndarray, "T N"], *, silent: int = 0) -> float:
    """Sharpe ratio per observation that the best of trials without skill has on average.

    It is the mean maximum of normal numbers that move together as the trials do, each with the
    deviation of a Sharpe ratio over as many observations: a multiplier bootstrap (Chernozhukov,
    Chetverikov & Kato 2013, *Gaussian Approximations and Multiplier Bootstrap for Maxima of Sums of
    High-Dimensional Random Vectors*, Annals of Statistics 41(6)). For unrelated trials that is
    `expected_maximum_sharpe`, whose number of independent trials nobody knows where they are
    related: with as many as there are clusters, a hundred half-alike trials would count as one.

    Args:
        returns: of each trial, NaN at times that are not in its calendar.
        silent: trials whose returns are not known; they are taken to be unrelated to all.
    """
    moved, idle = _moved(returns)
    moved, count = moved[:, ~idle], np.isfinite(returns).sum(axis=0)[~idle]
    if moved.shape[1] + silent < 2 or not len(count):
        return 0.0
    unit = moved / np.sqrt((moved**2).sum(axis=0) * (count - 1))
    generator = np.random.default_rng(0)
    draws = generator.standard_normal((_DRAWS, len(unit)), dtype=np.float32)
    sharpes = draws @ unit.astype(np.float32)
    # Each draw counts with both signs, so that copies of a single trial have a maximum of 0.
    high, low = sharpes.max(axis=1), -sharpes.min(axis=1)
    if silent:
        others = generator.standard_normal((_DRAWS, silent)) / np.sqrt(np.median(count) - 1)
        high, low = np.maximum(high, others.max(axis=1)), np.maximum(low, -others.min(axis=1))
    return float((high.mean(dtype=np.float64) + low.mean(dtype=np.float64)) / 2)


def _joined(apart: Float[np.ndarray, "N N"], limit: float) -> Int[np.ndarray, " N"]:
    """Clusters of average linkage whose members are at most `limit` apart on average.

    By chains of nearest neighbours, which end in two that are nearest to each other: Murtagh
    (1983), *A Survey of Recent Advances in Hierarchical Clustering Algorithms*, The Computer
    Journal 26(4). The same as scipy's, whose import takes longer than this.

    Args:
        apart: distance of every two.
        limit: above 0.
    """
    n = len(apart)
    apart = apart.copy()
    np.fill_diagonal(apart, np.inf)
    size = np.ones(n)
    label = np.arange(n)
    chain: list[int] = []
    for _ in range(n - 1):
        if not chain:
            chain = [int(np.flatnonzero(size)[0])]
        while True:
            last = chain[-1]
            near = int(apart[last].argmin())
            # The one before wins a tie, or a chain could go in circles.
            if len(chain) > 1 and apart[last, chain[-2]] <= apart[last, near]:
                near = chain[-2]
                break
            chain.append(near)
        del chain[-2:]
        if apart[last, near] <= limit:
            label[label == near] = last
        # Further merges can only be further apart, but they decide which ones come.
        mean = (size[last] * apart[last] + size[near] * apart[near]) / (size[last] + size[near])
        size[last] += size[near]
        size[near] = 0
        apart[last], apart[:, last] = mean, mean
        apart[last, last] = np.inf
        apart[near], apart[:, near] = np.inf, np.inf
    return np.unique(label, return_inverse=True)[1]


def correlations(returns: Float[np.ndarray, "T N"]) -> Float[np.ndarray, "N N"]:
    """Correlation of every two trials over the times that both have.

    0 where they share fewer than 20 times, or one of them does not vary there: they are taken to be
    different.

    Args:
        returns: of each trial, NaN at times that are not in its calendar.
    """
    given = np.isfinite(returns)
    # About each trial's own mean, so that little is lost in the differences below.
    moved, _ = _moved(returns)
    if given.all():
        length = np.sqrt((moved**2).sum(axis=0))
        unit = moved / np.where(length > 0, length, 1.0)
        return unit.T @ unit
    mask = given.astype(np.float64)
    count = mask.T @ mask
    total = moved.T @ mask
    square = (moved**2).T @ mask
    shared = np.maximum(count, 1.0)
    covariance = moved.T @ moved - total * total.T / shared
    variance = square - total**2 / shared
    scale = np.sqrt(np.maximum(variance, 0) * np.maximum(variance.T, 0))
    varies = np.minimum(variance / np.maximum(square, np.finfo(float).tiny), 1) > 1e-9
    known = (count >= _FEWEST) & varies & varies.T
    return np.where(known, covariance / np.where(known, scale, 1.0), 0.0)


def _moved(
    returns: Float[np.ndarray, "T N"],
) -> tuple[Float[np.ndarray, "T N"], Bool[np.ndarray, " N"]]:
    """Returns about each trial's own mean, 0 where there are none, and which hardly vary at all."""
    given = np.isfinite(returns)
    known = returns if given.all() else np.where(given, returns, 0.0)
    moved = known - known.sum(axis=0) / np.maximum(given.sum(axis=0), 1)
    if known is not returns:
        moved[~given] = 0.0
    length = np.sqrt(np.einsum("tn,tn->n", moved, moved))
    size = np.maximum(known.max(axis=0), -known.min(axis=0))
    return moved, length <= np.finfo(np.float64).eps * size * len(returns)
