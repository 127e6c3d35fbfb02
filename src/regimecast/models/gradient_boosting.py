"""scikit-learn's histogram gradient boosting: one estimator per step and quantile level."""

from collections.abc import Mapping, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from regimecast.core.errors import SpecError
from regimecast.core.types import DataSpec, ForecastKind
from regimecast.models.base import ModelRegistry
from regimecast.models.lagged import Labelled
from regimecast.models.rounds import Rounds
from regimecast.models.sklearn import SklearnModel, able, check_nodes
from regimecast.models.stepwise import Curve, Part
from regimecast.models.tabular import Rows

__all__ = ["GradientBoosting"]


@ModelRegistry.register("gradient_boosting")
class GradientBoosting(SklearnModel):
    """Histogram gradient boosting of scikit-learn, stopped on the validation split.

    A forecast uses the rounds up to the best weighted validation loss. ``huber`` asks for the
    single level 0.5, which is the median here.

    Args:
        spec: see `TabularModel`.
        loss: ``quantile``, ``huber`` or ``cross_entropy``.
        lags: see `TabularModel`.
        rounds: most boosting rounds.
        learning_rate: share of each tree that is added.
        leaves: most leaves of a tree.
        min_leaf_rows: fewest distinct rows in a leaf.
        l2: penalty on leaf values, in rows of mean weight; quantiles know none.
        bins: most values a column is told apart by, 2 to 255.
        columns: share of the columns drawn for each split.
        patience: rounds without improvement before stopping.
        n_threads: threads; the same number gives the same bits.
    """

    capabilities = able("quantile", "huber", "cross_entropy")
    kinds = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
    trusted = ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",)

    def __init__(
        self,
        *,
        spec: DataSpec,
        loss: Mapping[str, Any],
        lags: Sequence[int],
        rounds: int,
        learning_rate: float,
        leaves: int,
        min_leaf_rows: int,
        l2: float,
        bins: int,
        columns: float,
        patience: int,
        n_threads: int,
    ) -> None:
        super().__init__(spec=spec, loss=loss, lags=lags)
        self._settings = {
            "max_iter": rounds,
            "learning_rate": learning_rate,
            "max_leaf_nodes": leaves,
            "min_samples_leaf": min_leaf_rows,
            "l2_regularization": l2,
            "max_bins": bins,
            "max_features": columns,
            "n_iter_no_change": patience,
            "tol": 0.0,
        }
        self._bins = bins
        self._n_threads = n_threads

    @property
    def _most_rounds(self) -> int:
        return int(self._settings["max_iter"])

    @property
    def _parts_of_step(self) -> int:
        return 1 if self.loss.kind is ForecastKind.PROBABILITIES else len(self.loss.levels)

    def _share(self, train: Labelled, validation: Labelled) -> Float[np.ndarray, "N D"]:
        return _snapped(train.x, self._bins)

    def _fit_step(
        self, train: Rows, validation: Rows | None, seed: int, shared: Any, rounds: Rounds
    ) -> dict[str, Part]:
        settings = {
            **self._settings,
            "random_state": seed,
            "early_stopping": validation is not None,
        }
        if self.loss.kind is ForecastKind.PROBABILITIES:
            estimators: dict[str, Any] = {"classes": HistGradientBoostingClassifier(**settings)}
        else:
            estimators = {
                f"q{level}": HistGradientBoostingRegressor(
                    loss="quantile", quantile=level, **settings
                )
                for level in self.loss.levels
            }
        held_out = {}
        if validation is not None:
            held_out = {
                "X_val": validation.x,
                "y_val": validation.y,
                "sample_weight_val": validation.weight,
            }
        x = shared if train.used.all() else shared[train.used]
        parts = {}
        for name, estimator in estimators.items():
            with threadpool_limits(self._n_threads):
                estimator.fit(x, train.y, sample_weight=train.weight, **held_out)
            parts[name] = _part(estimator)
            # The library cannot be asked on the way.
            for score in parts[name].curve.validation:
                rounds.heard(score)
            rounds.finish()
        return parts

    def _predict_step(
        self, parts: dict[str, Part], x: Float[np.ndarray, "N D"]
    ) -> Float[np.ndarray, "N K"]:
        values = []
        for part in parts.values():
            if self.loss.kind is ForecastKind.PROBABILITIES:
                stages = part.model.staged_predict_proba(x)
            else:
                stages = part.model.staged_predict(x)
            values.append(next(islice(stages, part.rounds - 1, None)).reshape(len(x), -1))
        return np.concatenate(values, axis=1)

    def _check_read(self, estimator: Any) -> None:
        # The nodes have no public name.
        for predictor in chain.from_iterable(estimator._predictors):
            nodes = predictor.nodes
            split = np.flatnonzero(nodes["is_leaf"] == 0)
            inner = nodes[split]
            if inner["is_categorical"].any():
                raise SpecError("a saved tree splits on categories, which no column here has")
            check_nodes(
                split,
                inner["left"].astype(np.int64),
                inner["right"].astype(np.int64),
                inner["feature_idx"].astype(np.int64),
                nodes=len(nodes),
                columns=estimator.n_features_in_,
            )


def _part(estimator: Any) -> Part:
    """The estimator with its best round; its scores are negative losses, the first before any."""
    validation = [-float(score) for score in estimator.validation_score_[1:]]
    curve = Curve([-float(score) for score in estimator.train_score_[1:]], validation)
    return Part(
        estimator, int(np.argmin(validation)) + 1 if validation else estimator.n_iter_, curve
    )


def _snapped(x: Float[np.ndarray, "M D"], bins: int) -> Float[np.ndarray, "M D"]:
    """Each value moved to the nearest of at most `bins` quantiles of its column.

    scikit-learn looks for weighted quantiles one by one, which takes longer than the boosting; on
    so few values it has nothing to look for. It splits halfway between them, as the snapping does,
    so that forecasts need no snapping.
    """
    grid = np.quantile(x, np.linspace(0, 1, bins), axis=0, method="inverted_cdf")
    snapped = np.empty_like(x)
    for column in range(x.shape[1]):
        values = np.unique(grid[:, column])
        snapped[:, column] = values[np.searchsorted((values[1:] + values[:-1]) / 2, x[:, column])]
    return snapped
