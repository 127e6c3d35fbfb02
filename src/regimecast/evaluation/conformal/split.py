"""Split conformal prediction: one threshold per step, from scores that nothing was trained on."""

import numpy as np
from jaxtyping import Float
from typing_extensions import override

from regimecast.evaluation.conformal.base import ConformalRegistry
from regimecast.evaluation.conformal.intervals import Intervals
from regimecast.evaluation.conformal.record import Scores
from regimecast.evaluation.conformal.thresholds import conformal_quantile

__all__ = ["Split"]


@ConformalRegistry.register("split")
class Split(Intervals):
    """The point forecast plus and minus a quantile of the calibration part's absolute residuals.

    Covers 1 - α where later samples are exchangeable with those that calibrated; when the market
    turns wilder it does not. Quantiles of the model but the median are replaced. Papadopoulos et
    al. (2002), *Inductive confidence machines for regression*; Lei et al. (2018), JASA 113.

    Args:
        level: coverage of the interval that is reported; a point forecast gets its two levels.
        calibration: share of the validation part, its end, that calibrates and is not watched by
            early stopping.
        normalise: ``scale`` counts residuals in units of each sample's volatility known at its
            origin, ``none`` in those of the target.
        per_asset: whether each asset has scores of its own.

    Raises:
        ConfigError: a value is out of range.
    """

    def __init__(
        self, *, level: float, calibration: float, normalise: str, per_asset: bool
    ) -> None:
        super().__init__(
            level=level,
            calibration=calibration,
            normalise=normalise,
            per_asset=per_asset,
            ends="residual",
        )

    @override
    def thresholds(self, first: Scores, then: Scores, outside: float) -> Float[np.ndarray, " N"]:
        return np.full(len(then.value), conformal_quantile(first.value, outside))
