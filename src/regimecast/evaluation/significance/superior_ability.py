"""Is any model better than a benchmark, and which, after so many were tried?"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from regimecast.core.errors import SpecError
from regimecast.evaluation.significance.bootstrap import Blocks
from regimecast.evaluation.significance.testable import NotTestableError, varies

__all__ = ["SuperiorAbility", "superior_ability"]


@dataclass(frozen=True)
class SuperiorAbility:
    """Result of Hansen's test and of Romano & Wolf's steps."""

    p_value: float
    """Of the hypothesis that no model is better than the benchmark."""
    lower: float
    """Bound: no model that is worse than the benchmark counts."""
    upper: float
    """Bound, White's reality check: all models count as if they were as good."""
    superior: tuple[int, ...]
    """Columns that are better, all of them surely at once with probability 1 - size."""


def superior_ability(
    gain: Float[np.ndarray, "T K"], blocks: Blocks, *, size: float = 0.05
) -> SuperiorAbility:
    """Test of the best of K models against a benchmark, and the models that are better than it.

    Hansen (2005), *A Test for Superior Predictive Ability*, JBES 23, with the variance from the
    bootstrap; Romano & Wolf (2005), *Stepwise Multiple Testing*, Econometrica 73, algorithm 4.1,
    with Hansen's recentring. On the same resamples the p-values are those of ``arch.bootstrap.SPA``
    (of columns divided by their deviations: arch 8.0 itself takes ``studentize`` and does without),
    and the models those of its ``StepM``, where that comes to an end (bashtage/arch issue 862).

    Args:
        gain: loss of the benchmark less that of each model, or return of the model less that of
            the benchmark, in time order. A model whose gain is the same everywhere is superior
            where that is in its favour, and else counts for nothing.
        blocks: resamples of these times.
        size: probability of naming any model that is not better.

    Raises:
        NotTestableError: no model differs from the benchmark.
        SpecError: no model, or a gain that is not finite.
    """
    if not gain.shape[1]:
        raise SpecError("no model to be tested against the benchmark")
    if not np.isfinite(gain).all():
        raise SpecError("a gain over the benchmark is NaN or infinite")
    if not gain.any():
        raise NotTestableError("no model differs from the benchmark")
    moving = varies(gain)
    sure = np.flatnonzero(~moving & (gain.mean(axis=0) > 0))
    if len(sure) or not moving.any():
        p = float(not len(sure))
        return SuperiorAbility(p, p, p, tuple(map(int, sure)))
    columns = np.flatnonzero(moving)
    mean, resampled = gain[:, columns].mean(axis=0), blocks.means(gain[:, columns])
    deviation = resampled.std(axis=0)
    found = judged(mean / deviation, resampled / deviation, blocks.n, size=size, deviation=1.0)
    return SuperiorAbility(
        found.p_value, found.lower, found.upper, tuple(int(columns[i]) for i in found.superior)
    )


def judged(
    mean: Float[np.ndarray, " K"],
    resampled: Float[np.ndarray, "B K"],
    n: int,
    *,
    size: float,
    deviation: float | Float[np.ndarray, " K"],
) -> SuperiorAbility:
    """`superior_ability` from mean gains over the benchmark and those of resamples.

    Args:
        mean: of each model's gains, in whatever unit they are to be compared in.
        resampled: the same of each resample.
        n: times.
        size: see `superior_ability`.
        deviation: of each mean.
    """
    # A model this far below the benchmark cannot be the best of many: it is not recentred.
    relevant = mean >= -deviation * np.sqrt(2 * np.log(np.log(n)))
    centres = (np.maximum(mean, 0.0), np.where(relevant, mean, 0.0), mean)
    lower, consistent, upper = (
        float(((resampled - centre).max(axis=1) > mean.max()).mean()) for centre in centres
    )
    noise = resampled - centres[1]
    found: Bool[np.ndarray, " K"] = np.zeros(len(mean), dtype=bool)
    while not found.all():
        critical = np.quantile(noise[:, ~found].max(axis=1), 1 - size)
        better = ~found & (mean > critical)
        if not better.any():
            break
        found |= better
    return SuperiorAbility(consistent, lower, upper, tuple(map(int, np.flatnonzero(found))))
