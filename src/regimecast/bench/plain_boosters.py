"""Boosters as a user writes them: for every step a data set of the library, with its labels."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import catboost as cb
import lightgbm as lgb
import numpy as np
import xgboost as xgb
from jaxtyping import Float

__all__ = ["PLAIN", "Forecaster", "PlainRows"]

Forecaster = Callable[[Float[np.ndarray, "N D"]], Float[np.ndarray, "N H Q"]]
"""Quantiles of new rows at every step."""


@dataclass(frozen=True, eq=False)
class PlainRows:
    """Rows to learn from and rows to stop on, with targets at every step."""

    x: Float[np.ndarray, "N D"]
    y: Float[np.ndarray, "N H"]
    held_x: Float[np.ndarray, "V D"]
    held_y: Float[np.ndarray, "V H"]
    names: tuple[int, ...]
    """Columns whose numbers are names."""

    def steps(self) -> Iterator[tuple[Float[np.ndarray, " N"], Float[np.ndarray, " V"]]]:
        """Targets of each step, laid out as the libraries want them."""
        yield from zip(self.y.T.copy(), self.held_y.T.copy(), strict=True)


def lightgbm(rows: PlainRows, model: Mapping[str, Any], levels: Sequence[float]) -> Forecaster:
    """A booster per step and level.

    Args:
        rows: to learn from.
        model: parameters by our names, as in ``conf/model``.
        levels: quantile levels.
    """
    params = {
        "objective": "quantile",
        "learning_rate": model["learning_rate"],
        "num_leaves": model["leaves"],
        "min_data_in_leaf": model["min_leaf_rows"],
        "min_sum_hessian_in_leaf": 1e-6,
        "lambda_l2": model["l2"],
        "max_bin": model["bins"],
        "feature_fraction": model["columns"],
        "num_threads": model["n_threads"],
        "deterministic": True,
        "force_col_wise": True,
        "seed": 0,
        "verbosity": -1,
    }
    boosters = []
    for y, held_y in rows.steps():
        train = lgb.Dataset(rows.x, y, params=params, categorical_feature=list(rows.names))
        held_out = train.create_valid(rows.held_x, held_y)
        boosters.append(
            [
                lgb.train(
                    {**params, "alpha": level},
                    train,
                    model["rounds"],
                    valid_sets=[held_out],
                    callbacks=[lgb.early_stopping(model["patience"], verbose=False)],
                )
                for level in levels
            ]
        )
    return lambda x: np.stack([np.stack([b.predict(x) for b in s], axis=1) for s in boosters], 1)


def xgboost(rows: PlainRows, model: Mapping[str, Any], levels: Sequence[float]) -> Forecaster:
    """A booster per step; see `lightgbm`."""
    params = {
        "objective": "reg:quantileerror",
        "quantile_alpha": list(levels),
        "learning_rate": model["learning_rate"],
        "max_depth": model["max_depth"],
        "min_child_weight": model["min_leaf_weight"],
        "reg_lambda": model["l2"],
        "colsample_bytree": model["columns"],
        "tree_method": "hist",
        "max_bin": model["bins"],
        "nthread": model["n_threads"],
        "seed": 0,
        "verbosity": 0,
    }
    types = ["c" if column in rows.names else "q" for column in range(rows.x.shape[1])]
    common = {
        "feature_types": types,
        "enable_categorical": True,
        "max_bin": model["bins"],
        "nthread": model["n_threads"],
    }
    boosters = []
    for y, held_y in rows.steps():
        train = xgb.QuantileDMatrix(rows.x, y, **common)
        held_out = xgb.QuantileDMatrix(rows.held_x, held_y, ref=train, **common)
        booster = xgb.train(
            params,
            train,
            model["rounds"],
            evals=[(held_out, "validation")],
            early_stopping_rounds=model["patience"],
            verbose_eval=False,
        )
        boosters.append(booster[: booster.best_iteration + 1])
    return lambda x: np.stack([booster.inplace_predict(x) for booster in boosters], axis=1)


def catboost(rows: PlainRows, model: Mapping[str, Any], levels: Sequence[float]) -> Forecaster:
    """A booster per step; see `lightgbm`."""
    params = {
        "loss_function": f"MultiQuantile:alpha={','.join(str(level) for level in levels)}",
        "iterations": model["rounds"],
        "learning_rate": model["learning_rate"],
        "depth": model["depth"],
        "l2_leaf_reg": model["l2"],
        "border_count": model["bins"] - 1,
        "rsm": model["columns"],
        "boosting_type": "Plain",
        "bootstrap_type": "No",
        "random_strength": 0,
        "random_seed": 0,
        "thread_count": model["n_threads"],
        "allow_writing_files": False,
        "logging_level": "Silent",
    }
    boosters = []
    for y, held_y in rows.steps():
        booster = cb.CatBoost(params)
        booster.fit(
            cb.Pool(rows.x, y, thread_count=model["n_threads"]),
            eval_set=cb.Pool(rows.held_x, held_y, thread_count=model["n_threads"]),
            early_stopping_rounds=model["patience"],
            use_best_model=True,
        )
        boosters.append(booster)
    return lambda x: np.stack([booster.predict(x) for booster in boosters], axis=1)


PLAIN: Mapping[str, Callable[[PlainRows, Mapping[str, Any], Sequence[float]], Forecaster]] = {
    "lightgbm": lightgbm,
    "xgboost": xgboost,
    "catboost": catboost,
}
"""Ways to fit by the name of the model."""
