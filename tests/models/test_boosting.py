"""The three boosters: rounds, early stopping, objectives and their own file formats."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tabular_zoo import (
    BOOSTERS,
    CROSS_ENTROPY,
    HUBER,
    QUANTILE,
    loss_value,
    make,
    make_data,
)
from tests.training.test_progress import Heard

from regimecast.core.errors import ConfigError, DataError, Pruned, SpecError
from regimecast.core.types import Task
from regimecast.models.base import load_model
from regimecast.models.rounds import Rounds
from regimecast.models.tabular import rows_of_step
from regimecast.training.progress import RunProgress
from regimecast.training.trainer import ModelTrainer

FORECAST, CLASSES = Task.FORECAST, Task.CLASSIFICATION
FORMATS = {"catboost": "cbm", "lightgbm": "txt", "xgboost": "ubj"}


@pytest.mark.parametrize("name", BOOSTERS)
@pytest.mark.parametrize("loss", [QUANTILE, CROSS_ENTROPY], ids=lambda loss: loss["name"])
def test_stopping_keeps_the_best_round(name, loss):
    task = FORECAST if loss is QUANTILE else CLASSES
    data = make_data(task)
    model = make(name, task, loss=loss, rounds=300, patience=7, learning_rate=0.3)
    report = model.fit(data)
    assert report.epochs == len(report.history) < 300
    assert set(report.history[0]) == {"epoch", "train/loss", "val/loss"}
    for parts in model._parts:
        for part in parts.values():
            validation = part.curve.validation
            assert part.rounds == int(np.argmin(validation)) + 1
            assert len(validation) == part.rounds + 7
    # Sorting the quantiles can only lower their loss.
    assert (
        0.98 * report.best_score < loss_value(model, data, "validation") < 1.001 * report.best_score
    )


@pytest.mark.parametrize("name", BOOSTERS)
@pytest.mark.parametrize("task", [FORECAST, CLASSES])
def test_stopping_uses_the_weights_of_validation(name, task):
    data = make_data(task)
    validation = data.tables["validation"]
    weight = np.full_like(validation.labels.weight, 1e-6)
    weight[:20] = 1.0
    scores = []
    for table in (validation.change(weight=weight), validation.take(np.arange(20)), validation):
        model = make(name, task, columns=1.0)
        scores.append(model.fit(data.having(validation=table)).best_score)
    assert scores[0] == pytest.approx(scores[1], rel=1e-3)
    assert scores[0] != pytest.approx(scores[2], rel=1e-3)


@pytest.mark.parametrize("name", BOOSTERS)
def test_steps_are_weighed_apart(name):
    data = make_data(FORECAST)
    train = data.tables["train"]
    weight = train.labels.weight.copy()
    weight[:100, 1] = 5.0
    even, uneven = make(name, FORECAST), make(name, FORECAST)
    even.fit(data)
    uneven.fit(data.having(train=train.change(weight=weight)))
    before, after = (model.predict(data, "test").values for model in (even, uneven))
    np.testing.assert_array_equal(before[:, 0], after[:, 0])
    assert not np.array_equal(before[:, 1], after[:, 1])


@pytest.mark.parametrize("name", BOOSTERS)
def test_a_shared_data_set_gives_the_trees_of_one_per_step(name):
    data = make_data(FORECAST)
    model = make(name, FORECAST)
    model.fit(data)
    train, held_out = (data.tables[part].labelled(model.lags) for part in ("train", "validation"))
    x = data.tables["test"].labelled(model.lags).x
    for step, shared in enumerate(model._parts):
        rows, judged = rows_of_step(train, step), rows_of_step(held_out, step)
        alone = model._fit_step(
            rows, judged, 0, model._share(train, held_out), Rounds(None, parts=1, rounds=1)
        )
        np.testing.assert_array_equal(model._predict_step(alone, x), model._predict_step(shared, x))


@pytest.mark.parametrize("name", BOOSTERS)
@pytest.mark.parametrize("loss", [QUANTILE, HUBER], ids=lambda loss: loss["name"])
def test_rows_unknown_at_a_step_are_as_if_they_were_not_there(name, loss):
    data = make_data(FORECAST)
    for table in data.tables.values():
        # Few values, so that the bins are the same whichever rows choose them.
        table.past = np.clip(np.round(table.past), -2, 2).astype(np.float32)
    masked, without = {}, {}
    for split, unknown in {"train": 200, "validation": 60}.items():
        table = data.tables[split]
        mask = np.ones_like(table.labels.mask)
        mask[:unknown, 1] = False
        masked[split] = table.change(mask=mask)
        without[split] = table.take(np.arange(unknown, len(table)))
    forecasts = []
    for tables in (masked, without):
        model = make(name, FORECAST, loss=loss)
        model.fit(data.having(**tables))
        forecasts.append(model.predict(data, "test").values)
    np.testing.assert_array_equal(forecasts[0][:, 1], forecasts[1][:, 1])
    assert not np.array_equal(forecasts[0][:, 0], forecasts[1][:, 0])


@pytest.mark.parametrize("name", BOOSTERS)
def test_weights_of_validation_move_the_best_round(name):
    data = make_data(FORECAST)
    validation = data.tables["validation"]
    rounds = []
    for heavy in (slice(0, 15), slice(60, 75)):
        weight = np.full_like(validation.labels.weight, 1e-6)
        weight[heavy] = 1.0
        model = make(name, FORECAST, rounds=80)
        model.fit(data.having(validation=validation.change(weight=weight)))
        rounds.append([part.rounds for parts in model._parts for part in parts.values()])
    assert rounds[0] != rounds[1]


@pytest.mark.parametrize("name", BOOSTERS)
def test_huber_is_a_point_near_the_centre(name):
    data = make_data(FORECAST)
    model = make(name, FORECAST, loss=HUBER, rounds=100)
    model.fit(data)
    forecast = model.predict(data, "test")
    assert forecast.levels == (0.5,)
    rows = data.tables["test"].labels
    error = np.abs(rows.target - forecast.point() / rows.scale).mean()
    assert error < 0.9 * np.abs(rows.target).mean()


@pytest.mark.parametrize("name", BOOSTERS)
@pytest.mark.parametrize("levels", [[0.5], [0.1, 0.9]])
def test_one_or_two_levels_are_enough(name, levels):
    data = make_data(FORECAST)
    model = make(name, FORECAST, loss={"name": "quantile", "levels": levels})
    model.fit(data)
    rows = data.tables["test"].labels
    quantiles = model.predict(data, "test").values / rows.scale[:, :, None]
    below = (rows.target[:, :, None] < quantiles).mean(axis=(0, 1))
    assert np.abs(below - levels).max() < 0.12


@pytest.mark.parametrize("name", BOOSTERS)
def test_a_constant_target_is_forecast(name):
    data = make_data(FORECAST)
    train = data.tables["train"]
    flat = train.change(target=np.full_like(train.labels.target, 0.5))
    model = make(name, FORECAST)
    model.fit(data.having(train=flat))
    values = model.predict(data, "test").values / data.tables["test"].labels.scale[:, :, None]
    np.testing.assert_allclose(values, 0.5, atol=1e-4)


def test_columns_that_never_vary_are_an_error_that_names_catboost():
    data = make_data(FORECAST)
    train = data.tables["train"]
    train.past[:] = 1.0
    with pytest.raises(DataError, match="catboost cannot learn"):
        make("catboost", FORECAST).fit(data)


@pytest.mark.parametrize("name", BOOSTERS)
def test_parts_are_saved_in_the_format_of_the_library(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = make(name, FORECAST)
    model.fit(make_data(FORECAST, train=100))
    folder = tmp_path / "model"
    model.save(folder)
    parts = {path.name for path in folder.glob(f"*.{FORMATS[name]}")}
    names = ["q0.1", "q0.5", "q0.9"] if name == "lightgbm" else ["trees"]
    assert parts == {f"step{step}-{part}.{FORMATS[name]}" for step in (1, 2) for part in names}
    assert {path.name for path in folder.iterdir()} == {*parts, "parts.json", "model.json"}
    assert [path.name for path in Path.cwd().iterdir()] == ["model"]


@pytest.mark.parametrize("name", BOOSTERS)
def test_a_damaged_part_is_a_spec_error(name, tmp_path):
    model = make(name, CLASSES)
    model.fit(make_data(CLASSES, train=100))
    model.save(tmp_path)
    for path in tmp_path.glob(f"*.{FORMATS[name]}"):
        path.write_bytes(b"this is no booster")
    with pytest.raises(SpecError):
        load_model(tmp_path)


@pytest.mark.parametrize("name", BOOSTERS)
def test_nothing_is_printed(name, capfd):
    model = make(name, CLASSES)
    model.fit(make_data(CLASSES))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", BOOSTERS)
@pytest.mark.parametrize(
    "changes",
    [
        {"rounds": 0},
        {"patience": 0},
        {"n_threads": 0},
        {"learning_rate": 0.0},
        {"columns": 1.5},
        {"l2": -1.0},
        {"bins": 256},
    ],
    ids=str,
)
def test_parameters_out_of_range(name, changes):
    with pytest.raises(ConfigError, match=next(iter(changes))):
        make(name, FORECAST, **changes)


def watched(watch):
    return replace(ModelTrainer.default(), progress=RunProgress(watch=watch).fold(0))


@pytest.mark.parametrize("name", [*BOOSTERS, "gradient_boosting", "mlp"])
@pytest.mark.parametrize("task", [FORECAST, CLASSES])
def test_rounds_are_reported_and_change_no_bit(name, task):
    data = make_data(task)
    alone, model, watch = make(name, task), make(name, task), Heard()
    report = watched(watch).train(model, data)
    assert alone.fit(data).best_score == report.best_score == watch.progress[-1].objective
    np.testing.assert_array_equal(
        model.predict(data, "test").values, alone.predict(data, "test").values
    )
    assert [p.step for p in watch.progress] == list(range(1, len(watch.progress) + 1))
    parts = sum(map(len, model._parts))
    assert len(watch.progress) == parts * max(1, 40 // parts)


@pytest.mark.parametrize("name", [*BOOSTERS, "gradient_boosting", "mlp"])
def test_boosting_ends_where_it_is_told_to(name):
    task = CLASSES if name == "mlp" else FORECAST
    watch = Heard(until=3)
    with pytest.raises(Pruned):
        watched(watch).train(make(name, task), make_data(task))
    assert len(watch.progress) == 3


def test_every_report_is_the_same_place_in_every_model():
    """However early a part stopped, which is what a search compares."""
    places = []
    for patience in (1, 1000):
        watch = Heard()
        model = make("xgboost", FORECAST, patience=patience, learning_rate=0.5)
        watched(watch).train(model, make_data(FORECAST))
        places.append(len(watch.progress))
        first = watch.progress[19]
        assert first.objective == pytest.approx(min(model._parts[0]["trees"].curve.validation))
    assert places == [40, 40]


def test_boosting_without_validation_reports_nothing():
    data = make_data(FORECAST)
    empty = data.having(validation=data.tables["validation"].take(np.arange(0)))
    progress = RunProgress().fold(0)
    report = replace(ModelTrainer.default(), progress=progress).train(
        make("lightgbm", FORECAST), empty
    )
    assert report.best_score is None
    assert progress.best is None
    with pytest.raises(ConfigError, match="no validation objective"):
        watched(Heard()).train(make("lightgbm", FORECAST), empty)
