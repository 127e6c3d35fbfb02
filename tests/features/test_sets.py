"""The sets `core`, `standard` and `full`: wide, finite, without twins, every column versioned."""

import numpy as np
import pandas as pd
import pytest

from regimecast.data.panel import Column
from regimecast.experiment import compose
from regimecast.features import versions
from regimecast.features.base import CalendarFeatures, FeatureRegistry
from regimecast.features.pipeline import FeaturePipeline
from regimecast.features.versions import code_of, feature_version
from tests.data.panels import random_panel
from tests.features.markets import packaged, sp500_panel, times, with_vix


def pipeline(chosen):
    config = compose(f"features={chosen}")
    return FeaturePipeline(config["features"], missing="error")


@pytest.mark.parametrize(("chosen", "columns"), [("core", 45), ("standard", 93), ("full", 179)])
def test_a_set_is_wide_and_each_column_has_a_version(chosen, columns):
    table = pipeline(chosen).table()
    assert len(table) >= columns
    assert table.name.is_unique
    assert table.version.is_unique
    assert table.version.str.fullmatch("[0-9a-f]{64}").all()
    assert table.lookback.max() <= 252


def test_sets_hold_one_another_and_mix_with_families():
    core, standard, full = (set(pipeline(name).table().family) for name in CHOICES)
    assert core < standard < full
    assert full == set(FeatureRegistry.available()) - {"columns"}  # which are the user's own
    mixed = compose("features=[core,patterns]")["features"]
    assert list(mixed) == ["trend", "momentum", "volatility", "volume", "patterns"]
    changed = compose("features=full", "features.trend.adx_window=20")["features"]
    assert changed["trend"]["adx_window"] == 20


CHOICES = ("core", "standard", "full")


@pytest.fixture(scope="module")
def wide():
    """Every past column of `full` on the S&P 500 and on three assets that relate."""
    own = pipeline("full").compute(with_vix(sp500_panel(2500)))
    related = pipeline("full").compute(with_vix(random_panel(900, 900, 900)))
    return own, related


def test_no_column_is_another_one_in_other_units(wide):
    """Neither on one asset nor among relations: no rank correlation beyond 0.9999 in size."""
    for table in wide:
        values = pd.DataFrame(table.values[300:], columns=list(table.names))
        ranks = values.rank().to_numpy()
        ranks = np.where(np.isnan(ranks), np.nanmean(ranks, axis=0), ranks)
        varied = np.flatnonzero(ranks.std(axis=0) > 0)
        correlation = np.corrcoef(ranks[:, varied], rowvar=False)
        twins = np.argwhere(np.triu(np.abs(correlation), 1) > 0.9999)
        assert [(table.names[varied[i]], table.names[varied[j]]) for i, j in twins] == []


def test_every_column_says_something(wide):
    own, _ = wide
    values = own.values[300:]
    still = [name for name, column in zip(own.names, values.T, strict=True) if np.ptp(column) == 0]
    assert all(name.startswith("pattern_") for name in still), still


def test_every_pattern_occurs_in_real_bars(shared_data):
    bars = pd.read_parquet(shared_data / "crypto_1m" / "btcusdt_1h_2017_2026.parquet")
    columns = {name: bars[name].to_numpy(np.float64) for name in ("open", "high", "low", "close")}
    family = FeatureRegistry.create("patterns", **packaged("patterns"))
    found = np.nanmax(np.abs(family.compute(columns)), axis=0)
    assert [f.name for f, any_ in zip(family.features(), found, strict=True) if any_ != 1.0] == []


def test_nothing_is_infinite_whatever_the_bars(wide, caplog):
    """Flat stretches, bars without volume, gaps, spikes and prices at the edge of single."""
    panel = with_vix(random_panel(1200, 1200))
    values = panel.values.copy()
    values[300:420, :4] = 50.0
    values[350:520, 4] = 0.0
    values[600:603] = np.nan
    values[700, :4] *= 1e6
    values[800:, :4] *= 1e-8
    values[900, 3] = np.nan
    values[950:1000, 5] = 0.0
    table = pipeline("full").compute(type(panel)(**{**vars_of(panel), "values": values}))
    assert not np.isinf(table.values).any()
    assert "infinite" not in caplog.text


def vars_of(panel):
    names = ("values", "time", "offsets", "columns", "assets", "frequency", "calendar")
    return {name: getattr(panel, name) for name in names}


@pytest.mark.parametrize("weeks", [1, 52, 520])
def test_past_features_do_not_know_the_date(weeks):
    families = {
        name: packaged(name)
        for name in FeatureRegistry.available()
        if not issubclass(FeatureRegistry.get(name), CalendarFeatures)
    }
    panel = with_vix(random_panel(400, 320))
    shift = weeks * np.timedelta64(7, "D")
    later = type(panel)(**{**vars_of(panel), "time": panel.time + shift})
    features = FeaturePipeline(families, missing="error")
    np.testing.assert_array_equal(features.compute(later).values, features.compute(panel).values)


def test_the_unit_of_the_price_does_not_matter_to_any_column():
    panel = with_vix(sp500_panel(800))
    features = pipeline("full")
    table, scaled = features.compute(panel), features.compute(times(panel, 7.3))
    spread = np.nanstd(table.values, axis=0)
    off = np.nanmax(np.abs(scaled.values - table.values), axis=0) / np.where(spread > 0, spread, 1)
    assert [(table.names[i], off[i]) for i in np.flatnonzero(off > 1e-3)] == []


def test_truncation_leaves_the_bits_of_the_full_set():
    panel = with_vix(random_panel(420, 700))
    features = pipeline("full")
    whole = features.compute(panel).values
    for cut in (260, 430, 555, 699):
        end = np.unique(panel.time)[cut]
        part = features.compute(panel.until(end)).values
        np.testing.assert_array_equal(part.view(np.int32), whole[panel.time <= end].view(np.int32))


def test_a_column_known_late_is_read_late():
    panel = with_vix(random_panel(300, 300))
    late = type(panel)(**{**vars_of(panel), "columns": (*panel.columns[:-1], Column("vix", lag=1))})
    family = FeaturePipeline(
        {"implied_volatility": packaged("implied_volatility")}, missing="error"
    )
    now, then = family.compute(panel), family.compute(late)
    column = now.names.index("vix_distance")
    np.testing.assert_array_equal(then.values[1:300, column], now.values[:299, column])
    assert np.isnan(then.values[0, column])


def test_a_version_follows_code_parameters_and_declaration(monkeypatch):
    family = FeatureRegistry.create("momentum", **packaged("momentum"))
    first, second = family.features()[:2]
    given = packaged("momentum")
    base = feature_version(family, given, first)
    assert base == feature_version(family, dict(reversed(given.items())), first)
    assert base != feature_version(family, given, second)
    assert base != feature_version(family, {**given, "cci_window": 21}, first)
    monkeypatch.setattr(versions, "code_of", lambda family: "other")
    assert base != feature_version(family, given, first)


def test_code_counts_the_shared_modules_that_a_family_uses(monkeypatch):
    momentum, session = FeatureRegistry.get("momentum"), FeatureRegistry.get("session")
    before = code_of(momentum), code_of(session)
    plain = versions.inspect.getsource

    def edited(module):
        changed = "\n# edited" if module.__name__.endswith("features.rolling") else ""
        return plain(module) + changed

    code_of.cache_clear()
    monkeypatch.setattr(versions.inspect, "getsource", edited)
    after = code_of(momentum), code_of(session)
    code_of.cache_clear()
    assert after[0] != before[0]
    assert after[1] != before[1] or "rolling" not in plain(versions.inspect.getmodule(session))
