"""scikit-learn's estimators: quantile forests, files without pickle, early stopping."""

import numpy as np
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.preprocessing import StandardScaler
from tabular_zoo import HUBER, SKLEARN, loss_value, make, make_data

from regimecast.core.errors import ConfigError, SpecError
from regimecast.core.types import Task
from regimecast.models.base import load_model
from regimecast.models.forest import forest_quantiles
from regimecast.models.gradient_boosting import _snapped
from regimecast.models.sklearn import check_nodes

FORECAST, CLASSES = Task.FORECAST, Task.CLASSIFICATION
FORESTS = ("extra_trees", "random_forest")
NODES = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"


class Untrusted:
    """A type of nobody's."""


def naive_forest_quantiles(leaf, target, weight, found, levels):
    rows = []
    for row in found:
        share = np.zeros(len(target))
        for tree, number in enumerate(row):
            together = (leaf[:, tree] == number) & (weight > 0)
            if together.any():
                share[together] += weight[together] / weight[together].sum()
        order = np.argsort(target, kind="stable")
        reached = np.cumsum(share[order]) / share.sum()
        rows.append([target[order][np.argmax(reached >= q - 1e-9)] for q in levels])
    return np.array(rows)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 4))
def test_forest_quantiles_are_those_of_the_formula(seed, rows, trees):
    generator = np.random.default_rng(seed)
    leaf = generator.integers(0, 3, (rows, trees)).astype(np.int32)
    target = generator.integers(-3, 4, rows).astype(np.float32)
    weight = generator.integers(0, 3, rows).astype(np.float64)
    weight[0] = 1.0
    found = leaf[[0, 0]]
    levels = np.array([0.1, 0.5, 0.83])
    np.testing.assert_array_equal(
        forest_quantiles(leaf, target, weight, found, levels),
        naive_forest_quantiles(leaf, target, weight, found, levels),
    )


def test_one_leaf_gives_the_quantiles_of_the_sample():
    target = np.arange(100, dtype=np.float32)
    leaf = np.zeros((100, 2), np.int32)
    found = forest_quantiles(leaf, target, np.ones(100), leaf[:1], np.array([0.05, 0.5, 0.95]))
    np.testing.assert_array_equal(found, [[4, 49, 94]])


@pytest.mark.parametrize("name", FORESTS)
def test_forest_threads_change_no_bit(name):
    values = []
    for n_threads in (1, 2):
        data = make_data(CLASSES)
        model = make(name, CLASSES, n_threads=n_threads)
        model.fit(data)
        values.append(model.predict(data, "test").values)
    np.testing.assert_array_equal(values[0], values[1])


@pytest.mark.parametrize("name", ["gradient_boosting", *FORESTS])
def test_huber_asks_for_the_median(name):
    data = make_data(FORECAST)
    median = {"name": "quantile", "levels": [0.5]}
    point, quantiles = make(name, FORECAST, loss=HUBER), make(name, FORECAST, loss=median)
    point.fit(data)
    quantiles.fit(data)
    np.testing.assert_array_equal(
        point.predict(data, "test").point(), quantiles.predict(data, "test").point()
    )


def test_the_mlp_keeps_its_best_epoch():
    data = make_data(CLASSES)
    model = make("mlp", CLASSES, patience=5, l2=0.0, epochs=150)
    report = model.fit(data)
    losses = [row["val/loss"] for row in report.history]
    assert report.epochs == len(losses) < 150
    assert report.best_epoch == int(np.argmin(losses)) == len(losses) - 1 - 5
    assert report.best_score == min(losses)
    assert loss_value(model, data, "validation") == pytest.approx(min(losses), rel=1e-4)


@pytest.mark.parametrize("name", ["gradient_boosting", "mlp"])
def test_stopping_uses_the_weights_of_validation(name):
    data = make_data(CLASSES)
    validation = data.tables["validation"]
    weight = np.zeros_like(validation.labels.weight) + np.float32(1e-6)
    weight[:20] = 1.0
    reports = []
    for table in (
        validation.change(weight=weight),
        validation.take(np.arange(20)),
        validation,
    ):
        model = make(name, CLASSES)
        reports.append(model.fit(data.having(validation=table)))
    assert reports[0].best_score == pytest.approx(reports[1].best_score, rel=1e-3)
    assert reports[0].best_score != pytest.approx(reports[2].best_score, rel=1e-3)


def test_snapping_is_the_rounding_that_splits_undo():
    x = np.random.default_rng(0).standard_normal((500, 3)).astype(np.float32)
    x[:, 1] = 2.0
    x[:, 2] = np.arange(500) % 4
    snapped = _snapped(x, 16)
    assert len(np.unique(snapped[:, 0])) == 16
    np.testing.assert_array_equal(snapped[:, 1:], x[:, 1:])
    assert (np.diff(snapped[np.argsort(x[:, 0]), 0]) >= 0).all()


@pytest.mark.parametrize("name", SKLEARN)
def test_a_file_of_another_type_is_refused(name, tmp_path):
    model = make(name, CLASSES)
    model.fit(make_data(CLASSES, train=100))
    model.save(tmp_path)
    for path in tmp_path.glob("*.skops"):
        skops.io.dump(StandardScaler(), path)
    with pytest.raises(SpecError, match="holds a StandardScaler"):
        load_model(tmp_path)
    for path in tmp_path.glob("*.skops"):
        skops.io.dump({"run": Untrusted()}, path)
    with pytest.raises(SpecError, match="types that no model here needs"):
        load_model(tmp_path)
    for path in tmp_path.glob("*.skops"):
        path.write_bytes(b"not a zip file")
    with pytest.raises(SpecError):
        load_model(tmp_path)


def test_a_doctored_boosted_tree_is_refused(tmp_path):
    model = make("gradient_boosting", CLASSES)
    model.fit(make_data(CLASSES, train=100))
    model.save(tmp_path)
    path = tmp_path / "step1-classes.skops"
    for field, value in (("feature_idx", 10**6), ("left", 10**6), ("right", 0)):
        estimator = skops.io.load(path, trusted=[NODES])
        split = np.flatnonzero(estimator._predictors[0][0].nodes["is_leaf"] == 0)[0]
        estimator._predictors[0][0].nodes[field][split] = value
        doctored = tmp_path / "doctored"
        model.save(doctored)
        skops.io.dump(estimator, doctored / path.name)
        with pytest.raises(SpecError, match="saved tree"):
            load_model(doctored)


@pytest.mark.parametrize(
    ("changes"),
    [{"left": 0}, {"left": 9}, {"right": -1}, {"column": 3}, {"column": -1}, {"nodes": 0}],
    ids=str,
)
def test_nodes_must_stay_inside_their_tree(changes):
    tree = {"split": 0, "left": 1, "right": 2, "column": 0}
    parts = {key: np.array([changes.get(key, value)]) for key, value in tree.items()}
    check_nodes(**{k: np.array([v]) for k, v in tree.items()}, nodes=3, columns=3)
    with pytest.raises(SpecError, match="saved tree"):
        check_nodes(**parts, nodes=changes.get("nodes", 3), columns=3)


def test_leaves_must_fit_the_forest(tmp_path):
    model = make("extra_trees", FORECAST)
    model.fit(make_data(FORECAST, train=100))
    model.save(tmp_path)
    leaves = load_file(tmp_path / "leaves.safetensors")
    for key, value in {
        "leaf": leaves["leaf"][:, 1:].copy(),
        "target": leaves["target"][1:].copy(),
        "weight": leaves["weight"][:, :1].copy(),
    }.items():
        save_file({**leaves, key: value}, tmp_path / "leaves.safetensors")
        with pytest.raises(SpecError, match="do not fit"):
            load_model(tmp_path)
    save_file({**leaves, "leaf": leaves["leaf"] - 1000}, tmp_path / "leaves.safetensors")
    with pytest.raises(SpecError, match="do not fit"):
        load_model(tmp_path)


def test_a_grown_tree_passes_the_check():
    x = np.random.default_rng(0).standard_normal((50, 3))
    tree = ExtraTreesRegressor(1, max_leaf_nodes=9, random_state=0).fit(x, x[:, 0])[0].tree_
    split = np.flatnonzero(tree.children_left != -1)
    check_nodes(
        split,
        *(getattr(tree, f"children_{side}")[split].astype(np.int64) for side in ("left", "right")),
        tree.feature[split].astype(np.int64),
        nodes=tree.node_count,
        columns=3,
    )


@pytest.mark.parametrize(
    "changes", [{"trees": 0}, {"min_leaf_share": 0.6}, {"columns": 0.0}, {"n_threads": 0}], ids=str
)
def test_forest_parameters_out_of_range(changes):
    with pytest.raises(ConfigError, match=next(iter(changes))):
        make("random_forest", FORECAST, **changes)
