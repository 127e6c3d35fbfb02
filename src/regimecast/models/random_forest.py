"""Random forest: averaged trees on bootstrap samples, with quantiles from their leaves."""

from collections.abc import Mapping
from typing import Any

from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from regimecast.core.types import ForecastKind
from regimecast.models.base import ModelRegistry
from regimecast.models.forest import ForestModel

__all__ = ["RandomForest"]


@ModelRegistry.register("random_forest")
class RandomForest(ForestModel):
    """Trees on bootstrap samples, drawn in proportion to weight.

    Breiman 2001, "Random Forests", Machine Learning 45(1). Parameters are those of `ForestModel`.
    """

    def _estimator(self, settings: Mapping[str, Any]) -> Any:
        if self.loss.kind is ForecastKind.PROBABILITIES:
            return RandomForestClassifier(**settings)
        return RandomForestRegressor(**settings)
