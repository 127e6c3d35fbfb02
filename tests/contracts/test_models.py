"""What every registered model keeps, whatever it is inside.

A model is in these tests by being in the registry: a new .py and .yaml need no edit here. Each is
fitted once per task on a small real fold; the contracts share it.

Forecasts are compared bit by bit, on one machine with one number of threads. They may not hang on
the batch size of training or on bars that came later: networks and matrix products work in blocks
of one size, networks in order of time, so that later bars change neither the block that a window is
in nor its place there. Only where other windows come before it, as in another split, may a forecast
differ by rounding, since libraries multiply matrices by where they lie in memory.
"""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from regimecast.core.errors import SpecError
from regimecast.core.hashing import hash_array
from regimecast.core.types import ForecastKind, Task
from regimecast.data.dataset import TimeSeriesDataset
from regimecast.models.base import ModelRegistry, load_model
from regimecast.models.baseline import Baseline
from tests.contracts.builders import (
    CASES,
    Case,
    build_data,
    build_market,
    packaged,
    quick_trainer,
)
from tests.contracts.fitting import Fitted, refit, same

LEARNERS = [case for case in CASES if not issubclass(case.kind, Baseline)]
"""Baselines declare themselves by their base class: they take a few numbers from training."""

UNDECLARED = [
    Case(name, task)
    for name in ModelRegistry.available()
    for task in sorted(set(Task) - ModelRegistry.get(name).capabilities.tasks)
]

OVERFIT: dict[str, Any] = {
    "rounds": 100,
    "learning_rate": 0.1,
    "columns": 1.0,
    "l2": 1e-4,
    "min_leaf_rows": 1,
    "min_leaf_weight": 1e-3,
    "min_leaf_share": 1e-6,
    "patience": 100,
    "epochs": 200,
}
"""Room to learn a batch by heart, by the parameter's name; dropout is off besides."""


# Shapes


def test_one_finite_forecast_for_every_window(fitted: Fitted) -> None:
    forecast, model, spec = fitted.test, fitted.model, fitted.data.spec
    samples = fitted.data.split("test").samples
    assert forecast.values.shape == (len(samples), spec.horizon, len(model.loss.levels))
    assert forecast.values.dtype == np.float32
    assert np.isfinite(forecast.values).all()
    assert forecast.levels == model.loss.levels
    assert forecast.kind is model.loss.kind
    assert forecast.assets == spec.assets
    assert np.array_equal(forecast.asset, samples.asset)
    assert np.array_equal(forecast.origin, samples.origin)
    if forecast.kind is ForecastKind.QUANTILES:
        assert list(forecast.levels) == sorted(forecast.levels)
        assert (np.diff(forecast.values, axis=2) >= 0).all()
    else:
        assert forecast.levels == spec.classes
        assert (forecast.values >= 0).all()
        np.testing.assert_allclose(forecast.values.sum(axis=2), 1, atol=1e-5)


def test_quantiles_are_in_original_units(fitted: Fitted) -> None:
    """As wide as returns are, about 1 % a day, and not as wide as multiples of volatility."""
    if fitted.case.task is Task.FORECAST and len(fitted.test.levels) > 1:
        width = fitted.test.values[:, :, -1] - fitted.test.values[:, :, 0]
        assert 0.001 < np.median(width) < 0.2


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_the_batch_size_does_not_matter(fitted: Fitted, batch_size: int) -> None:
    data = build_data(fitted.case.task, batch_size=batch_size)
    assert same(fitted.model.predict(data, "test"), fitted.test)


def test_a_window_has_one_forecast_in_whatever_company(fitted: Fitted) -> None:
    """Up to rounding: among all windows, among those of a split, and alone as in daily use."""
    test, rows = fitted.data.split("test"), fitted.data.split("all").samples.row
    among_all = fitted.all.take(np.searchsorted(rows, test.samples.row))
    np.testing.assert_allclose(among_all.values, fitted.test.values, rtol=1e-4, atol=1e-6)
    single = TimeSeriesDataset(test.source, test.samples.take(np.array([-1])))
    alone = fitted.model.predict(build_data(fitted.case.task, test=single), "test")
    np.testing.assert_allclose(alone.values, fitted.test.values[-1:], rtol=1e-4, atol=1e-6)


def test_an_empty_split_has_an_empty_forecast(fitted: Fitted) -> None:
    test = fitted.data.split("test")
    nothing = TimeSeriesDataset(test.source, test.samples.take(np.arange(0)))
    forecast = fitted.model.predict(build_data(fitted.case.task, test=nothing), "test")
    assert forecast.values.shape == (0, *fitted.test.values.shape[1:])


# Learning


def score(forecast: np.ndarray, levels: tuple[float, ...], target: np.ndarray) -> float:
    """Mean pinball loss, or cross-entropy of class indices."""
    if target.dtype == np.int64:
        true = np.take_along_axis(forecast, target[:, :, None], axis=2)
        return float(-np.log(np.maximum(true, 1e-6)).mean())
    error = target[:, :, None] - forecast
    return float(np.maximum(np.array(levels) * error, (np.array(levels) - 1) * error).mean())


@pytest.mark.parametrize("case", LEARNERS, ids=str)
def test_it_learns_one_batch(case: Case) -> None:
    """Its loss on 16 windows it trained on is below 0.8 of that of the best constant.

    Most come below 0.3; a straight line through 16 bars is left with about half.
    """
    train = build_data(case.task).split("train")
    windows = train.samples.take(np.linspace(0, len(train) - 1, 16).astype(int))
    batch = TimeSeriesDataset(train.source, windows)
    # One epoch of many steps: an epoch has costs of its own.
    often = TimeSeriesDataset(train.source, windows.take(np.tile(np.arange(16), 100)))
    data = build_data(case.task, batch_size=16, train=often, validation=batch, test=batch)
    model = case.make(OVERFIT | {key: 0.0 for key in case.params if "dropout" in key})
    model.fit(data, quick_trainer(epochs=1))
    said, levels = model.predict(data, "test").values, model.loss.levels
    target, _ = batch.targets()
    if case.task is Task.CLASSIFICATION:
        target = target.astype(np.int64)
        constant = np.bincount(target[:, 0], minlength=len(levels)) / len(target)
    else:
        said = said / batch.scale[:, :, None]
        constant = np.quantile(target, levels, axis=0, method="inverted_cdf").T
    best = score(np.broadcast_to(constant, said.shape), levels, target)
    assert score(said, levels, target) < 0.8 * best


# Determinism


def test_the_seed_decides_and_nothing_else_does(fitted: Fitted) -> None:
    """A process that drew random numbers before gives the same bits and keeps its own state."""
    random.seed(123)
    np.random.seed(456)  # noqa: NPY002  # the global state is what must not matter
    torch.manual_seed(789)

    def state() -> list[Any]:
        # Not Python's own: the tests' type checker draws from it.
        numpy_state = np.random.get_state()[1]  # noqa: NPY002  # as above
        return [numpy_state.tolist(), torch.get_rng_state().tolist()]

    before = state()
    assert same(refit(fitted), fitted.test)
    assert state() == before


# Saving


def test_a_saved_model_says_the_same(
    fitted: Fitted, reload: Callable[[Case, Path], str], tmp_path: Path
) -> None:
    fitted.model.save(tmp_path)
    loaded = load_model(tmp_path, spec=fitted.data.spec)
    assert type(loaded) is type(fitted.model)
    assert same(loaded.predict(fitted.data, "test"), fitted.test)
    assert reload(fitted.case, tmp_path) == hash_array(fitted.test.values)
    loaded.save(tmp_path / "again")
    for path in sorted((tmp_path / "again").iterdir()):
        assert path.suffix not in {".pkl", ".pickle", ".pt", ".ckpt", ".joblib"}
        assert (tmp_path / path.name).exists()


# Reports and refusals


def test_every_history_has_its_epochs(fitted: Fitted) -> None:
    report = fitted.report
    assert report.seconds > 0
    assert len(report.history) == report.epochs
    assert report.best_epoch is None or 0 <= report.best_epoch < report.epochs


@pytest.mark.parametrize("case", UNDECLARED, ids=str)
def test_a_task_that_is_not_declared_is_refused(case: Case) -> None:
    name = "quantile" if case.task is Task.FORECAST else "cross_entropy"
    params = {**packaged("model", case.name), "loss": packaged("loss", name)}
    with pytest.raises(SpecError, match=f"{case.name!r} cannot do task={case.task}"):
        ModelRegistry.create(params.pop("name"), spec=build_market(case.task).spec, **params)
