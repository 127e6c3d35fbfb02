"""Support vector machine, with probabilities calibrated on held-out rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from regimecast.core.types import DataSpec
from regimecast.models.base import ModelRegistry
from regimecast.models.rounds import Rounds
from regimecast.models.sklearn import SklearnModel, able, in_blocks, standardised
from regimecast.models.stepwise import Part
from regimecast.models.tabular import Rows

__all__ = ["SVM"]


@ModelRegistry.register("svm")
class SVM(SklearnModel):
    """Kernel support vector machine on standardised columns.

    Its scores become probabilities by a logistic regression on the validation rows (Platt 1999),
    which are later in time and purged; scikit-learn's own way draws random folds, across which
    windows overlap. Where validation lacks a class, the training rows serve. Time and memory grow
    with the square of the rows.

    Args:
        spec: see `TabularModel`; classification only.
        loss: ``cross_entropy``.
        lags: see `TabularModel`.
        kernel: ``rbf``, ``linear``, ``poly`` or ``sigmoid``.
        l2: penalty on the margin beside the mean hinge loss; larger is simpler.
        iterations: most steps of the optimiser; -1 is no limit.
    """

    capabilities = able("cross_entropy")
    kinds = (Pipeline, LogisticRegression)

    def __init__(
        self,
        *,
        spec: DataSpec,
        loss: Mapping[str, Any],
        lags: Sequence[int],
        kernel: str,
        l2: float,
        iterations: int,
    ) -> None:
        super().__init__(spec=spec, loss=loss, lags=lags)
        self._kernel = kernel
        self._l2 = l2
        self._iterations = iterations

    def _fit_step(
        self, train: Rows, validation: Rows | None, seed: int, shared: Any, rounds: Rounds
    ) -> dict[str, Part]:
        strength = 1 / (self._l2 * len(train))
        model, x = standardised(
            SVC(C=strength, kernel=self._kernel, max_iter=self._iterations, random_state=seed),
            train,
        )
        model["estimate"].fit(x, train.y, sample_weight=train.weight)
        judged = train
        if validation is not None and set(validation.y) == set(train.y):
            judged = validation
        calibration = LogisticRegression(random_state=seed)
        calibration.fit(_scores(model, judged.x), judged.y, sample_weight=judged.weight)
        return {"machine": Part(model), "calibration": Part(calibration)}

    def _predict_step(
        self, parts: dict[str, Part], x: Float[np.ndarray, "N D"]
    ) -> Float[np.ndarray, "N K"]:
        scores = _scores(parts["machine"].model, x)
        return in_blocks(parts["calibration"].model.predict_proba, scores)


def _scores(model: Any, x: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N S"]:
    scores: Float[np.ndarray, ...] = model.decision_function(x)
    return scores.reshape(len(x), -1)
