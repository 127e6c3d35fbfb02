"""Forests of scikit-learn that forecast whole distributions (quantile regression forests)."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, no_type_check

import numba
import numpy as np
from jaxtyping import Float, Int
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from regimecast.core.errors import ConfigError, DataError, SpecError
from regimecast.core.files import atomic_path, read_json, write_json
from regimecast.core.types import DataSpec, ForecastKind
from regimecast.models.lagged import Labelled
from regimecast.models.sklearn import able, check_nodes, read_skops, write_skops
from regimecast.models.tabular import TabularModel, rows_of_step
from regimecast.training.progress import Reports
from regimecast.training.report import FitReport

__all__ = ["ForestModel", "forest_quantiles"]

_FOREST = "forest.skops"
_LEAVES = "leaves.safetensors"
_SEEN = "seen.json"
_TRUSTED = ("sklearn.tree._tree.Tree",)


class ForestModel(TabularModel):
    """Averaged trees; a forecast is the distribution of the training targets in the row's leaves.

    A training row counts in a forecast with the mean over trees of its share of weight in the leaf
    that the new row falls into (Meinshausen 2006, "Quantile Regression Forests", JMLR 7, equation
    5). One forest, grown on rows with every step known, serves all steps; rows with only some steps
    known still count at those. ``huber`` asks for the single level 0.5, the median.

    Args:
        spec: see `TabularModel`.
        loss: ``quantile``, ``huber`` or ``cross_entropy``.
        lags: see `TabularModel`.
        trees: number of trees.
        min_leaf_share: least share of the training weight in a leaf, in (0, 0.5].
        columns: share of the columns tried at each split.
        n_threads: threads; any number gives the same bits.

    Raises:
        ConfigError: a parameter is outside its range.
    """

    capabilities = able("quantile", "huber", "cross_entropy")

    def __init__(
        self,
        *,
        spec: DataSpec,
        loss: Mapping[str, Any],
        lags: Sequence[int],
        trees: int,
        min_leaf_share: float,
        columns: float,
        n_threads: int,
    ) -> None:
        super().__init__(spec=spec, loss=loss, lags=lags)
        if trees < 1 or n_threads < 1:
            raise ConfigError(f"model.trees={trees} and n_threads={n_threads} must be at least 1")
        if not 0 < min_leaf_share <= 0.5 or not 0 < columns <= 1:
            raise ConfigError(
                f"model.min_leaf_share={min_leaf_share} must be in (0, 0.5] and "
                f"columns={columns} in (0, 1]"
            )
        self._settings = {
            "n_estimators": trees,
            "min_weight_fraction_leaf": min_leaf_share,
            "max_features": columns,
            "n_jobs": n_threads,
        }
        self._forest: Any = None
        self._leaves: dict[str, Any] = {}
        self._seen: list[int] = []

    @abstractmethod
    def _estimator(self, settings: Mapping[str, Any]) -> Any:
        """A fresh regressor for quantiles or classifier for classes."""

    def _learn(
        self, train: Labelled, validation: Labelled, seed: int, reports: Reports | None
    ) -> FitReport:
        forest = self._estimator({**self._settings, "random_state": seed})
        self._leaves, self._seen = {}, []
        if self.loss.kind is ForecastKind.PROBABILITIES:
            rows = rows_of_step(train, 0)
            forest.fit(rows.x, rows.y, sample_weight=rows.weight)
            self._seen = [int(index) for index in forest.classes_]
        else:
            weight = np.where(train.mask, train.weight, 0).astype(np.float64)
            whole = train.mask.all(axis=1) & (weight.sum(axis=1) > 0)
            if not whole.any():
                raise DataError(
                    f"model {self.name!r}: none of {len(whole)} training rows has every step known"
                )
            row_weight = weight[whole].mean(axis=1)
            target = train.target[whole]
            forest.fit(
                train.x if whole.all() else train.x[whole],
                target[:, 0] if self.spec.horizon == 1 else target,
                sample_weight=row_weight / row_weight.mean(),
            )
            self._leaves = {
                "leaf": forest.apply(train.x).astype(np.int32),
                "target": train.target,
                "weight": weight,
            }
        # Threads add probabilities up in any order; one gives the same bits every time.
        self._forest = forest.set_params(n_jobs=1)
        return FitReport(seconds=0.0)

    def _decode(self, x: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N H Q"]:
        forest = self._trained()
        if self.loss.kind is ForecastKind.PROBABILITIES:
            decoded = np.zeros((len(x), 1, len(self.loss.levels)))
            decoded[:, 0, self._seen] = forest.predict_proba(x)
            return decoded
        leaf, target, weight = (self._leaves[key] for key in ("leaf", "target", "weight"))
        found = forest.apply(x).astype(np.int32)
        steps = [
            forest_quantiles(leaf, target[:, h], weight[:, h], found, np.array(self.loss.levels))
            for h in range(self.spec.horizon)
        ]
        return np.stack(steps, axis=1)

    def _save_state(self, folder: Path) -> None:
        with atomic_path(folder / _FOREST) as path:
            write_skops(self._trained(), path)
        with atomic_path(folder / _LEAVES) as path:
            save_file({k: np.ascontiguousarray(v) for k, v in self._leaves.items()}, path)
        write_json(folder / _SEEN, self._seen)

    def _load_state(self, folder: Path) -> None:
        try:
            self._forest = read_skops(
                folder / _FOREST, trusted=_TRUSTED, kinds=(type(self._estimator(self._settings)),)
            )
            self._leaves = load_file(folder / _LEAVES)
            self._seen = read_json(folder / _SEEN)
            self._check_read()
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise SpecError(
                f"{folder} does not hold the forest of {self.name!r}: {error}"
            ) from error

    def _check_read(self) -> None:
        """Raises `SpecError` where what was read would lead outside its arrays."""
        for estimator in self._forest.estimators_:
            tree = estimator.tree_
            if tree.node_count > tree.capacity:
                raise SpecError(f"a saved tree has {tree.node_count} nodes of {tree.capacity}")
            split = np.flatnonzero((tree.children_left != -1) | (tree.children_right != -1))
            check_nodes(
                split,
                tree.children_left[split].astype(np.int64),
                tree.children_right[split].astype(np.int64),
                tree.feature[split].astype(np.int64),
                nodes=tree.node_count,
                columns=self._forest.n_features_in_,
            )
        if self.loss.kind is ForecastKind.QUANTILES:
            rows, trees = self._leaves["leaf"].shape
            shapes = {self._leaves[key].shape for key in ("target", "weight")}
            if (
                shapes != {(rows, self.spec.horizon)}
                or trees != len(self._forest.estimators_)
                or self._leaves["leaf"].min() < 0
            ):
                raise SpecError("the saved leaves do not fit the saved forest")

    def _trained(self) -> Any:
        if self._forest is None:
            raise SpecError(f"model {self.name!r} is not trained: call fit or load first")
        return self._forest


def forest_quantiles(
    leaf: Int[np.ndarray, "M T"],
    target: Float[np.ndarray, " M"],
    weight: Float[np.ndarray, " M"],
    found: Int[np.ndarray, "N T"],
    levels: Float[np.ndarray, " Q"],
) -> Float[np.ndarray, "N Q"]:
    """Quantiles of the training targets that share leaves with each new row.

    Args:
        leaf: leaf of each training row in each tree.
        target: training targets.
        weight: training weights; 0 leaves a row out.
        found: leaf of each new row in each tree.
        levels: quantile levels, ascending.
    """
    order = np.argsort(target, kind="stable")
    order = order[weight[order] > 0]
    trees = leaf.shape[1]
    # Leaves numbered through all trees, and the rows in each, lowest target first.
    first = np.concatenate([[0], np.cumsum(np.maximum(leaf.max(0), found.max(0)) + 1)])
    numbered = (leaf[order] + first[:-1]).T.ravel()
    members = np.tile(np.arange(len(order)), trees)[np.argsort(numbered, kind="stable")]
    start = np.searchsorted(np.sort(numbered), np.arange(first[-1] + 1))
    mass = np.bincount(numbered, weights=np.tile(weight[order], trees), minlength=first[-1])
    return _walk(
        found + first[:-1],
        start,
        members,
        mass,
        target[order].astype(np.float64),
        weight[order],
        levels,
    )


@numba.njit(cache=True)
@no_type_check
def _walk(
    found: Int[np.ndarray, "N T"],
    start: Int[np.ndarray, " G_plus_1"],
    members: Int[np.ndarray, " E"],
    mass: Float[np.ndarray, " G"],
    target: Float[np.ndarray, " M"],
    weight: Float[np.ndarray, " M"],
    levels: Float[np.ndarray, " Q"],
) -> Float[np.ndarray, "N Q"]:
    result = np.empty((len(found), len(levels)))
    share = np.empty(len(target))
    for row in range(len(found)):
        share[:] = 0.0
        total = 0.0
        for leaf in found[row]:
            if mass[leaf] > 0:
                total += 1.0
                for k in range(start[leaf], start[leaf + 1]):
                    share[members[k]] += weight[members[k]] / mass[leaf]
        reached = 0.0
        q = 0
        for m in range(len(target)):
            reached += share[m]
            while q < len(levels) and reached >= levels[q] * total * (1 - 1e-12):
                result[row, q] = target[m]
                q += 1
            if q == len(levels):
                break
        for rest in range(q, len(levels)):
            result[row, rest] = target[-1]
    return result
