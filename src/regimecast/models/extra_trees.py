"""Extremely randomised trees, with quantiles from their leaves."""

from collections.abc import Mapping
from typing import Any

from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

from regimecast.core.types import ForecastKind
from regimecast.models.base import ModelRegistry
from regimecast.models.forest import ForestModel

__all__ = ["ExtraTrees"]


@ModelRegistry.register("extra_trees")
class ExtraTrees(ForestModel):
    """Trees with random thresholds.

    Geurts, Ernst and Wehenkel 2006, "Extremely randomized trees", Machine Learning 63(1). Every
    tree sees all rows. Parameters are those of `ForestModel`.
    """

    def _estimator(self, settings: Mapping[str, Any]) -> Any:
        if self.loss.kind is ForecastKind.PROBABILITIES:
            return ExtraTreesClassifier(**settings)
        return ExtraTreesRegressor(**settings)
