"""Laws that every registered family obeys; a new family is tested by being registered."""

from dataclasses import replace

import numpy as np
import pytest

from regimecast.core.errors import ConfigError
from regimecast.features.base import (
    AssetFeatures,
    CalendarFeatures,
    CrossAssetFeatures,
    Feature,
    FeatureRegistry,
)
from regimecast.features.pipeline import FeaturePipeline
from tests.data.panels import random_panel
from tests.features.markets import PRICES, changed, only, packaged, sp500_panel, times, with_vix

PAST = [
    name
    for name in FeatureRegistry.available()
    if not issubclass(FeatureRegistry.get(name), CalendarFeatures)
]
KNOWN = [name for name in FeatureRegistry.available() if name not in PAST]
OWN = [name for name in PAST if issubclass(FeatureRegistry.get(name), AssetFeatures)]
RELATED = [name for name in PAST if issubclass(FeatureRegistry.get(name), CrossAssetFeatures)]


def pipeline(name):
    return FeaturePipeline({name: packaged(name)}, missing="error")


def panel_for(name):
    """Real bars, or where a family relates assets, assets that start on different days."""
    return random_panel(320, 400, 260) if name in RELATED else with_vix(sp500_panel(400))


@pytest.mark.parametrize("name", FeatureRegistry.available())
def test_yaml_is_the_full_signature_and_code_has_no_defaults(name):
    parameters = FeatureRegistry.parameters(name)
    assert list(parameters) == list(packaged(name))
    for parameter in parameters.values():
        assert parameter.kind is parameter.KEYWORD_ONLY
        assert parameter.default is parameter.empty


@pytest.mark.parametrize("name", FeatureRegistry.available())
def test_declarations_are_filled_in(name):
    features = FeatureRegistry.create(name, **packaged(name)).features()
    assert features
    for feature in features:
        assert type(feature) is Feature
        assert feature.lookback >= 0
        assert feature.units
        assert feature.source
        assert bool(feature.inputs) == (name in PAST)


@pytest.mark.parametrize("name", PAST)
def test_truncation_changes_no_earlier_bit(name):
    panel = panel_for(name)
    whole = pipeline(name).compute(panel)
    for cut in (0, 40, 126, 190, 257, 318, 399):
        end = np.unique(panel.time)[cut]
        until = pipeline(name).compute(panel.until(end)).values
        np.testing.assert_array_equal(
            until.view(np.int32), whole.values[panel.time <= end].view(np.int32)
        )


@pytest.mark.parametrize("name", PAST)
def test_what_follows_changes_no_earlier_bit(name):
    panel = panel_for(name)
    whole = pipeline(name).compute(panel).values
    end = np.unique(panel.time)[300]
    later = panel.time > end
    generator = np.random.default_rng(1)
    for future in (
        panel.values * np.exp(generator.normal(size=panel.values.shape)),
        np.full_like(panel.values, np.nan),
        -panel.values,
    ):
        values = np.where(later[:, None], future, panel.values)
        poisoned = changed(panel, **dict(zip(panel.names, values.T, strict=True)))
        result = pipeline(name).compute(poisoned).values
        np.testing.assert_array_equal(result[~later].view(np.int32), whole[~later].view(np.int32))


@pytest.mark.parametrize("name", PAST)
def test_warm_up_is_exactly_the_declared_lookback(name):
    panel = panel_for(name)
    table = pipeline(name).compute(panel)
    for asset in range(panel.n_assets):
        values = table.values[panel.rows(asset)]
        for column, feature in enumerate(table.features):
            finite = np.isfinite(values[:, column])
            assert not finite[: feature.lookback].any(), feature.name
            if name in RELATED:  # an asset may start before there is a market
                continue
            assert finite[feature.lookback :].all(), feature.name


@pytest.mark.parametrize("name", OWN)
def test_a_value_reads_no_more_than_its_lookback(name):
    """Finite windows: bars before the lookback count nothing. Recursive filters: about 1 %."""
    panel = with_vix(sp500_panel(500))
    table = pipeline(name).compute(panel)
    spread = np.nanstd(table.values, axis=0)
    for column, feature in enumerate(table.features):
        start = 300 - feature.lookback
        tail = replace(
            panel,
            values=panel.values[start:],
            time=panel.time[start:],
            offsets=np.array([0, panel.n_rows - start]),
        )
        value = pipeline(name).compute(tail).values[feature.lookback, column]
        difference = abs(value - table.values[300, column])
        assert difference <= 0.02 * spread[column], feature.name


@pytest.mark.parametrize("factor", [10.0, 1e-6])
@pytest.mark.parametrize("name", PAST)
def test_the_unit_of_the_price_does_not_matter(name, factor):
    panel = panel_for(name)
    table, scaled = pipeline(name).compute(panel), pipeline(name).compute(times(panel, factor))
    spread = np.nanstd(table.values, axis=0)
    difference = np.abs(scaled.values - table.values) / np.where(spread > 0, spread, 1.0)
    assert np.nanmax(difference) < 1e-3
    np.testing.assert_array_equal(np.isnan(scaled.values), np.isnan(table.values))


@pytest.mark.parametrize("name", PAST)
def test_the_unit_of_the_volume_does_not_matter(name):
    panel = panel_for(name)
    table = pipeline(name).compute(panel)
    for factor in (1e-9, 1e6):
        scaled = pipeline(name).compute(changed(panel, volume=panel.actual("volume") * factor))
        np.testing.assert_allclose(scaled.values, table.values, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("price", [100.0, 0.1, 4711.17])
@pytest.mark.parametrize("volume", [0.0, 7.3])
@pytest.mark.parametrize("name", PAST)
def test_a_price_that_stands_still_gives_finite_values(name, price, volume):
    panel = with_vix(random_panel(300, 300))
    panel = changed(panel, **dict.fromkeys(PRICES, price), volume=volume, vix=20.0)
    table = pipeline(name).compute(panel)
    for column, feature in enumerate(table.features):
        values = table.values[: panel.rows(0).stop][feature.lookback :, column]
        assert np.isfinite(values).all(), feature.name
        assert np.ptp(values) < 1e-6, feature.name


@pytest.mark.parametrize("name", PAST)
def test_no_bars_and_few_bars_give_nan_never_an_error(name):
    table = pipeline(name).compute(with_vix(random_panel(1, 2, 5)))
    assert len(table.values) == 8
    for column, feature in enumerate(table.features):
        if feature.lookback >= 5:
            assert np.isnan(table.values[:, column]).all()
    nothing = with_vix(random_panel(5, 5))
    assert pipeline(name).compute(nothing.until(np.datetime64("1990-01-01"))).values.shape[0] == 0


@pytest.mark.parametrize("name", OWN)
def test_a_missing_bar_blanks_what_needs_it_and_nothing_else(name):
    panel = with_vix(random_panel(500, 500))
    row = 300
    for column in panel.names:
        holed = changed(
            panel, **{column: np.where(np.arange(1000) == row, np.nan, panel.actual(column))}
        )
        before, after = pipeline(name).compute(panel), pipeline(name).compute(holed)
        for index, feature in enumerate(before.features):
            values = after.values[:500, index]
            if column not in feature.inputs:
                np.testing.assert_array_equal(values, before.values[:500, index])
            else:
                assert np.isnan(values[row]), feature.name
                assert np.isfinite(values[row + feature.lookback + 1 :]).all(), feature.name


@pytest.mark.parametrize("name", PAST)
def test_closes_alone_keep_what_closes_can_give(name):
    panel = only(panel_for(name), "close")
    families = {name: packaged(name)}
    table = FeaturePipeline(families, missing="skip").compute(panel)
    declared = FeatureRegistry.create(name, **packaged(name)).features()
    assert table.names == tuple(f.name for f in declared if f.inputs == ("close",))
    whole = pipeline(name).compute(panel_for(name))
    kept = [whole.names.index(n) for n in table.names]
    np.testing.assert_array_equal(table.values, whole.values[:, kept])


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("calendar", ["XNYS", "24/7", "XLON"])
def test_calendar_features_are_bounded_and_each_time_is_on_its_own(name, calendar):
    generator = np.random.default_rng(0)
    minutes = np.sort(generator.integers(0, 60 * 24 * 365 * 30, 300))
    time = np.datetime64("1995-03-01", "ns") + minutes * np.timedelta64(1, "m")
    family = FeatureRegistry.create(name, **packaged(name))
    values = family.compute(time, calendar)
    assert values.shape == (300, len(family.features()))
    assert np.abs(values).max() <= 1.0
    for i in (0, 7, 299):
        alone = family.compute(time[i : i + 1], calendar)
        np.testing.assert_array_equal(alone.astype(np.float32)[0], values.astype(np.float32)[i])


@pytest.mark.parametrize(
    ("name", "key", "value", "message"),
    [
        ("trend", "adx_window", 1, "trend.adx_window=1"),
        ("trend", "macd_slow", 12, "trend.macd_slow=12"),
        ("trend", "sma_windows", [10, True], "True"),
        ("momentum", "ultimate_windows", [14, 7, 28], "ascending"),
        ("volatility", "ewma_decay", 1.0, "ewma_decay=1.0"),
        ("volatility", "realised_windows", [5], "two or more"),
        ("volume", "trend_windows", [20, 5], "short and a longer"),
        ("candles", "patterns", ["engulfin"], "Did you mean 'engulfing'"),
        ("candles", "patterns", [], "empty"),
        ("statistics", "autocorrelation_lags", [62], "at most 60"),
        ("cross_asset", "comovement_window", 1, "comovement_window=1"),
        ("calendar", "holiday_days", 0, "holiday_days=0"),
    ],
)
def test_wrong_settings_name_key_value_and_what_is_allowed(name, key, value, message):
    with pytest.raises(ConfigError, match=message):
        FeatureRegistry.create(name, **{**packaged(name), key: value})


def test_columns_are_the_source_s_own_as_known():
    panel = with_vix(sp500_panel(30))
    late = replace(panel, columns=(*panel.columns[:-1], replace(panel.columns[-1], lag=1)))
    values = pipeline("columns").compute(late).values[:, 0]
    np.testing.assert_array_equal(values[1:], panel.actual("vix")[:-1].astype(np.float32))
    for names in ([], ["vix", "vix"], ["close"]):
        with pytest.raises(ConfigError, match=r"features\.columns\.names="):
            FeatureRegistry.create("columns", names=names)
