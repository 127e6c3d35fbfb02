"""XGBoost: one booster per step, all quantile levels at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb
from jaxtyping import Float

from regimecast.core.types import DataSpec
from regimecast.losses.huber import Huber
from regimecast.models.base import ModelRegistry
from regimecast.models.boosting import BoostingModel
from regimecast.models.lagged import BLOCK, Labelled, LagTable
from regimecast.models.rounds import Rounds
from regimecast.models.stepwise import Curve, Part
from regimecast.models.tabular import Rows

__all__ = ["XGBoost"]


class _Blocks(xgb.DataIter):
    """Rows for XGBoost, which goes through them several times."""

    def __init__(self, rows: LagTable) -> None:
        super().__init__(release_data=True)
        self._rows = rows
        self._types = ["c" if column in rows.categories else "q" for column in range(rows.width)]
        self._start = 0

    def reset(self) -> None:
        """Back to the first block."""
        self._start = 0

    def next(self, input_data: Callable[..., Any]) -> bool:
        """Hands over the next block; whether there was one."""
        if self._start >= len(self._rows):
            return False
        block = self._rows.block(self._start, self._start + BLOCK)
        input_data(data=block, feature_types=self._types)
        self._start += BLOCK
        return True


class _Telling(xgb.callback.TrainingCallback):
    """Hands on the validation objective."""

    def __init__(self, rounds: Rounds) -> None:
        self._rounds = rounds

    def after_iteration(self, model: Any, epoch: int, evals_log: Mapping[str, Any]) -> bool:
        """Never asks to stop."""
        (scores,) = evals_log["validation"].values()
        self._rounds.heard(float(scores[-1]))
        return False


@dataclass(frozen=True)
class _Binned:
    """Rows in bins, without labels; the bins are chosen by the rows of `train`."""

    train: xgb.DMatrix
    validation: xgb.DMatrix | None


def _at_step(data: xgb.DMatrix, rows: Rows) -> xgb.DMatrix:
    """The binned rows with the labels of a step; weight 0 leaves a row out of all XGBoost sums."""
    data.set_label(rows.spread(rows.y))
    data.set_weight(rows.spread(rows.weight))
    return data


@ModelRegistry.register("xgboost")
class XGBoost(BoostingModel):
    """Boosted trees of XGBoost (Chen and Guestrin 2016, KDD), grown on histograms.

    Columns are binned once, block by block, by the distinct rows whatever their weight; steps share
    the bins and exchange labels and weights. The asset is one column of names.

    Quantiles share a booster with one tree per level and round; ``huber`` is the pseudo-Huber loss
    with its slope at `delta`.

    Args:
        spec: see `BoostingModel`.
        loss: see `BoostingModel`.
        lags: see `BoostingModel`.
        rounds: see `BoostingModel`.
        learning_rate: see `BoostingModel`.
        max_depth: splits from root to leaf.
        min_leaf_weight: least curvature in a leaf; for quantiles that is rows of mean weight.
        l2: see `BoostingModel`.
        bins: see `BoostingModel`.
        columns: see `BoostingModel`.
        patience: see `BoostingModel`.
        n_threads: see `BoostingModel`.
    """

    extension = "ubj"
    coded = True

    def __init__(
        self,
        *,
        spec: DataSpec,
        loss: Mapping[str, Any],
        lags: Sequence[int],
        rounds: int,
        learning_rate: float,
        max_depth: int,
        min_leaf_weight: float,
        l2: float,
        bins: int,
        columns: float,
        patience: int,
        n_threads: int,
    ) -> None:
        super().__init__(
            spec=spec,
            loss=loss,
            lags=lags,
            rounds=rounds,
            learning_rate=learning_rate,
            l2=l2,
            bins=bins,
            columns=columns,
            patience=patience,
            n_threads=n_threads,
        )
        self._max_depth = max_depth
        self._min_leaf_weight = min_leaf_weight

    def _share(self, train: Labelled, validation: Labelled) -> _Binned:
        data = self._matrix(train)
        return _Binned(data, self._matrix(validation, ref=data) if len(validation) else None)

    def _fit_step(
        self, train: Rows, validation: Rows | None, seed: int, shared: _Binned, rounds: Rounds
    ) -> dict[str, Part]:
        data = _at_step(shared.train, train)
        watched = {"train": data}
        if validation is not None:
            assert shared.validation is not None
            watched["validation"] = _at_step(shared.validation, validation)
        scores: dict[str, dict[str, list[float]]] = {}
        booster = xgb.train(
            {
                **self._objective(train),
                "learning_rate": self._learning_rate,
                "max_depth": self._max_depth,
                "min_child_weight": self._min_leaf_weight,
                "reg_lambda": self._l2,
                "colsample_bytree": self._columns,
                "tree_method": "hist",
                "max_bin": self._bins,
                "nthread": self._n_threads,
                "seed": seed,
                "verbosity": 0,
            },
            data,
            self._rounds,
            evals=[(matrix, name) for name, matrix in watched.items()],
            early_stopping_rounds=None if validation is None else self._patience,
            evals_result=scores,
            verbose_eval=False,
            callbacks=None if validation is None else [_Telling(rounds)],
        )
        rounds.finish()
        curve = Curve(
            *(next(iter(scores.get(n, {"": []}).values())) for n in ("train", "validation"))
        )
        kept = self._rounds if validation is None else booster.best_iteration + 1
        return {"trees": Part(booster[:kept], kept, curve)}

    def _predict_step(
        self, parts: dict[str, Part], x: Float[np.ndarray, "N D"]
    ) -> Float[np.ndarray, "N K"]:
        values: Float[np.ndarray, ...] = parts["trees"].model.inplace_predict(x)
        return values.reshape(len(x), -1)

    def _write_part(self, part: Part, path: Path) -> None:
        part.model.save_model(path)

    def _read_part(self, path: Path) -> xgb.Booster:
        return xgb.Booster({"nthread": self._n_threads}, model_file=path)

    def _matrix(self, table: Labelled, ref: xgb.DMatrix | None = None) -> xgb.DMatrix:
        return xgb.QuantileDMatrix(
            _Blocks(table.rows),
            ref=ref,
            max_bin=self._bins,
            nthread=self._n_threads,
            enable_categorical=True,
        )

    def _objective(self, train: Rows) -> dict[str, Any]:
        match self.loss.name:
            case "cross_entropy":
                classes = int(train.y.max()) + 1
                return {
                    "objective": "multi:softprob",
                    "num_class": classes,
                    "eval_metric": "mlogloss",
                }
            case "huber":
                assert isinstance(self.loss, Huber)
                return {
                    "objective": "reg:pseudohubererror",
                    "huber_slope": self.loss.delta,
                    "eval_metric": "mphe",
                }
            case _:
                return {"objective": "reg:quantileerror", "quantile_alpha": self.loss.levels}
