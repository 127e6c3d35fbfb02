"""Logistic regression: a straight line through standardised columns."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.linear_model import LogisticRegression

from regimecast.core.types import DataSpec
from regimecast.models.base import ModelRegistry
from regimecast.models.rounds import Rounds
from regimecast.models.sklearn import SklearnModel, able, in_blocks, standardised
from regimecast.models.stepwise import Part
from regimecast.models.tabular import Rows

__all__ = ["Logistic"]


@ModelRegistry.register("logistic")
class Logistic(SklearnModel):
    """Multinomial logistic regression with an L2 penalty, on standardised columns.

    Args:
        spec: see `TabularModel`; classification only.
        loss: ``cross_entropy``.
        lags: see `TabularModel`.
        l2: penalty on squared coefficients beside the mean loss; larger is simpler.
        iterations: most steps of the optimiser.
    """

    capabilities = able("cross_entropy")

    def __init__(
        self,
        *,
        spec: DataSpec,
        loss: Mapping[str, Any],
        lags: Sequence[int],
        l2: float,
        iterations: int,
    ) -> None:
        super().__init__(spec=spec, loss=loss, lags=lags)
        self._l2 = l2
        self._iterations = iterations

    def _fit_step(
        self, train: Rows, validation: Rows | None, seed: int, shared: Any, rounds: Rounds
    ) -> dict[str, Part]:
        # scikit-learn's C multiplies the sum of the losses.
        strength = 1 / (self._l2 * len(train))
        model, x = standardised(
            LogisticRegression(C=strength, max_iter=self._iterations, random_state=seed), train
        )
        model["estimate"].fit(x, train.y, sample_weight=train.weight)
        return {"classes": Part(model)}

    def _predict_step(
        self, parts: dict[str, Part], x: Float[np.ndarray, "N D"]
    ) -> Float[np.ndarray, "N K"]:
        return in_blocks(parts["classes"].model.predict_proba, x)
