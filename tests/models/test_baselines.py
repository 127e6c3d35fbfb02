"""Naive forecasts against their formulas."""

import numpy as np
import pytest
from scipy.stats import norm
from tabular_zoo import BASELINES, LENGTH, LEVELS, QUANTILE, make, make_data, make_table

from regimecast.core.errors import ConfigError, SpecError
from regimecast.core.types import Task

FORECAST, CLASSES = Task.FORECAST, Task.CLASSIFICATION


def fitted(name, data, **params):
    model = make(name, data.spec.task, **params)
    model.fit(data)
    return model


def scaled(model, data):
    return model.predict(data, "test").values / data.tables["test"].labels.scale[:, :, None]


def weighted(data, seed=3):
    train = data.tables["train"]
    weight = np.random.default_rng(seed).uniform(0.1, 3, train.labels.weight.shape)
    mask = np.random.default_rng(seed).random(train.labels.mask.shape) < 0.8
    return data.having(train=train.change(weight=weight.astype(np.float32), mask=mask))


def test_naive_is_the_random_walk_with_a_band_learnt_per_step():
    data = weighted(make_data(FORECAST))
    rows = data.tables["train"].labels
    values = scaled(fitted("naive", data), data)
    weight = rows.weight * rows.mask
    deviation = np.sqrt((weight * rows.target**2).sum(0) / weight.sum(0))
    expected = deviation[:, None] * norm.ppf(LEVELS)
    np.testing.assert_allclose(values, np.tile(expected, (150, 1, 1)), rtol=1e-5, atol=1e-7)


def test_a_random_walk_has_a_band_of_the_square_root_of_the_step():
    data = make_data(FORECAST)
    train = make_table(FORECAST, 20_000, 9)
    steps = np.random.default_rng(0).standard_normal((20_000, 2))
    train = train.change(target=steps.cumsum(axis=1).astype(np.float32))
    values = scaled(fitted("naive", data.having(train=train)), data)
    np.testing.assert_allclose(values[0, :, 2], norm.ppf(0.9) * np.sqrt([1, 2]), rtol=0.03)


def test_drift_adds_the_weighted_mean_of_every_step():
    data = weighted(make_data(FORECAST))
    train = data.tables["train"]
    data = data.having(train=train.change(target=train.labels.target + np.float32([0.5, 1.0])))
    rows = data.tables["train"].labels
    weight = rows.weight * rows.mask
    drift = (weight * rows.target).sum(0) / weight.sum(0)
    values = scaled(fitted("drift", data), data)
    np.testing.assert_allclose(values[:, :, 1], np.tile(drift, (150, 1)), rtol=1e-4)


@pytest.mark.parametrize("season", range(1, LENGTH))
def test_seasonal_naive_repeats_the_changes_of_the_season(season):
    data = make_data(FORECAST)
    values = scaled(fitted("seasonal_naive", data, season=season), data)
    history = data.tables["test"].past[:, :, 0].astype(np.float64)
    for row in range(3):
        path = list(history[row])
        for step in range(2):
            path.append(path[-1] + path[len(path) - season] - path[len(path) - season - 1])
            assert values[row, step, 1] == pytest.approx(path[-1], abs=1e-5)


@pytest.mark.parametrize("season", [0, LENGTH])
def test_a_season_must_fit_the_context(season):
    with pytest.raises(ConfigError, match=f"1 to {LENGTH - 1}"):
        make("seasonal_naive", FORECAST, season=season)


def test_seasonal_naive_forecasts_no_classes():
    with pytest.raises(SpecError, match="cannot do task=classification"):
        make("seasonal_naive", CLASSES)


def test_historical_quantiles_are_those_of_training_per_step():
    data = make_data(FORECAST)
    values = scaled(fitted("historical_quantiles", data), data)
    target = data.tables["train"].labels.target
    expected = np.quantile(target, LEVELS, axis=0, method="inverted_cdf").T
    np.testing.assert_allclose(values, np.tile(expected, (150, 1, 1)), rtol=1e-5)


@pytest.mark.parametrize("name", ["naive", "drift", "historical_quantiles"])
def test_classes_have_their_weighted_share(name):
    data = make_data(CLASSES)
    train = data.tables["train"]
    weight = np.random.default_rng(0).uniform(0.1, 3, train.labels.weight.shape).astype(np.float32)
    data = data.having(train=train.change(weight=weight))
    values = fitted(name, data).predict(data, "test").values
    share = [weight[train.labels.target == index].sum() / weight.sum() for index in range(3)]
    np.testing.assert_allclose(values[:, 0], np.tile(share, (150, 1)), rtol=1e-5)


@pytest.mark.parametrize("name", BASELINES)
def test_any_loss_with_levels_will_do(name):
    data = make_data(FORECAST)
    student = make(name, FORECAST, loss={"name": "student_t", "levels": LEVELS})
    student.fit(data)
    np.testing.assert_array_equal(
        student.predict(data, "test").values,
        fitted(name, data, loss=QUANTILE).predict(data, "test").values,
    )


@pytest.mark.parametrize("name", BASELINES)
def test_only_the_history_is_used(name):
    data = make_data(FORECAST)
    model = make(name, FORECAST)
    report = model.fit(data)
    assert report.unused == ("signal", "noise", "constant")
    expected = model.predict(data, "test").values
    data.tables["test"].past[:, :, 1:] = 9.0
    np.testing.assert_array_equal(model.predict(data, "test").values, expected)
