"""Adaptive conformal inference: after a miss the next intervals are wider, after a hit narrower."""

import numpy as np
from jaxtyping import Float
from typing_extensions import override

from regimecast.evaluation.bounds import bounded, whole
from regimecast.evaluation.conformal.base import ConformalRegistry
from regimecast.evaluation.conformal.intervals import Intervals
from regimecast.evaluation.conformal.record import Scores
from regimecast.evaluation.conformal.thresholds import online

__all__ = ["AdaptiveInference"]


@ConformalRegistry.register("aci")
class AdaptiveInference(Intervals):
    """Conformal intervals at a level α_t that follows ``α_t+1 = α_t + γ (α - missed_t)``.

    The share of misses over T bars is α + (α_1 - α_T) / (γ T). Published intervals become infinite
    where α_t falls below 0, which keeps it there; ours end at the widest score known, so that
    misses beyond it drive α_t further down, and are made up for by wide intervals later. Each
    outcome moves α_t, and joins the window of scores, when it is known: step h of origin o at the
    close of its own bar, h bars later. Gibbs & Candès (2021), arXiv:2106.00170, equation (2).

    Args:
        level: coverage of the interval that is reported; a point forecast gets its two levels.
        calibration: share of the validation part, its end, that gives the first scores.
        normalise: ``scale`` counts scores in units of each sample's volatility known at its origin,
            ``none`` in those of the target.
        per_asset: whether each asset has an α_t and scores of its own.
        ends: what is moved: ``quantiles`` of the model (as CQR does) | ``residual``, its point
            forecast | ``auto``, the quantiles where it has some.
        gamma: γ; large ones follow changes quickly and waver more.
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
        gamma: float,
        window: int | None,
    ) -> None:
        super().__init__(
            level=level,
            calibration=calibration,
            normalise=normalise,
            per_asset=per_asset,
            ends=ends,
        )
        self._gammas = np.array([bounded("conformal.gamma", gamma, low=0.0, high=1.0)])
        self._window = None if window is None else whole("conformal.window", window, low=1)

    @override
    def thresholds(self, first: Scores, then: Scores, outside: float) -> Float[np.ndarray, " N"]:
        return online(first, then, outside, gammas=self._gammas, window=self._window)[0]
