"""The distribution of the past, without conditions."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from regimecast.core.types import DataSpec, ForecastKind
from regimecast.models.base import ModelRegistry
from regimecast.models.baseline import Baseline, class_shares
from regimecast.models.lagged import Labelled
from regimecast.models.tabular import rows_of_step, weighted_quantiles
from regimecast.training.progress import Reports
from regimecast.training.report import FitReport

__all__ = ["HistoricalQuantiles"]


@ModelRegistry.register("historical_quantiles")
class HistoricalQuantiles(Baseline):
    """Weighted quantiles of the training target per step, in units of the trailing scale.

    For classes their weighted share. What a model with features has to beat in pinball loss.
    """

    def __init__(self, *, spec: DataSpec, loss: Mapping[str, Any]) -> None:
        super().__init__(spec=spec, loss=loss, lags=[0])

    def _learn(
        self, train: Labelled, validation: Labelled, seed: int, reports: Reports | None
    ) -> FitReport:
        levels = self.loss.levels
        if self.loss.kind is ForecastKind.PROBABILITIES:
            table = class_shares(train, len(levels))[None]
        else:
            rows = (rows_of_step(train, step) for step in range(self.spec.horizon))
            table = np.stack([weighted_quantiles(r.y, r.weight, levels) for r in rows])
        self._learnt = {"table": table}
        return FitReport(seconds=0.0, parameters=table.size)

    def _decode(self, x: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N H Q"]:
        return np.tile(self.learnt["table"], (len(x), 1, 1))
