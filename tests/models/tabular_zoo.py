"""Every model on flat rows, small settings for it, and a fold of rows with a planted signal."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import yaml

from regimecast.core.config import config_folder
from regimecast.core.types import DataSpec, Samples, Task
from regimecast.data.datamodule import FinancialDataModule
from regimecast.data.dataset import Arrays, TimeSeriesDataset
from regimecast.models.base import BaseTimeSeriesModel, ModelRegistry
from regimecast.models.lagged import Labelled, LagTable

LENGTH, HORIZON = 8, 2
LAGS = [0, 1, 3]
LEVELS = [0.1, 0.5, 0.9]
QUANTILE = {"name": "quantile", "levels": LEVELS}
HUBER = {"name": "huber", "delta": 1.0}
CROSS_ENTROPY = {
    "name": "cross_entropy",
    "class_weights": "none",
    "gamma": 0.0,
    "label_smoothing": 0.0,
}

BOOSTERS = ("catboost", "lightgbm", "xgboost")
SKLEARN = ("extra_trees", "gradient_boosting", "logistic", "mlp", "random_forest", "svm")
BASELINES = ("drift", "historical_quantiles", "naive", "seasonal_naive")
LEARNERS = (*BOOSTERS, *SKLEARN)
SMALL: dict[str, dict[str, Any]] = {
    "catboost": {"rounds": 40, "columns": 0.8},
    "lightgbm": {"rounds": 40, "columns": 0.8, "min_leaf_rows": 20},
    "xgboost": {"rounds": 40, "columns": 0.8, "min_leaf_weight": 10.0},
    "gradient_boosting": {"rounds": 15, "learning_rate": 0.2, "min_leaf_rows": 20},
    "random_forest": {"trees": 20, "columns": 0.5, "min_leaf_share": 0.03},
    "extra_trees": {"trees": 20, "columns": 0.5, "min_leaf_share": 0.03},
    "mlp": {"hidden": [8], "learning_rate": 0.05, "epochs": 30},
    "logistic": {"l2": 0.01},
}


def defaults(name: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load(
        (config_folder() / "model" / f"{name}.yaml").read_text()
    )
    assert values.pop("name") == name
    return values


def make_spec(task: Task, classes: Sequence[int] = (-1, 0, 1)) -> DataSpec:
    forecast = task is Task.FORECAST
    return DataSpec(
        task=task,
        context_length=LENGTH,
        horizon=HORIZON if forecast else 1,
        past=("history", "signal", "noise", "constant"),
        known=(),
        static=(),
        assets=("A",),
        frequency="1D",
        bars_per_year=252.0,
        classes=() if forecast else tuple(classes),
    )


def loss_of(name: str, task: Task) -> dict[str, Any]:
    if task is Task.CLASSIFICATION:
        return CROSS_ENTROPY
    return HUBER if name == "mlp" else QUANTILE


def make(name: str, task: Task, loss: dict[str, Any] | None = None, **changes: Any) -> Any:
    params = {**defaults(name), **SMALL.get(name, {})}
    if name in LEARNERS:
        params["lags"] = LAGS
    return ModelRegistry.create(
        name, spec=make_spec(task), loss=loss or loss_of(name, task), **{**params, **changes}
    )


def able(name: str, task: Task) -> bool:
    model: type[BaseTimeSeriesModel] = ModelRegistry.get(name)
    return task in model.capabilities.tasks


class Table(TimeSeriesDataset):
    """Windows and labels kept as arrays, so that a test can change any of them."""

    def __init__(
        self, spec: DataSpec, past: np.ndarray, arrays: Arrays, row: np.ndarray | None = None
    ) -> None:
        self._spec, self.past, self.labels = spec, past, arrays
        index = np.arange(len(past)) if row is None else row
        time = np.datetime64("2020-01-01", "ns") + index * np.timedelta64(1, "D")
        self.samples = Samples(index, np.zeros_like(index), time, time, time, index)

    @property
    def spec(self) -> DataSpec:
        return self._spec

    def __len__(self) -> int:
        return len(self.past)

    @property
    def scale(self) -> np.ndarray:
        return self.labels.scale

    @property
    def weight(self) -> np.ndarray:
        return self.labels.weight

    def targets(self) -> tuple[np.ndarray, np.ndarray]:
        return self.labels.target, self.labels.mask

    def rows(self, lags: Sequence[int], positions: np.ndarray) -> np.ndarray:
        columns = self.past[positions][:, [LENGTH - 1 - lag for lag in lags]]
        return columns.reshape(len(columns), len(lags) * columns.shape[2])

    def labelled(self, lags: Sequence[int]) -> Labelled:
        rows = LagTable(self, lags, np.arange(len(self)), coded=False)
        return Labelled(rows, *self.targets(), self.weight)

    def change(self, **fields: np.ndarray) -> "Table":
        return Table(self._spec, self.past, replace(self.labels, **fields), self.samples.row)

    def take(self, index: np.ndarray) -> "Table":
        rows = self.labels
        return Table(
            self._spec,
            self.past[index],
            Arrays(
                rows.x[index],
                rows.names,
                rows.target[index],
                rows.mask[index],
                rows.weight[index],
                rows.scale[index],
            ),
            self.samples.row[index],
        )


class TableData(FinancialDataModule):
    def __init__(self, spec: DataSpec, tables: dict[str, Table]) -> None:
        self._spec, self.tables = spec, tables

    @property
    def spec(self) -> DataSpec:
        return self._spec

    def split(self, name: str) -> Table:
        return self.tables[name]

    def having(self, **tables: Table) -> "TableData":
        return TableData(self._spec, {**self.tables, **tables})


def make_table(task: Task, n: int, seed: int) -> Table:
    spec = make_spec(task)
    generator = np.random.default_rng(seed)
    past = generator.standard_normal((n, LENGTH, 4)).astype(np.float32)
    past[:, :, 0] = past[:, :, 0].cumsum(axis=1)
    past[:, :, 0] -= past[:, -1:, 0]
    past[:, :, 3] = 1.0
    steps = 1.2 * past[:, -1, 1:2] + generator.standard_normal((n, spec.horizon))
    target = steps.cumsum(axis=1).astype(np.float32)
    if task is Task.CLASSIFICATION:
        target = np.digitize(target, [-0.7, 0.7]).astype(np.float32)
    return Table(
        spec,
        past,
        Arrays(
            np.empty((n, 0), np.float32),
            (),
            target,
            np.ones((n, spec.horizon), bool),
            np.ones((n, spec.horizon), np.float32),
            generator.uniform(0.5, 2.0, (n, 1)).astype(np.float32),
        ),
    )


def make_data(task: Task, *, train: int = 300, validation: int = 120, test: int = 150) -> TableData:
    sizes = {"train": train, "validation": validation, "test": test}
    tables = {name: make_table(task, n, seed) for seed, (name, n) in enumerate(sizes.items())}
    return TableData(make_spec(task), tables)


def loss_value(model: BaseTimeSeriesModel, data: TableData, split: str = "test") -> float:
    """Mean pinball loss in units of the scale, or mean cross-entropy."""
    rows = data.split(split).labels
    values = model.predict(data, split).values
    if model.spec.task is Task.CLASSIFICATION:
        true = np.take_along_axis(values[:, 0], rows.target.astype(int), axis=1)
        return float(-np.log(np.maximum(true, 1e-9)).mean())
    error = rows.target[..., None] - values / rows.scale[..., None]
    level = np.array(model.loss.levels)
    return float(np.maximum(level * error, (level - 1) * error).mean())
