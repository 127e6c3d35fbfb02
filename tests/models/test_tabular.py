"""Laws that every model on flat rows keeps, whatever library is behind it."""

import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabular_zoo import (
    BASELINES,
    CROSS_ENTROPY,
    LEARNERS,
    LENGTH,
    LEVELS,
    QUANTILE,
    able,
    defaults,
    loss_value,
    make,
    make_data,
    make_table,
)

from regimecast.core.errors import ConfigError, DataError, SpecError
from regimecast.core.types import ForecastKind, Task
from regimecast.models.base import ModelRegistry, load_model
from regimecast.models.tabular import merge_copies, rows_of_step, weighted_quantiles

ALL = (*LEARNERS, *BASELINES)
CASES = [(name, task) for name in ALL for task in Task if able(name, task)]
LEARNING = [case for case in CASES if case[0] in LEARNERS]
CLASSES = Task.CLASSIFICATION


def by_name(cases):
    return pytest.mark.parametrize(("name", "task"), cases, ids=lambda value: str(value))


@pytest.mark.parametrize("name", ALL)
def test_the_yaml_holds_every_parameter(name):
    parameters = set(ModelRegistry.parameters(name)) - {"spec", "loss"}
    assert set(defaults(name)) == parameters


@by_name(CASES)
def test_a_forecast_has_the_shape_and_order_of_the_split(name, task):
    data = make_data(task)
    model = make(name, task)
    report = model.fit(data)
    forecast = model.predict(data, "test")
    assert report.seconds > 0
    assert forecast.values.shape == (150, model.spec.horizon, len(model.loss.levels))
    assert forecast.levels == model.loss.levels
    assert np.isfinite(forecast.values).all()
    if task is CLASSES:
        assert forecast.kind is ForecastKind.PROBABILITIES
        np.testing.assert_allclose(forecast.values.sum(axis=2), 1, rtol=1e-5)
    else:
        assert (np.diff(forecast.values, axis=2) >= 0).all()
    order = np.random.default_rng(0).permutation(150)
    shuffled = data.having(test=data.tables["test"].take(order))
    np.testing.assert_array_equal(model.predict(shuffled, "test").values, forecast.values[order])
    empty = data.having(test=data.tables["test"].take(order[:0]))
    assert model.predict(empty, "test").values.shape == (0, *forecast.values.shape[1:])


@by_name(LEARNING)
def test_a_planted_signal_is_learnt(name, task):
    data = make_data(task)
    model, naive = (
        make(name, task),
        make("historical_quantiles", task, loss=make(name, task).loss_config),
    )
    model.fit(data)
    naive.fit(data)
    assert loss_value(model, data) < 0.9 * loss_value(naive, data)


@by_name(CASES)
def test_weight_k_is_k_copies_and_a_common_factor_nothing(name, task):
    data = make_data(task, train=120, validation=60)
    train = data.tables["train"]
    copies = np.random.default_rng(5).integers(0, 4, 120)
    horizon = train.labels.target.shape[1]
    weight = np.repeat(copies[:, None], horizon, axis=1).astype(np.float32)
    repeated = train.take(np.repeat(np.arange(120), copies))
    shuffled_in = train.take(np.concatenate([np.flatnonzero(copies >= k) for k in (1, 2, 3)]))
    forecasts = []
    for table in (train.change(weight=weight), repeated, train.change(weight=8 * weight)):
        model = make(name, task)
        model.fit(data.having(train=table))
        forecasts.append(model.predict(data, "test").values)
    np.testing.assert_allclose(forecasts[1], forecasts[0], rtol=1e-6)
    np.testing.assert_allclose(forecasts[2], forecasts[0], rtol=1e-6)
    model.fit(data.having(train=shuffled_in))
    if name in BASELINES:
        np.testing.assert_allclose(model.predict(data, "test").values, forecasts[0], rtol=1e-6)
    plain = make(name, task)
    plain.fit(data)
    if not (name in BASELINES and name == "naive"):
        assert not np.allclose(plain.predict(data, "test").values, forecasts[0], rtol=1e-6)


@by_name(CASES)
def test_the_same_seed_gives_the_same_bits(name, task):
    data = make_data(task, train=150)
    first, second = make(name, task), make(name, task)
    first.fit(data)
    second.fit(make_data(task, train=150))
    expected = first.predict(data, "test").values
    np.testing.assert_array_equal(second.predict(data, "test").values, expected)
    first.fit(data)
    np.testing.assert_array_equal(first.predict(data, "test").values, expected)


@by_name(CASES)
def test_masked_cells_never_train(name, task):
    data = make_data(task, train=150, validation=60)
    forecasts = []
    for junk in (0.0, 2.0):
        tables = {}
        for split in ("train", "validation"):
            table = data.tables[split]
            mask = np.ones_like(table.labels.mask)
            mask[::7, -1] = False
            target = np.where(mask, table.labels.target, np.float32(junk))
            tables[split] = table.change(mask=mask, target=target)
        model = make(name, task)
        model.fit(data.having(**tables))
        forecasts.append(model.predict(data, "test").values)
    np.testing.assert_array_equal(forecasts[0], forecasts[1])


@pytest.mark.parametrize("name", [name for name, task in CASES if task is CLASSES])
def test_a_class_that_never_occurs_keeps_its_place(name):
    data = make_data(CLASSES)
    train = data.tables["train"]
    two = train.take(np.flatnonzero(train.labels.target[:, 0] != 1))
    model = make(name, CLASSES)
    model.fit(data.having(train=two))
    values = model.predict(data, "test").values[:, 0]
    assert (values[:, 1] == 0).all()
    assert (values[:, [0, 2]] > 0).any(axis=0).all()
    np.testing.assert_allclose(values.sum(axis=1), 1, rtol=1e-5)

    one = train.take(np.flatnonzero(train.labels.target[:, 0] == 2))
    model.fit(data.having(train=one))
    np.testing.assert_array_equal(
        model.predict(data, "test").values[:, 0], np.tile([0.0, 0.0, 1.0], (150, 1))
    )


@by_name(CASES)
def test_training_works_without_validation(name, task):
    data = make_data(task, train=150)
    model = make(name, task)
    report = model.fit(data.having(validation=data.tables["validation"].take(np.arange(0))))
    assert np.isfinite(model.predict(data, "test").values).all()
    assert report.best_score is None


@by_name(CASES)
def test_nothing_to_train_on_is_an_error_that_says_so(name, task):
    data = make_data(task, train=30)
    train = data.tables["train"]
    masked = data.having(train=train.change(mask=np.zeros_like(train.labels.mask)))
    with pytest.raises(DataError, match="none of"):
        make(name, task).fit(masked)


@pytest.mark.parametrize("name", ALL)
def test_an_untrained_model_says_so(name, tmp_path):
    task = next(task for other, task in CASES if other == name)
    with pytest.raises(SpecError, match="not trained"):
        make(name, task).predict(make_data(task), "test")
    with pytest.raises(SpecError, match="not trained"):
        make(name, task).save(tmp_path)


def test_a_new_process_forecasts_the_same(tmp_path):
    for name, task in CASES:
        data = make_data(task, train=100)
        model = make(name, task)
        model.fit(data)
        folder = tmp_path / f"{name}-{task}"
        model.save(folder)
        np.save(folder / "expected.npy", model.predict(data, "test").values)
        loaded = load_model(folder, spec=data.spec)
        assert type(loaded) is type(model)
        assert not [path for path in folder.rglob("*") if path.suffix in {".pkl", ".pickle"}]
    code = """
import sys
from pathlib import Path
import numpy as np
from tabular_zoo import make_data
from regimecast.core.types import Task
from regimecast.models.base import load_model
for folder in sorted(Path(sys.argv[1]).iterdir()):
    model = load_model(folder)
    values = model.predict(make_data(model.spec.task, train=100), "test").values
    np.testing.assert_array_equal(values, np.load(folder / "expected.npy"), err_msg=folder.name)
print("same")
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "same\n", done.stderr


@by_name(CASES)
def test_a_damaged_folder_is_a_spec_error(name, task, tmp_path):
    model = make(name, task)
    model.fit(make_data(task, train=100))
    model.save(tmp_path)
    for path in tmp_path.iterdir():
        if path.name != "model.json":
            path.unlink()
    with pytest.raises(SpecError, match=name):
        load_model(tmp_path)


@pytest.mark.parametrize("name", LEARNERS)
def test_losses_that_only_gradients_can_train_are_refused(name):
    student = {"name": "student_t", "levels": LEVELS}
    sharpe = {"name": "sharpe", "risk_aversion": 0.1, "cost_bps": 1.0}
    for loss in (student, sharpe):
        with pytest.raises(SpecError, match=name):
            make(name, Task.FORECAST, loss=loss)
    for key in ("gamma", "label_smoothing"):
        with pytest.raises(SpecError, match=rf"loss\.{key}=0\.5"):
            make(name, CLASSES, loss={**CROSS_ENTROPY, key: 0.5})


@pytest.mark.parametrize("name", ["logistic", "svm"])
def test_classifiers_refuse_a_forecast(name):
    with pytest.raises(SpecError, match="cannot do task=forecast"):
        make(name, Task.FORECAST, loss=QUANTILE)


@pytest.mark.parametrize("name", [name for name, task in LEARNING if task is CLASSES])
def test_balanced_class_weights_lift_the_rare_class(name):
    data = make_data(CLASSES)
    train = data.tables["train"]
    rare = np.flatnonzero(train.labels.target[:, 0] == 0)[:20]
    common = np.flatnonzero(train.labels.target[:, 0] != 0)
    data = data.having(train=train.take(np.sort(np.concatenate([rare, common]))))
    shares = []
    for class_weights in ("none", "balanced"):
        model = make(name, CLASSES, loss={**CROSS_ENTROPY, "class_weights": class_weights})
        model.fit(data.having(validation=data.tables["validation"].take(np.arange(0))))
        shares.append(model.predict(data, "test").values[:, 0, 0].mean())
    assert shares[1] > shares[0]


@pytest.mark.parametrize("name", LEARNERS)
def test_lags(name):
    task = CLASSES
    with pytest.raises(ConfigError, match="without repeats"):
        make(name, task, lags=[0, 0])
    with pytest.raises(ConfigError, match="0 or more"):
        make(name, task, lags=[-1])
    with pytest.raises(SpecError, match=f"allowed 0 to {LENGTH - 1}"):
        make(name, task, lags=[LENGTH, 100])
    assert make(name, task, lags=[0, 2, LENGTH]).lags == (0, 2)


def test_copies_become_weight_in_order_of_first_occurrence():
    table = make_table(Task.FORECAST, 6, 0)
    table.labels.weight[:] = np.arange(1, 7, dtype=np.float32)[:, None]
    drawn = np.array([4, 2, 4, 0, 2, 4])
    merged = merge_copies(table.take(drawn).labelled([0]), drawn)
    np.testing.assert_array_equal(merged.x, table.take(np.array([4, 2, 0])).labelled([0]).x)
    np.testing.assert_array_equal(merged.weight[:, 0], [15, 6, 1])


def test_what_has_no_copies_is_not_copied():
    drawn = make_table(Task.FORECAST, 2000, 0).labelled(range(LENGTH))
    row = np.random.default_rng(0).permutation(2000)
    tracemalloc.start()
    assert merge_copies(drawn, row) is drawn
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < drawn.x.nbytes


def test_rows_of_a_step_have_mean_weight_one():
    table = make_table(Task.FORECAST, 4, 0).labelled([0])
    mask = np.array([[True, True], [True, False], [True, True], [True, True]])
    weight = np.array([[1, 1], [1, 9], [0, 3], [2, 0]], np.float32)
    table = replace(table, mask=mask, weight=weight)
    first, second = rows_of_step(table, 0), rows_of_step(table, 1)
    np.testing.assert_array_equal(first.x, table.x[[0, 1, 3]])
    np.testing.assert_array_equal(second.y, table.target[[0, 2], 1])
    np.testing.assert_allclose(first.weight, [0.75, 0.75, 1.5])
    np.testing.assert_allclose(second.weight, [0.5, 1.5])
    np.testing.assert_allclose(second.spread(second.weight), [0.5, 0, 1.5, 0])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 3)), min_size=1, max_size=12).filter(
        lambda rows: sum(k for _, k in rows) > 0
    ),
    st.lists(st.floats(0.01, 0.99), min_size=1, max_size=4).map(sorted),
)
def test_weighted_quantiles_are_those_of_the_copies(rows, levels):
    values = np.array([value for value, _ in rows], np.float32)
    counts = np.array([k for _, k in rows])
    expected = np.quantile(np.repeat(values, counts), levels, method="inverted_cdf")
    found = weighted_quantiles(values, counts.astype(np.float32), levels)
    np.testing.assert_array_equal(found, expected)
