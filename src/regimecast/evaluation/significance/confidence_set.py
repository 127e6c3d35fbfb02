"""The model confidence set: which models may be the best, given the data."""

from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float

from regimecast.core.errors import SpecError
from regimecast.evaluation.significance.bootstrap import Blocks

__all__ = ["model_confidence_set"]


def model_confidence_set(
    losses: Float[np.ndarray, "T K"], blocks: Blocks
) -> Float[np.ndarray, " K"]:
    """p-value of each model: it is in the set of confidence 1 - α where that is above α.

    The test with the statistic T_max: as long as the losses of those left differ by more than
    resamples do, the one whose loss lies furthest above the average goes. Hansen, Lunde & Nason
    (2011), *The Model Confidence Set*, Econometrica 79, sections 3.1.2 and 3.2. On the same
    resamples the p-values are those of ``arch.bootstrap.MCS(method="max")``, which gathers every
    resample, time by time, and takes many times as long; models that are exactly alike share one.

    Args:
        losses: per time and model, in time order.
        blocks: resamples of these times.

    Raises:
        SpecError: fewer than two models, or a loss that is not finite.
    """
    if losses.shape[1] < 2:
        raise SpecError(f"{losses.shape[1]} models; a confidence set is of 2 or more")
    if not np.isfinite(losses).all():
        raise SpecError("a loss is NaN or infinite")
    return eliminated(losses.mean(axis=0), blocks.means(losses))


def eliminated(
    mean: Float[np.ndarray, " K"], resampled: Float[np.ndarray, "B K"]
) -> Float[np.ndarray, " K"]:
    """p-values of `model_confidence_set` from mean losses and those of resamples."""
    p_value = np.ones(len(mean))
    _eliminate(mean, resampled - mean, p_value)
    return p_value


@no_type_check  # numba compiles the bare function, which a type checker's wrapper is not
@numba.njit(cache=True)
def _eliminate(mean, moved, p_value):  # noqa: ANN202  # the compiler infers types
    """Fills in p-values; those of the models that are left at the end stay at 1."""
    resamples, k = moved.shape
    left = np.arange(k)
    reached = 0.0
    highest = np.empty(resamples)
    while len(left) > 1:
        m = len(left)
        average = mean[left].mean()
        centred = np.zeros(resamples)
        for b in range(resamples):
            for i in left:
                centred[b] += moved[b, i]
            centred[b] /= m
        highest[:] = -np.inf
        statistic = np.empty(m)
        for j in range(m):
            i = left[j]
            variance = 0.0
            for b in range(resamples):
                variance += (moved[b, i] - centred[b]) ** 2
            deviation = np.sqrt(variance / resamples)
            above = mean[i] - average
            # A model at a constant distance from the average is surely above or below it, and one
            # at no distance at all (beyond rounding) is one of several that are all the same.
            if deviation <= 1e-14 * abs(average):
                same = abs(above) <= 1e-12 * abs(average)
                statistic[j] = 0.0 if same else np.sign(above) * np.inf
                highest = np.maximum(highest, 0.0)
                continue
            statistic[j] = above / deviation
            for b in range(resamples):
                highest[b] = max(highest[b], (moved[b, i] - centred[b]) / deviation)
        worst = statistic.max()
        if worst <= 0.0:  # all that are left are the same
            break
        beaten = 0
        for b in range(resamples):
            beaten += worst < highest[b]
        reached = max(reached, beaten / resamples)
        # Models that are exactly alike tie up to rounding, and go together.
        gone = statistic >= worst * (1 - 1e-9)
        for j in range(m):
            if gone[j]:
                p_value[left[j]] = reached
        left = left[~gone]
