"""scikit-learn's multi-layer perceptron, stopped on the validation split."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.neural_network import MLPClassifier, MLPRegressor

from regimecast.core.types import DataSpec, ForecastKind
from regimecast.models.base import ModelRegistry
from regimecast.models.rounds import Rounds
from regimecast.models.sklearn import SklearnModel, able, in_blocks, standardised
from regimecast.models.stepwise import Curve, Part
from regimecast.models.tabular import Rows

__all__ = ["MLP"]


@ModelRegistry.register("mlp")
class MLP(SklearnModel):
    """Multi-layer perceptron on standardised columns; classes, or the mean as a point forecast.

    Every epoch is one step of Adam over all rows: scikit-learn divides a mini-batch by its own sum
    of weights, so that a batch of a single regime would train as if unweighted. The epoch with the
    best weighted validation loss is kept. Its loss for ``huber`` is the squared error.

    Args:
        spec: see `TabularModel`.
        loss: ``cross_entropy`` or ``huber``.
        lags: see `TabularModel`.
        hidden: units of each hidden layer.
        learning_rate: of Adam.
        l2: penalty on squared weights beside the mean loss.
        epochs: most epochs.
        patience: epochs without improvement before stopping.
    """

    capabilities = able("cross_entropy", "huber")

    def __init__(
        self,
        *,
        spec: DataSpec,
        loss: Mapping[str, Any],
        lags: Sequence[int],
        hidden: Sequence[int],
        learning_rate: float,
        l2: float,
        epochs: int,
        patience: int,
    ) -> None:
        super().__init__(spec=spec, loss=loss, lags=lags)
        self._hidden = tuple(hidden)
        self._learning_rate = learning_rate
        self._l2 = l2
        self._epochs = epochs
        self._patience = patience

    @property
    def _most_rounds(self) -> int:
        return self._epochs

    def _fit_step(
        self, train: Rows, validation: Rows | None, seed: int, shared: Any, rounds: Rounds
    ) -> dict[str, Part]:
        classes = self.loss.kind is ForecastKind.PROBABILITIES
        network = (MLPClassifier if classes else MLPRegressor)(
            hidden_layer_sizes=self._hidden,
            solver="adam",
            alpha=self._l2 * len(train),
            batch_size=len(train),
            learning_rate_init=self._learning_rate,
            shuffle=False,
            random_state=seed,
        )
        model, x = standardised(network, train)
        held_out = None if validation is None else model["scale"].transform(validation.x)
        first = {"classes": np.unique(train.y)} if classes else {}
        curve = Curve([], [])
        best, kept = np.inf, 0
        weights: tuple[list[Any], list[Any]] = ([], [])
        for epoch in range(1, self._epochs + 1):
            network.partial_fit(x, train.y, sample_weight=train.weight, **first)
            curve.train.append(float(network.loss_))
            if validation is not None and held_out is not None:
                curve.validation.append(_loss(network, held_out, validation))
                rounds.heard(curve.validation[-1])
            score = curve.validation[-1] if validation is not None else -float(epoch)
            if score < best:
                best, kept = score, epoch
                weights = (
                    [w.copy() for w in network.coefs_],
                    [b.copy() for b in network.intercepts_],
                )
            elif epoch - kept >= self._patience:
                break
        rounds.finish()
        network.coefs_, network.intercepts_ = weights
        # State of the optimiser: of no use after training, and of types skops does not know.
        del network._optimizer, network._random_state
        return {"network": Part(model, kept, curve)}

    def _predict_step(
        self, parts: dict[str, Part], x: Float[np.ndarray, "N D"]
    ) -> Float[np.ndarray, "N K"]:
        model = parts["network"].model
        classes = self.loss.kind is ForecastKind.PROBABILITIES
        return in_blocks(model.predict_proba if classes else model.predict, x)


def _loss(network: Any, x: Float[np.ndarray, "M D"], rows: Rows) -> float:
    """Weighted mean of cross-entropy or of half the squared error."""
    if isinstance(network, MLPClassifier):
        true = network.predict_proba(x)[np.arange(len(x)), rows.y.astype(np.int64)]
        losses = -np.log(np.maximum(true, np.finfo(true.dtype).tiny))
    else:
        losses = (network.predict(x) - rows.y) ** 2 / 2
    return float(np.average(losses, weights=rows.weight))
