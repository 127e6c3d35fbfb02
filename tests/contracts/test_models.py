"""What every registered model keeps, whatever it is inside.

A model is in these tests by being in the registry: a new .py and .yaml need no edit here. Each is
fitted once per task on a small real fold; the contracts share it.

Forecasts are compared bit by bit. They may not hang on the batch size, on the split, on which other
windows are forecast at the same time, or on bars that came later; networks and matrix products keep
that by working in blocks of one size in order of time. It holds on one machine with one number of
threads; across machines floats may differ in the last digits.
"""

import copy
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from regimecast.core.errors import SpecError
from regimecast.core.hashing import hash_array
from regimecast.core.types import Forecast, ForecastKind, Task
from regimecast.data.dataset import TimeSeriesDataset
from regimecast.losses.regime_weighted import RegimeWeightedLoss
from regimecast.models.base import BaseTimeSeriesModel, ModelRegistry, load_model
from regimecast.models.baseline import Baseline
from regimecast.models.neural import NeuralModel
from regimecast.training.seeding import seeded
from tests.contracts.builders import (
    CASES,
    Case,
    Edited,
    build_data,
    build_market,
    packaged,
    quick_trainer,
)
from tests.contracts.conftest import Fitted

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


def same(one: Forecast, other: Forecast) -> bool:
    return np.array_equal(one.values, other.values)


def refit(fitted: Fitted, **given: TimeSeriesDataset) -> Forecast:
    """Test forecast of a fresh model of the same seed, trained on other splits."""
    model = fitted.case.make()
    model.fit(build_data(fitted.case.task, **given), quick_trainer())
    return model.predict(fitted.data, "test")


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


def test_a_window_has_one_forecast_in_whatever_split(fitted: Fitted) -> None:
    rows = fitted.data.split("all").samples.row
    place = np.searchsorted(rows, fitted.data.split("test").samples.row)
    assert same(fitted.all.take(place), fitted.test)


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


# Masks and weights


def garbled(data: TimeSeriesDataset, value: float, *, weightless: bool) -> Edited:
    """The dataset with this value in every cell that must not count.

    The last fifth of samples has unknown targets, from the second step on if there is one; every
    seventh sample has weight 0.
    """
    target, mask = (part.copy() for part in data.targets())
    step = 1 if data.spec.horizon > 1 else 0
    mask[-len(mask) // 5 :, step:] = False
    weight = data.weight[:, 0].copy()
    if weightless:
        weight[::7] = 0.0
    target[~mask | (weight == 0)[:, None]] = value
    return Edited(data, target=target, mask=mask, weight=weight)


def test_masked_cells_and_samples_of_weight_0_do_not_count(fitted: Fitted) -> None:
    weightless = fitted.model.capabilities.sample_weight
    values = (0.0, 2.0) if fitted.case.task is Task.CLASSIFICATION else (-50.0, 7.0)
    one, other = (
        refit(
            fitted,
            train=garbled(fitted.data.split("train"), value, weightless=weightless),
            validation=garbled(fitted.data.split("validation"), value, weightless=False),
        )
        for value in values
    )
    assert same(one, other)
    assert not same(one, fitted.test)


def test_weight_2_is_two_copies(fitted: Fitted) -> None:
    """At the forecasts; for networks, whose batches would differ, at the gradient of one batch."""
    if not fitted.model.capabilities.sample_weight:
        pytest.skip("does not use weights")
    train = fitted.data.split("train")
    counts = 1 + np.arange(len(train)) % 2
    copied = np.repeat(np.arange(len(train)), counts)
    if isinstance(fitted.model, NeuralModel):
        heavy = gradient(fitted.model, Edited(train, weight=counts.astype(float)), np.arange(48))
        twice = gradient(fitted.model, train, copied[: counts[:48].sum()])
        torch.testing.assert_close(heavy, twice, rtol=1e-6, atol=1e-6)
    else:
        copies = TimeSeriesDataset(train.source, train.samples.take(copied))
        heavy_fit = refit(fitted, train=Edited(train, weight=counts.astype(float)))
        assert same(heavy_fit, refit(fitted, train=copies))


def gradient(model: NeuralModel, data: TimeSeriesDataset, positions: np.ndarray) -> torch.Tensor:
    """Gradient of the weighted sum of losses over a batch, in float64."""
    with seeded(0):
        network = model.build_network().double().eval()
    reducer = RegimeWeightedLoss(copy.deepcopy(model.loss).double())
    batch = data.gather(torch.from_numpy(positions))
    double = {k: v.double() for k, v in vars(batch).items() if v.is_floating_point()}
    batch = replace(batch, **double)
    total, _ = reducer.parts(network(batch), batch)
    parameters = [p for p in network.parameters() if p.requires_grad]
    return torch.cat([g.flatten() for g in torch.autograd.grad(total, parameters)])


# Time


@pytest.mark.parametrize("row", [60, 130, 216])
def test_forecasts_do_not_change_when_the_data_end_earlier(fitted: Fitted, row: int) -> None:
    """Data that end at t: same origins up to t, same bits."""
    end = fitted.data.market.bars.time[row]
    shorter = fitted.model.predict(fitted.data.at(fitted.data.market.until(end)), "all")
    expected = fitted.all.take(fitted.all.origin <= end)
    assert len(expected) > 0
    assert np.array_equal(shorter.origin, expected.origin)
    assert np.array_equal(shorter.asset, expected.asset)
    assert same(shorter, expected)


# Capabilities


@pytest.mark.parametrize("kind", ["past", "known", "static"])
def test_channels_are_used_as_declared(fitted: Fitted, kind: str) -> None:
    model, market = fitted.model, fitted.data.market
    turned = replace(market, **{kind: getattr(market, kind)[::-1].copy()})

    def ignores(model: BaseTimeSeriesModel) -> bool:
        other = model.predict(fitted.data.at(turned), "all")
        return same(other, model.predict(fitted.data, "all"))

    if not getattr(model.capabilities, kind):
        assert ignores(model)
    elif ignores(model):
        # Trees pass over a channel that tells them little; not over one that is the target.
        model = fitted.case.make()
        splits = {name: planted(fitted.data.split(name), kind) for name in ("train", "validation")}
        model.fit(build_data(fitted.case.task, **splits), quick_trainer())
        assert not ignores(model)


def planted(data: TimeSeriesDataset, kind: str) -> Edited:
    """The dataset with a target that one channel of a kind tells."""
    batch = data.gather(torch.arange(len(data)))
    channels = {
        "past": batch.past[:, -1, 1],
        "known": batch.known[:, -1, 0],
        "static": batch.static[:, 0],
    }
    channel = channels[kind][:, None].numpy()
    target = np.where(channel > channel.mean(), np.float32(2), np.float32(0))
    return Edited(data, target=np.repeat(target, data.spec.horizon, axis=1))


def test_unused_channels_are_named(fitted: Fitted) -> None:
    able, spec = fitted.model.capabilities, fitted.data.spec
    expected = (
        *(() if able.past else spec.past[1:]),
        *(() if able.known else spec.known),
        *(() if able.static else spec.static),
    )
    assert fitted.report.unused == fitted.model.unused == expected


@pytest.mark.parametrize("case", UNDECLARED, ids=str)
def test_a_task_that_is_not_declared_is_refused(case: Case) -> None:
    name = "quantile" if case.task is Task.FORECAST else "cross_entropy"
    params = {**packaged("model", case.name), "loss": packaged("loss", name)}
    with pytest.raises(SpecError, match=f"{case.name!r} cannot do task={case.task}"):
        ModelRegistry.create(params.pop("name"), spec=build_market(case.task).spec, **params)


def test_every_history_has_its_epochs(fitted: Fitted) -> None:
    report = fitted.report
    assert report.seconds > 0
    assert len(report.history) == report.epochs
    assert report.best_epoch is None or 0 <= report.best_epoch < report.epochs
