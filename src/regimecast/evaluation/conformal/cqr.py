"""Conformalized quantile regression: the model's own quantiles, moved by one threshold per step."""

import numpy as np
from jaxtyping import Float
from typing_extensions import override

from regimecast.evaluation.conformal.base import ConformalRegistry
from regimecast.evaluation.conformal.intervals import Intervals
from regimecast.evaluation.conformal.record import Scores
from regimecast.evaluation.conformal.thresholds import conformal_quantile

__all__ = ["ConformalizedQuantiles"]


@ConformalRegistry.register("cqr")
class ConformalizedQuantiles(Intervals):
    """Each pair of the model's quantiles, both moved out, or in, as the calibration part asks for.

    Keeps what the model knows of the spread at each origin. Covers 1 - α where later samples are
    exchangeable with those that calibrated. Romano, Patterson & Candès (2019), arXiv:1905.03222,
    equations (5) to (8).

    Args:
        level: coverage of the interval that is reported; the model must have its two levels.
        calibration: share of the validation part, its end, that calibrates and is not watched by
            early stopping.
        normalise: ``scale`` counts scores in units of each sample's volatility known at its origin,
            ``none`` in those of the target.
        per_asset: whether each asset has scores of its own.
        symmetric: one threshold for both ends; else one for each with half of α, which is wider but
            holds for each end (theorem 2).

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
        symmetric: bool,
    ) -> None:
        super().__init__(
            level=level,
            calibration=calibration,
            normalise=normalise,
            per_asset=per_asset,
            ends="quantiles",
        )
        self.symmetric = symmetric

    @override
    def thresholds(self, first: Scores, then: Scores, outside: float) -> Float[np.ndarray, " N"]:
        return np.full(len(then.value), conformal_quantile(first.value, outside))
