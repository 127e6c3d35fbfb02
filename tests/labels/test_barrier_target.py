"""The triple-barrier target on panels."""

import logging

import numpy as np
import pytest
import talib

from regimecast.core.errors import ConfigError, DataError
from regimecast.core.types import Task
from regimecast.labels.barriers import triple_barrier
from regimecast.labels.base import INCOMPLETE, TargetRegistry
from tests.data.panels import random_panel
from tests.features.markets import changed, only
from tests.labels.test_forward_return import packaged


def target(**overrides):
    return TargetRegistry.create("triple_barrier", **{**packaged("triple_barrier"), **overrides})


def test_labels_are_the_kernels_asset_by_asset():
    panel = random_panel(300, 200)
    rule = target(horizon=8, upper=1.5, lower=1.0, volatility_window=20, cost_bps=5.0)
    series = rule.compute(panel)
    assert rule.label_bars == 8
    assert (series.task, series.horizon, series.classes) == (Task.CLASSIFICATION, 1, (-1, 0, 1))
    assert series.lookback == 20
    for asset in (0, 1):
        rows = panel.rows(asset)
        scale = series.scale[rows]
        alone = triple_barrier(
            *(panel.actual(name)[rows] for name in ("close", "high", "low")),
            upper=1.5 * scale,
            lower=1.0 * scale,
            horizon=8,
            entries=np.arange(20, rows.stop - rows.start),
            cost_bps=5.0,
        )
        np.testing.assert_array_equal(series.label[rows][20:], alone.label)
        assert (series.label[rows][:20] == INCOMPLETE).all()
        complete = alone.exit >= 0
        np.testing.assert_array_equal(
            series.end_row[rows][20:][complete], alone.exit[complete] + rows.start
        )
        assert series.end_row[rows].max() < rows.stop
    np.testing.assert_array_equal(series.complete, series.label != INCOMPLETE)


def test_closes_alone_and_highs_without_lows_watch_closes():
    panel = random_panel(200)
    closes = target().compute(only(panel, "close"))
    np.testing.assert_array_equal(
        closes.label, target().compute(only(panel, "close", "high")).label
    )
    assert (closes.label != target().compute(panel).label).any()


def test_atr_unit_is_talibs_and_warms_up():
    panel = random_panel(400)
    rule = target(unit="atr", volatility_window=14, horizon=5, upper=1.0, lower=1.0)
    series = rule.compute(panel)
    close, high, low = (panel.actual(n).copy() for n in ("close", "high", "low"))
    distance = talib.ATR(high, low, close, 14) / close
    entries = np.flatnonzero(series.label != INCOMPLETE)
    assert entries[0] == series.lookback
    alone = triple_barrier(
        close, high, low, upper=distance, lower=distance, horizon=5, entries=entries
    )
    np.testing.assert_array_equal(series.label[entries], alone.label)
    with pytest.raises(DataError, match="no column 'high'"):
        rule.compute(only(panel, "close"))


def test_fraction_unit():
    panel = random_panel(200)
    series = target(unit="fraction", upper=0.02, lower=0.03, horizon=9).compute(panel)
    close, high, low = (panel.actual(n) for n in ("close", "high", "low"))
    alone = triple_barrier(close, high, low, upper=0.02, lower=0.03, horizon=9)
    np.testing.assert_array_equal(series.label[63:], alone.label[63:])


@pytest.mark.parametrize("unit", ["volatility", "atr", "fraction"])
def test_truncation_leaves_known_labels_as_they_were(unit):
    panel = random_panel(300, 240)
    rule = target(unit=unit, upper=0.02 if unit == "fraction" else 2.0, volatility_window=20)
    whole = rule.compute(panel)
    for cut in (30, 110, 180, 298):
        end = np.unique(panel.time)[cut]
        kept = panel.time <= end
        until = rule.compute(panel.until(end))
        end_time = np.where(whole.end_row >= 0, panel.time[whole.end_row], np.datetime64("NaT"))
        known = ((whole.end_row >= 0) & (end_time <= end))[kept]
        np.testing.assert_array_equal(until.label[known], whole.label[kept][known])
        assert (until.label[~known] == INCOMPLETE).all()
        assert (until.end_row[~known] == -1).all()
        np.testing.assert_array_equal(until.scale, whole.scale[kept])


def test_a_farther_lower_barrier_makes_up_labels_more_frequent():
    """On a drift upwards, widening the lower side adds to the drift instead of correcting it."""
    rng = np.random.default_rng(0)
    panel = only(random_panel(20_000), "close")
    panel = changed(panel, close=100 * np.exp(np.cumsum(rng.normal(2e-4, 0.01, 20_000))))

    def rising(upper, lower):
        label = target(upper=upper, lower=lower, horizon=50).compute(panel).label
        return np.mean(label[np.abs(label) == 1] == 1)

    assert rising(2.1, 3.0) > 0.55 > 0.5 > rising(3.0, 2.1)


def test_an_asset_may_have_a_setting_of_its_own(caplog):
    panel = random_panel(300, 200, 150)
    own = {"A1": {"horizon": 3, "upper": 1, "lower": 0.5}, "Z9": {**SETTING, "horizon": 30}}
    common = {"horizon": 8, "upper": 1.5, "lower": 1.2, "volatility_window": 20}
    rule = target(**common, assets=own)
    assert rule.label_bars == 30
    series = rule.compute(panel)
    assert "the data have no Z9" in caplog.text
    others = target(**common).compute(panel)
    alone = target(**{**common, **own["A1"]}).compute(panel)
    for asset, expected in ((0, others), (1, alone), (2, others)):
        rows = panel.rows(asset)
        np.testing.assert_array_equal(series.label[rows], expected.label[rows])
        np.testing.assert_array_equal(series.end_row[rows], expected.end_row[rows])
    assert (series.label != others.label).any()


def test_the_end_of_the_fit_is_a_time_or_nothing():
    assert target().fitted_until is None
    until = target(fitted_until="2010-06-17T15:30").fitted_until
    assert until == np.datetime64("2010-06-17T15:30", "ns")
    for wrong in ("soon", "NaT", ""):
        with pytest.raises(ConfigError, match=r"triple_barrier\.fitted_until="):
            target(fitted_until=wrong)


SETTING = {"horizon": 3, "upper": 1.0, "lower": 0.5}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            {**SETTING, "horizon": 0},
            r"assets\.A1\.horizon=0; allowed: a whole number of bars, at least 1",
        ),
        ({**SETTING, "horizon": 2.5}, r"assets\.A1\.horizon=2\.5; allowed: a whole"),
        ({**SETTING, "upper": 0}, r"assets\.A1\.upper=0\.0; allowed: above 0"),
        ({**SETTING, "lower": float("nan")}, r"assets\.A1\.lower=nan"),
        ({**SETTING, "horizon": float("inf")}, r"assets\.A1\.horizon=inf"),
        ({**SETTING, "uper": 1.0}, r"assets\.A1 has no key 'uper'\. Did you mean 'upper'"),
        ({"upper": 1.0}, r"assets\.A1 needs horizon, lower"),
        ({**SETTING, "upper": "wide"}, "must be a mapping"),
    ],
)
def test_wrong_settings_of_an_asset(setting, message):
    with pytest.raises(ConfigError, match=message):
        target(assets={"A1": setting})


def test_shares_are_logged(caplog):
    with caplog.at_level(logging.INFO):
        target().compute(random_panel(300))
    assert "labels: -1 " in caplog.text
    with caplog.at_level(logging.INFO):
        target().compute(random_panel(20))
    assert "no complete label" in caplog.text


def test_a_bad_bar_names_the_asset():
    panel = random_panel(100, 100)
    high = panel.actual("high").copy()
    high[150] = np.nan
    with pytest.raises(DataError, match="asset 'A1': high=nan at bar 50"):
        target().compute(changed(panel, high=high))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("horizon", 0),
        ("upper", 0.0),
        ("lower", -1.0),
        ("volatility_window", 1),
        ("volatility_floor", 0.0),
        ("cost_bps", -1.0),
    ],
)
def test_wrong_settings(key, value):
    with pytest.raises(ConfigError, match=f"triple_barrier.{key}={value}"):
        target(**{key: value})
