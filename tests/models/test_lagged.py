"""Rows made on demand: the same as all at once, and the asset as one column of names."""

from dataclasses import replace

import numpy as np
import pytest
from tabular_zoo import LAGS, make, make_spec, make_table

from regimecast.core.types import Task
from regimecast.models import lagged
from regimecast.models.lagged import Labelled, LagTable, identity_columns

FORECAST = Task.FORECAST


def named_table(n: int, assets: int):
    """Rows with an indicator per asset at the end, as the windows of a panel have them."""
    names = tuple(f"S{k}" for k in range(assets))
    spec = replace(
        make_spec(FORECAST), assets=names, static=tuple(f"asset={name}" for name in names)
    )
    table = make_table(FORECAST, n, 0)
    owner = np.arange(n) % assets
    plain, samples = table.rows, table.samples
    table._spec = spec
    table.samples = replace(samples, asset=owner)
    table.rows = lambda lags, positions: np.concatenate(
        [plain(lags, positions), np.eye(assets, dtype=np.float32)[owner[positions]]], axis=1
    )
    return table, owner


@pytest.mark.parametrize("by_column", [False, True])
def test_blocks_are_the_whole(by_column, monkeypatch):
    monkeypatch.setattr(lagged, "BLOCK", 7)
    table = make_table(FORECAST, 30, 0)
    rows = LagTable(table, LAGS, np.arange(30), coded=False)
    expected = table.rows(LAGS, np.arange(30))
    whole = rows.whole(by_column=by_column)
    np.testing.assert_array_equal(whole, expected)
    assert whole.flags["F_CONTIGUOUS" if by_column else "C_CONTIGUOUS"]
    np.testing.assert_array_equal(np.concatenate(list(rows.blocks())), expected)
    drawn = np.array([4, 4, 29, 0])
    np.testing.assert_array_equal(rows.take(drawn).whole(), expected[drawn])
    odd = np.arange(30) % 2 == 1
    np.testing.assert_array_equal(rows.take(odd).take(np.array([0])).whole(), expected[[1]])
    assert len(rows.take(drawn[:0])) == 0
    assert list(rows.take(drawn[:0]).blocks()) == []


def test_the_asset_is_one_column_of_names():
    table, owner = named_table(10, 3)
    plain = LagTable(table, LAGS, np.arange(10), coded=False)
    coded = LagTable(table, LAGS, np.arange(10), coded=True)
    assert identity_columns(table.spec) == 3
    assert (plain.categories, coded.categories) == ({}, {coded.width - 1: 3})
    assert coded.width == plain.width - 2 == coded.whole().shape[1]
    np.testing.assert_array_equal(coded.whole()[:, -1], owner)
    np.testing.assert_array_equal(coded.whole()[:, :-1], plain.whole()[:, :-3])
    assert coded.take(np.array([1])).categories == coded.categories


@pytest.mark.parametrize("static", [(), ("sector",), ("asset=B", "asset=A"), ("asset=A",)])
def test_other_static_channels_stay_numbers(static):
    spec = replace(make_spec(FORECAST), assets=("A", "B"), static=static)
    assert identity_columns(spec) == 0


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
def test_boosters_split_on_the_name_of_the_asset(name, tmp_path):
    table, owner = named_table(600, 6)
    # Neither high nor low numbers: one split on names tells these from the others.
    table.labels.target[:] = np.isin(owner, [0, 2, 5])[:, None] * 2.0 - 1.0
    model = make(name, FORECAST, columns=1.0)
    model.spec = table.spec
    rows = model.rows(table)
    train = Labelled(rows, *table.targets(), table.weight)
    assert model.coded
    assert list(rows.categories) == [rows.width - 1]
    model._learn(train, train.take(np.arange(0)), 0, None)
    booster = next(iter(model._parts[0].values())).model
    if name == "lightgbm":
        assert "num_cat=1" in booster.model_to_string()
    else:
        assert booster.trees_to_dataframe()["Category"].notna().any()
    decoded = model._decode(rows.whole())[:, :, 1]
    np.testing.assert_array_equal(decoded > 0, table.labels.target > 0)
    model.save(tmp_path)
    again = make(name, FORECAST, columns=1.0)
    again._load_state(tmp_path)
    np.testing.assert_array_equal(again._decode(rows.whole())[:, :, 1], decoded)


def test_a_forecast_in_blocks_is_the_forecast_at_once(monkeypatch):
    table = make_table(FORECAST, 100, 0)
    for name in ("catboost", "gradient_boosting", "lightgbm", "random_forest", "xgboost"):
        model = make(name, FORECAST)
        rows = model.rows(table)
        train = Labelled(rows, *table.targets(), table.weight)
        model._learn(train, train.take(np.arange(0)), 0, None)
        once = model._decode(rows.whole())
        with monkeypatch.context() as patch:
            patch.setattr(lagged, "BLOCK", 16)
            parts = np.concatenate([model._decode(x) for x in rows.blocks()])
        np.testing.assert_array_equal(parts, once, err_msg=name)
