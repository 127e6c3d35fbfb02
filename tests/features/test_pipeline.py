"""The pipeline: what is left out, what is refused, what is described."""

import logging
from dataclasses import replace

import numpy as np
import pytest

from regimecast.core.errors import ConfigError, DataError
from regimecast.features import versions
from regimecast.features.base import AssetFeatures, Feature, FeatureRegistry
from regimecast.features.pipeline import FeaturePipeline
from regimecast.features.versions import code_of
from tests.data.panels import random_panel
from tests.features.markets import changed, only, packaged, sp500_panel, with_vix

ALL = {name: packaged(name) for name in FeatureRegistry.available()}


@pytest.fixture
def family(monkeypatch):
    """Registers a family for one test."""

    def register(name, columns, compute):
        class Given(AssetFeatures):
            def features(self):
                return tuple(Feature(c, 0, ("close",), "x", "test") for c in columns)

            def compute(self, bars):
                return compute(bars)

        monkeypatch.setitem(FeatureRegistry._classes, name, Given)

    return register


def test_the_table_has_the_columns_that_the_families_declare():
    pipeline = FeaturePipeline(ALL, missing="error")
    past = pipeline.table().query("inputs != ''")
    table = pipeline.compute(with_vix(random_panel(300, 300)))
    assert table.names == tuple(past.name)
    assert table.lookbacks == tuple(past.lookback)
    assert table.lookback == max(past.lookback) <= 252
    assert table.values.dtype == np.float32
    assert table.values.flags.c_contiguous  # rows are gathered


def test_what_is_left_out_is_said_once_in_one_line(caplog):
    panel = only(sp500_panel(200), "close")
    families = {name: ALL[name] for name in ("trend", "momentum", "volume")}
    with caplog.at_level(logging.WARNING):
        pipeline = FeaturePipeline(families, missing="skip")
        table = pipeline.compute(panel)
        pipeline.compute(panel)
    assert len(caplog.records) == 1
    message = caplog.records[0].getMessage()
    assert "high, low, volume" in message
    assert "adx_14" in message
    assert "rsi_14" in table.names
    assert "adx_14" not in table.names
    assert table.values.shape == (200, len(table.names))


def test_missing_columns_can_be_an_error_that_says_what_to_do():
    pipeline = FeaturePipeline({"volume": packaged("volume")}, missing="error")
    with pytest.raises(DataError, match=r"'obv_20' of family 'volume'.*'volume'.*missing=skip"):
        pipeline.compute(only(sp500_panel(50), "close"))


def test_relations_need_two_assets():
    pipeline = FeaturePipeline({"cross_asset": packaged("cross_asset")}, missing="error")
    single = sp500_panel(100)
    assert pipeline.declarations(single) == ()
    table = pipeline.compute(single)
    assert table.values.shape == (100, 0)
    assert table.lookback == 0
    assert len(pipeline.declarations(random_panel(100, 100))) == 5


def test_features_see_what_was_available_and_lookbacks_count_the_lag():
    panel = random_panel(200, 200)
    lagged = replace(
        panel,
        columns=tuple(replace(c, lag=2) if c.name == "close" else c for c in panel.columns),
    )
    pipeline = FeaturePipeline({"momentum": packaged("momentum")}, missing="error")
    now, then = pipeline.compute(panel), pipeline.compute(lagged)
    for asset in (0, 1):
        rows = panel.rows(asset)
        np.testing.assert_array_equal(then.values[rows][2:, 0], now.values[rows][:-2, 0])
        assert np.isnan(then.values[rows][:3, 0]).all()
    assert then.lookbacks == tuple(
        f.lookback + 2 * ("close" in f.inputs) for f in pipeline.declarations(panel)
    )
    assert {f.lag for f in now.features} == {0}
    assert all(f.lag == 2 * ("close" in f.inputs) for f in then.features)
    for column, lookback in enumerate(then.lookbacks):
        assert np.isnan(then.values[:lookback, column]).all()


def test_the_table_says_when_and_with_which_parameters():
    table = FeaturePipeline(ALL, missing="skip").table().set_index("name")
    assert table.lag["rsi_14"] == 0
    assert table.lag["holiday_after"] == "ahead"
    assert "rsi_windows=[7, 14]" in table.parameters["rsi_14"]
    assert table.parameters["session_progress"] == ""
    assert set(table.lag[table.inputs == ""]) == {"ahead"}


def test_assets_do_not_touch():
    panel = random_panel(200, 150)
    pipeline = FeaturePipeline({"trend": packaged("trend")}, missing="error")
    both = pipeline.compute(panel).values
    for asset in (0, 1):
        alone = pipeline.compute(panel.select((panel.assets[asset],))).values
        np.testing.assert_array_equal(both[panel.rows(asset)], alone)


def test_infinite_values_become_nan_and_are_counted(family, caplog):
    def compute(bars):
        values = np.stack([bars["close"], bars["close"]], axis=1)
        values[3] = np.inf, 1e300  # the second one does not fit float32
        return values

    family("odd", ["a", "b"], compute)
    table = FeaturePipeline({"odd": {}}, missing="error").compute(random_panel(10))
    assert np.isnan(table.values[3]).all()
    assert np.isfinite(np.delete(table.values, 3, axis=0)).all()
    assert "2 infinite feature values" in caplog.text


def test_a_name_belongs_to_one_feature(family):
    family("copycat", ["rsi_14"], lambda bars: bars["close"][:, None])
    with pytest.raises(ConfigError, match=r"'rsi_14' is declared twice: by 'momentum'"):
        FeaturePipeline({"momentum": packaged("momentum"), "copycat": {}}, missing="skip")
    twice = {**packaged("trend"), "sma_windows": [10, 10]}
    with pytest.raises(ConfigError, match=r"'sma_gap_10' is declared twice"):
        FeaturePipeline({"trend": twice}, missing="skip")


def test_unknown_names_are_refused():
    with pytest.raises(ConfigError, match="Did you mean 'momentum'"):
        FeaturePipeline({"momentun": {}}, missing="skip")
    with pytest.raises(ConfigError, match="has no parameter 'window'"):
        FeaturePipeline({"momentum": {**packaged("momentum"), "window": 3}}, missing="skip")


def test_version_follows_code_parameters_and_order():
    base = FeaturePipeline(ALL, missing="skip").version
    assert base == FeaturePipeline(ALL, missing="skip").version
    other = {**ALL, "momentum": {**ALL["momentum"], "cci_window": 21}}
    reordered = dict(reversed(ALL.items()))
    fewer = {name: ALL[name] for name in list(ALL)[1:]}
    versions = {
        base,
        *(FeaturePipeline(f, missing="skip").version for f in (other, reordered, fewer)),
    }
    assert len(versions) == 4


def test_version_follows_the_blocks(monkeypatch):
    base = FeaturePipeline({"trend": ALL["trend"]}, missing="skip").version
    plain = versions.inspect.getsource

    def edited(module):
        return plain(module) + "# longer" * module.__name__.endswith("features.blocks")

    code_of.cache_clear()
    monkeypatch.setattr(versions.inspect, "getsource", edited)
    assert FeaturePipeline({"trend": ALL["trend"]}, missing="skip").version != base
    code_of.cache_clear()


def test_known_features_in_order_and_none():
    time = np.datetime64("2030-01-01", "ns") + np.arange(9) * np.timedelta64(1, "D")
    pipeline = FeaturePipeline(ALL, missing="skip")
    values = pipeline.known(time, "XNYS")
    assert values.dtype == np.float32
    assert values.shape == (9, len(pipeline.known_names))
    assert np.isfinite(values).all()
    without = FeaturePipeline({"trend": packaged("trend")}, missing="skip")
    assert without.known(time, "XNYS").shape == (9, 0)
    assert without.known_names == ()


def test_no_families_at_all():
    pipeline = FeaturePipeline({}, missing="skip")
    table = pipeline.compute(random_panel(10))
    assert table.values.shape == (10, 0)
    assert table.lookback == 0
    assert list(pipeline.table()) == [
        *("family", "name", "version", "lookback", "lag", "inputs", "parameters", "units", "source")
    ]


def test_memory_mapped_single_precision_bars_work(tmp_path):
    panel = with_vix(random_panel(300, 300))
    panel.save(tmp_path)
    loaded = type(panel).load(tmp_path)
    pipeline = FeaturePipeline(ALL, missing="error")
    np.testing.assert_array_equal(pipeline.compute(loaded).values, pipeline.compute(panel).values)


def test_crash_bars_stay_what_they_are():
    """A bar that loses a fifth is data, not an outlier."""
    panel = random_panel(200)
    close = panel.actual("close").copy()
    close[150:] *= 0.8
    low = np.minimum(panel.actual("low"), close)
    pipeline = FeaturePipeline({"momentum": packaged("momentum")}, missing="error")
    table = pipeline.compute(changed(panel, close=close, low=low))
    fall = table.values[150, table.names.index("return_1")]
    assert fall == pytest.approx(np.log(close[150] / close[149]), rel=1e-5)
    assert fall < -0.15
