"""Dynamically tuned adaptive conformal inference: several step sizes, weighed by how they fare."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from typing_extensions import override

from regimecast.core.errors import ConfigError
from regimecast.evaluation.bounds import bounded, whole
from regimecast.evaluation.conformal.base import ConformalRegistry
from regimecast.evaluation.conformal.intervals import Intervals
from regimecast.evaluation.conformal.record import Scores
from regimecast.evaluation.conformal.thresholds import learning_rate, online

__all__ = ["DynamicallyTuned"]


@ConformalRegistry.register("dtaci")
class DynamicallyTuned(Intervals):
    """`aci` with several γ at a time: α_t is the mean of theirs, weighed by exponential updates.

    Weights follow the pinball losses of the experts' levels, so that no γ need be chosen. Gibbs &
    Candès (2022), arXiv:2208.08401, algorithm 1, with its weighted mean instead of a random draw.

    Args:
        level: coverage of the interval that is reported; a point forecast gets its two levels.
        calibration: share of the validation part, its end, that gives the first scores.
        normalise: ``scale`` counts scores in units of each sample's volatility known at its origin,
            ``none`` in those of the target.
        per_asset: whether each asset has an α_t and scores of its own.
        ends: what is moved: ``quantiles`` of the model (as CQR does) | ``residual``, its point
            forecast | ``auto``, the quantiles where it has some.
        gammas: step sizes, each above 0.
        interval: bars of the stretches on which it shall do as well as the best γ would have; sets
            the learning rate and how evenly weights are spread (section 2.2).
        window: bars whose scores count; null keeps all.

    Raises:
        ConfigError: a value is out of range.
    """

    def __init__(
        self,
        *,
        level: float,
        calibration: float,
        normalise: str,
        per_asset: bool,
        ends: str,
        gammas: Sequence[float],
        interval: int,
        window: int | None,
    ) -> None:
        super().__init__(
            level=level,
            calibration=calibration,
            normalise=normalise,
            per_asset=per_asset,
            ends=ends,
        )
        if not gammas:
            raise ConfigError("conformal.gammas=[] must hold at least one step size")
        self._gammas = np.array(
            [bounded("conformal.gammas", gamma, low=1e-9, high=1.0) for gamma in gammas]
        )
        self._stretch = whole("conformal.interval", interval, low=1)
        self._window = None if window is None else whole("conformal.window", window, low=1)

    @override
    def thresholds(self, first: Scores, then: Scores, outside: float) -> Float[np.ndarray, " N"]:
        return online(
            first,
            then,
            outside,
            gammas=self._gammas,
            window=self._window,
            eta=learning_rate(outside, len(self._gammas), self._stretch),
            share=1 / (2 * self._stretch),
        )[0]
