"""Forward return: horizon ends within the asset, scale known at the close."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml

from regimecast.core.config import config_folder, split_name
from regimecast.core.errors import ConfigError, DataError
from regimecast.core.types import Task
from regimecast.labels.base import TargetRegistry
from tests.data.panels import random_panel
from tests.features.markets import PRICES, changed, only


def packaged(name):
    path = config_folder() / "target" / f"{name}.yaml"
    found, parameters = split_name(yaml.safe_load(path.read_text(encoding="utf-8")), "target")
    assert found == name
    return parameters


def target(**overrides):
    return TargetRegistry.create(
        "forward_return", **{**packaged("forward_return"), "horizon": 3, **overrides}
    )


@pytest.mark.parametrize("name", TargetRegistry.available())
def test_yaml_is_the_full_signature_and_code_has_no_defaults(name):
    parameters = TargetRegistry.parameters(name)
    assert list(parameters) == list(packaged(name))
    for parameter in parameters.values():
        assert parameter.kind is parameter.KEYWORD_ONLY
        assert parameter.default is parameter.empty


def test_series_scale_and_ends():
    panel = random_panel(100, 80)
    rule = target(volatility_window=20)
    series = rule.compute(panel)
    assert rule.label_bars == series.horizon == 3
    assert series.task is Task.FORECAST
    assert series.anchored
    assert series.lookback == 20
    np.testing.assert_array_equal(series.series, np.log(panel.actual("close")))
    for asset in (0, 1):
        rows = panel.rows(asset)
        close = pd.Series(panel.actual("close")[rows])
        expected = np.log(close).diff().rolling(20).std().to_numpy()
        np.testing.assert_allclose(series.scale[rows], expected, rtol=1e-9)
        end = series.end_row[rows]
        np.testing.assert_array_equal(end[:-3], np.arange(rows.start + 3, rows.stop))
        np.testing.assert_array_equal(end[-3:], -1)
        assert np.isnan(series.scale[rows][:20]).all()
        assert not series.complete[rows][:20].any()
        assert series.complete[rows][20:-3].all()


def test_no_scale_means_one_and_no_lookback():
    series = target(scale="none").compute(random_panel(10))
    assert set(series.scale) == {1.0}
    assert series.lookback == 0


def test_a_still_price_has_the_floor_as_scale():
    panel = changed(random_panel(100), **dict.fromkeys(PRICES, 7.0))
    scale = target(volatility_floor=1e-3).compute(panel).scale
    assert set(scale[63:]) == {1e-3}
    assert np.isnan(scale[:63]).all()  # the floor is no substitute for a warm-up


def test_scale_knows_only_what_was_available():
    panel = random_panel(100)
    lagged = replace(
        panel, columns=tuple(replace(c, lag=1) if c.name == "close" else c for c in panel.columns)
    )
    now, then = target().compute(panel), target().compute(lagged)
    np.testing.assert_array_equal(then.scale[1:], now.scale[:-1])
    np.testing.assert_array_equal(then.series, now.series)


def test_truncation_changes_no_earlier_bit():
    panel = random_panel(150, 120)
    whole = target().compute(panel)
    for cut in (30, 90, 149):
        end = np.unique(panel.time)[cut]
        kept = panel.time <= end
        until = target().compute(panel.until(end))
        np.testing.assert_array_equal(until.scale, whole.scale[kept])
        np.testing.assert_array_equal(until.series, whole.series[kept])


def test_empty_and_short_assets():
    panel = random_panel(2, 5).until(np.datetime64("2020-06-28"))
    series = target().compute(panel)
    assert not series.complete.any()


@pytest.mark.parametrize("close", [np.nan, 0.0, -1.0])
def test_an_impossible_close_is_named(close):
    panel = random_panel(30, 30)
    values = panel.actual("close").copy()
    values[41] = close
    with pytest.raises(DataError, match=r"close=.* of 'A1' at 2020-06"):
        target().compute(changed(panel, close=values))
    with pytest.raises(DataError, match="no column 'close'"):
        target().compute(only(panel, "open"))


@pytest.mark.parametrize(
    ("key", "value"),
    [("horizon", 0), ("volatility_window", 1), ("volatility_floor", 0.0)],
)
def test_wrong_settings(key, value):
    with pytest.raises(ConfigError, match=f"forward_return.{key}={value}"):
        target(**{key: value})
