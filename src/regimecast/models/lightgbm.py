"""LightGBM: one booster per step and quantile level."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
from jaxtyping import Float
from lightgbm.callback import CallbackEnv

from regimecast.core.errors import SpecError
from regimecast.core.types import DataSpec
from regimecast.losses.huber import Huber
from regimecast.models.base import ModelRegistry
from regimecast.models.boosting import BoostingModel
from regimecast.models.lagged import Labelled
from regimecast.models.rounds import Rounds
from regimecast.models.stepwise import Curve, Part
from regimecast.models.tabular import Rows

__all__ = ["LightGBM"]


@dataclass(frozen=True)
class _Binned:
    """Rows in bins, without labels; the bins are chosen by the rows of `train`."""

    train: lgb.Dataset
    validation: lgb.Dataset | None


def _at_step(data: lgb.Dataset, rows: Rows) -> lgb.Dataset:
    """The binned rows of a step with their labels: the very data set where all rows are used."""
    if not rows.used.all():
        # Weight 0 would not do: LightGBM counts such rows in `min_data_in_leaf`.
        data = data.subset(np.flatnonzero(rows.used).tolist()).construct()
    return data.set_label(rows.y).set_weight(rows.weight)


def _telling(rounds: Rounds) -> Callable[[CallbackEnv], None]:
    """A callback that hands on the validation objective."""

    def tell(env: CallbackEnv) -> None:
        rounds.heard(next(s[2] for s in env.evaluation_result_list or () if s[0] == "validation"))

    return tell


@ModelRegistry.register("lightgbm")
class LightGBM(BoostingModel):
    """Boosted trees of LightGBM (Ke et al. 2017, NeurIPS), grown leaf by leaf.

    Columns are binned once; steps and levels share the bins and exchange labels and weights. The
    asset is one column of names.

    Args:
        spec: see `BoostingModel`.
        loss: see `BoostingModel`.
        lags: see `BoostingModel`.
        rounds: see `BoostingModel`.
        learning_rate: see `BoostingModel`.
        leaves: most leaves of a tree.
        min_leaf_rows: fewest distinct rows in a leaf.
        l2: see `BoostingModel`.
        bins: see `BoostingModel`.
        columns: see `BoostingModel`.
        patience: see `BoostingModel`.
        n_threads: see `BoostingModel`.
    """

    extension = "txt"
    coded = True

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
        self._leaves = leaves
        self._min_leaf_rows = min_leaf_rows

    @property
    def _settings(self) -> dict[str, Any]:
        return {
            "learning_rate": self._learning_rate,
            "num_leaves": self._leaves,
            "min_data_in_leaf": self._min_leaf_rows,
            # Not 0, with which rounding makes splits with an empty side, and those are an error:
            # https://github.com/lightgbm-org/LightGBM/issues/4739
            "min_sum_hessian_in_leaf": 1e-6,
            "lambda_l2": self._l2,
            "max_bin": self._bins,
            "feature_fraction": self._columns,
            "num_threads": self._n_threads,
            "deterministic": True,
            "force_col_wise": True,
            "verbosity": -1,
        }

    @property
    def _parts_of_step(self) -> int:
        return len(self.loss.levels) if self.loss.name == "quantile" else 1

    def _share(self, train: Labelled, validation: Labelled) -> _Binned:
        data = self._binned(train, None)
        return _Binned(data, self._binned(validation, data) if len(validation) else None)

    def _binned(self, table: Labelled, reference: lgb.Dataset | None) -> lgb.Dataset:
        return lgb.Dataset(
            table.rows.whole(),  # not through lgb.Sequence, which leaves few rows without any bins
            np.zeros(len(table), np.float32),
            reference=reference,
            params=self._settings,
            categorical_feature=list(table.rows.categories),
        ).construct()

    def _fit_step(
        self, train: Rows, validation: Rows | None, seed: int, shared: _Binned, rounds: Rounds
    ) -> dict[str, Part]:
        params = {**self._settings, "seed": seed}
        data = _at_step(shared.train, train)
        watched = {"train": data}
        if validation is not None:
            assert shared.validation is not None
            watched["validation"] = _at_step(shared.validation, validation)
        parts = {}
        for name, objective in self._objectives(train).items():
            scores: dict[str, dict[str, list[float]]] = {}
            callbacks = [lgb.record_evaluation(scores)]
            if validation is not None:
                callbacks += [_telling(rounds), lgb.early_stopping(self._patience, verbose=False)]
            booster = lgb.train(
                {**params, **objective},
                data,
                self._rounds,
                valid_sets=list(watched.values()),
                valid_names=list(watched),
                callbacks=callbacks,
            )
            curve = Curve(
                *(next(iter(scores.get(n, {"": []}).values())) for n in ("train", "validation"))
            )
            rounds.finish()
            kept = booster.best_iteration if validation is not None else self._rounds
            parts[name] = Part(booster, kept, curve)
        return parts

    def _predict_step(
        self, parts: dict[str, Part], x: Float[np.ndarray, "N D"]
    ) -> Float[np.ndarray, "N K"]:
        values = [
            part.model.predict(x, num_iteration=part.rounds, num_threads=self._n_threads).reshape(
                len(x), -1
            )
            for part in parts.values()
        ]
        return np.concatenate(values, axis=1)

    def _write_part(self, part: Part, path: Path) -> None:
        part.model.save_model(path, num_iteration=part.rounds)

    def _read_part(self, path: Path) -> lgb.Booster:
        try:
            return lgb.Booster(model_file=path)
        except lgb.basic.LightGBMError as error:
            raise SpecError(f"{path} does not hold a LightGBM booster: {error}") from error

    def _objectives(self, train: Rows) -> dict[str, dict[str, Any]]:
        """Parameters of each part of a step."""
        match self.loss.name:
            case "cross_entropy":
                classes = int(train.y.max()) + 1
                return {"classes": {"objective": "multiclass", "num_class": classes}}
            case "huber":
                assert isinstance(self.loss, Huber)
                return {"point": {"objective": "huber", "alpha": self.loss.delta}}
            case _:
                return {
                    f"q{level}": {"objective": "quantile", "alpha": level}
                    for level in self.loss.levels
                }
