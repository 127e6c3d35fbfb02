"""CatBoost: one booster per step, all quantile levels at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import catboost as cb
import numpy as np
from jaxtyping import Float

from regimecast.core.errors import DataError, SpecError
from regimecast.core.types import DataSpec
from regimecast.losses.huber import Huber
from regimecast.models.base import ModelRegistry
from regimecast.models.boosting import BoostingModel
from regimecast.models.lagged import Labelled
from regimecast.models.rounds import Rounds
from regimecast.models.stepwise import Curve, Part
from regimecast.models.tabular import Rows

__all__ = ["CatBoost"]

_WHEN_AND_WHICH = ("train_finish_time", "model_guid")
"""What catboost writes to a model's file that is another one each time."""


@dataclass(frozen=True, eq=False)
class _Columns:
    """Rows laid out by column, which pools read without a copy, and the borders of the bins."""

    train: Float[np.ndarray, "N D"]
    validation: Float[np.ndarray, "V D"]
    borders: str
    """In the library's own format, the only one that it takes."""


class _Telling:
    """Hands on the validation objective; what is raised there would not get through the library."""

    def __init__(self, rounds: Rounds) -> None:
        self.raised: BaseException | None = None
        self._rounds = rounds

    def after_iteration(self, info: Any) -> bool:
        """Whether to go on."""
        (scores,) = info.metrics["validation"].values()
        try:
            self._rounds.heard(float(scores[-1]))
        except BaseException as error:  # noqa: BLE001  # raised again when the library has ended
            self.raised = error
        return self.raised is None


@ModelRegistry.register("catboost")
class CatBoost(BoostingModel):
    """Boosted symmetric trees of CatBoost (Prokhorenkova et al. 2018, NeurIPS).

    Borders of bins are searched once for all steps. The library cannot exchange the labels of a
    binned data set, so each step bins the same columns by those borders. Each asset keeps an
    indicator: the library's own way with names takes means of the target over random permutations
    of rows, as if time had no direction, and its other way is a split on the indicator.

    Every level of a tree splits on one condition; quantiles share the trees. Boosting is plain:
    ordered boosting draws permutations of rows, as if time had no direction.

    Args:
        spec: see `BoostingModel`.
        loss: see `BoostingModel`.
        lags: see `BoostingModel`.
        rounds: see `BoostingModel`.
        learning_rate: see `BoostingModel`.
        depth: conditions per tree.
        l2: see `BoostingModel`.
        bins: see `BoostingModel`.
        columns: see `BoostingModel`; drawn for each split.
        patience: see `BoostingModel`.
        n_threads: see `BoostingModel`.
    """

    extension = "cbm"

    def __init__(
        self,
        *,
        spec: DataSpec,
        loss: Mapping[str, Any],
        lags: Sequence[int],
        rounds: int,
        learning_rate: float,
        depth: int,
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
        self._depth = depth

    def _share(self, train: Labelled, validation: Labelled) -> _Columns:
        x = train.rows.whole(by_column=True)
        held_out = validation.rows.whole(by_column=True) if len(validation) else x[:0]
        # Any label will do, as long as it is one.
        pool = cb.Pool(x, np.zeros(len(x), np.float32), thread_count=self._n_threads)
        with TemporaryDirectory() as folder:
            borders = Path(folder) / "borders.tsv"
            try:
                pool.quantize(border_count=self._bins - 1)
                pool.save_quantization_borders(str(borders))
            except cb.CatBoostError as error:
                raise DataError(f"catboost cannot learn from {x.shape} rows: {error}") from error
            return _Columns(x, held_out, borders.read_text())

    def _fit_step(
        self, train: Rows, validation: Rows | None, seed: int, shared: _Columns, rounds: Rounds
    ) -> dict[str, Part]:
        booster = cb.CatBoost(
            {
                **self._objective(train),
                "iterations": self._rounds,
                "learning_rate": self._learning_rate,
                "depth": self._depth,
                "l2_leaf_reg": self._l2,
                "border_count": self._bins - 1,
                "rsm": self._columns,
                "boosting_type": "Plain",
                "bootstrap_type": "No",
                "random_strength": 0,
                "random_seed": seed,
                "thread_count": self._n_threads,
                "allow_const_label": True,
                "allow_writing_files": False,
                "logging_level": "Silent",
            }
        )
        telling = _Telling(rounds)
        try:
            booster.fit(
                self._pool(shared.train, train, shared.borders),
                eval_set=None
                if validation is None
                else self._pool(shared.validation, validation, shared.borders),
                early_stopping_rounds=None if validation is None else self._patience,
                use_best_model=validation is not None,
                callbacks=None if validation is None else [telling],
            )
        except cb.CatBoostError as error:
            raise DataError(
                f"catboost cannot learn from {len(train.y)} rows of {shared.train.shape[1]} "
                f"columns: {error}"
            ) from error
        if telling.raised is not None:
            raise telling.raised
        rounds.finish()
        scores = booster.get_evals_result()
        curve = Curve(
            *(next(iter(scores.get(n, {"": []}).values())) for n in ("learn", "validation"))
        )
        return {"trees": Part(booster, booster.tree_count_, curve)}

    def _pool(self, x: Float[np.ndarray, "N D"], rows: Rows, borders: str) -> cb.Pool:
        """Binned rows of a step with their labels; a step that has all rows copies no column."""
        if not rows.used.all():
            # Weight 0 would not do: such rows still move the penalty and the values of leaves.
            # https://github.com/catboost/catboost/issues/3005
            x = x.T[:, rows.used].T
        pool = cb.Pool(x, rows.y, weight=rows.weight, thread_count=self._n_threads)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "borders.tsv"
            path.write_text(borders)
            pool.quantize(input_borders=str(path))
        return pool

    def _predict_step(
        self, parts: dict[str, Part], x: Float[np.ndarray, "N D"]
    ) -> Float[np.ndarray, "N K"]:
        wanted = "Probability" if self.loss.name == "cross_entropy" else "RawFormulaVal"
        values: Float[np.ndarray, ...] = parts["trees"].model.predict(
            x, prediction_type=wanted, thread_count=self._n_threads
        )
        return values.reshape(len(x), -1)

    def _write_part(self, part: Part, path: Path) -> None:
        about = part.model.get_metadata()
        for name in _WHEN_AND_WHICH:
            if name in about:
                del about[name]
        part.model.save_model(str(path), format="cbm")

    def _read_part(self, path: Path) -> cb.CatBoost:
        booster = cb.CatBoost()
        try:
            booster.load_model(str(path), format="cbm")
        except cb.CatBoostError as error:
            raise SpecError(f"{path} does not hold a CatBoost booster: {error}") from error
        return booster

    def _objective(self, train: Rows) -> dict[str, Any]:
        match self.loss.name:
            case "cross_entropy":
                return {"loss_function": "MultiClass", "classes_count": int(train.y.max()) + 1}
            case "huber":
                assert isinstance(self.loss, Huber)
                return {"loss_function": f"Huber:delta={self.loss.delta}"}
            case _ if len(self.loss.levels) == 1:
                return {"loss_function": f"Quantile:alpha={self.loss.levels[0]}"}
            case _:
                levels = ",".join(str(level) for level in self.loss.levels)
                return {"loss_function": f"MultiQuantile:alpha={levels}"}
