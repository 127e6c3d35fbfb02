"""`CachedFeaturePipeline`: what a `FeaturePipeline` gives, and never the table of other bars."""

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from regimecast.core.errors import ConfigError, DataError
from regimecast.data.market import MarketData
from regimecast.data.panel import Column, Panel, Role
from regimecast.features.cache import CachedFeaturePipeline, FeatureCache, shared_cache
from regimecast.features.pipeline import FeaturePipeline, FeatureTable, Missing
from regimecast.labels.base import TargetRegistry
from tests.data.folds import packaged as packaged_option
from tests.data.panels import OHLCV, random_panel
from tests.features.cache.tables import settings
from tests.features.markets import changed, only, packaged

FAMILIES: dict[str, dict[str, Any]] = {
    name: packaged(name) for name in ("trend", "momentum", "cross_asset", "calendar")
}


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[Panel]:
    """Panels that features were computed of."""
    panels: list[Panel] = []
    compute = FeaturePipeline.compute

    def noted(self: FeaturePipeline, panel: Panel) -> FeatureTable:
        panels.append(panel)
        return compute(self, panel)

    monkeypatch.setattr(FeaturePipeline, "compute", noted)
    return panels


@pytest.fixture
def cache() -> FeatureCache:
    return FeatureCache(settings())


def cached(
    cache: FeatureCache,
    families: Mapping[str, Mapping[str, Any]] = FAMILIES,
    missing: Missing = "skip",
) -> CachedFeaturePipeline:
    return CachedFeaturePipeline(families, missing=missing, cache=cache)


def assert_same(table: FeatureTable, other: FeatureTable) -> None:
    assert table.features == other.features
    np.testing.assert_array_equal(table.values.view(np.uint32), other.values.view(np.uint32))


def test_tables_are_those_of_a_plain_pipeline_from_every_tier(tmp_path: Path) -> None:
    plain = FeaturePipeline(FAMILIES, missing="skip")
    for _ in range(2):  # computed and written, then read
        pipeline = cached(FeatureCache(settings(folder=str(tmp_path))))
        for panel in (random_panel(200, 150), random_panel(120), random_panel(1)):
            for _ in range(2):  # then from memory
                assert_same(pipeline.compute(panel), plain.compute(panel))
    assert pipeline.statistics.disk is not None
    assert (pipeline.statistics.hits, pipeline.statistics.disk.hits) == (6, 3)


def test_everything_else_is_the_plain_pipeline_s(cache: FeatureCache) -> None:
    panel, plain = random_panel(100, 100), FeaturePipeline(FAMILIES, missing="skip")
    pipeline = cached(cache)
    assert pipeline.version == plain.version
    assert pipeline.declarations(panel) == plain.declarations(panel)
    assert pipeline.known_names == plain.known_names
    np.testing.assert_array_equal(
        pipeline.known(panel.time, "24/7"), plain.known(panel.time, "24/7")
    )
    pd.testing.assert_frame_equal(pipeline.table(), plain.table())
    table, _ = pipeline.update(None, panel)
    assert_same(table, plain.update(None, panel)[0])
    with pytest.raises(ConfigError, match="Did you mean 'momentum'"):
        cached(cache, {"momentun": {}})


def test_nothing_leads_around_the_cache(cache: FeatureCache, computed: list[Panel]) -> None:
    pipeline = cached(cache)
    assert isinstance(pipeline, FeaturePipeline)  # wherever one is taken
    assert not hasattr(pipeline, "pipeline")
    assert not any(isinstance(value, FeaturePipeline) for value in vars(pipeline).values())
    panel = random_panel(100)
    for _ in range(5):
        pipeline.compute(panel)
    assert len(computed) == 1


def test_equal_bars_in_another_panel_are_the_same_request(
    cache: FeatureCache, computed: list[Panel]
) -> None:
    cached(cache).compute(random_panel(100, 80))
    cached(cache).compute(random_panel(100, 80))
    assert len(computed) == 1
    assert cache.statistics().hits == 1


def test_whatever_the_values_depend_on_changes_the_key(cache: FeatureCache) -> None:
    panel = random_panel(100, 80, extra=(Column("vix", Role.REFERENCE, 1),))
    pipeline = cached(cache)
    nudged = panel.actual("close").copy()
    nudged[50] = np.nextafter(nudged[50], np.inf)
    lagged = (*OHLCV, Column("vix", Role.REFERENCE, 2))
    keys = {
        "base": pipeline.key(panel),
        "one bar less": pipeline.key(panel.until(panel.time.max() - np.timedelta64(1, "D"))),
        "last bit of one close": pipeline.key(changed(panel, close=nudged)),
        "times": pipeline.key(replace(panel, time=panel.time + np.timedelta64(1, "h"))),
        "lag": pipeline.key(replace(panel, columns=lagged)),
        "names of assets": pipeline.key(replace(panel, assets=("A", "B"))),
        "order of assets": pipeline.key(panel.select(("A1", "A0"))),
        "columns": pipeline.key(only(panel, "open", "high", "low", "close")),
        "calendar": pipeline.key(replace(panel, calendar="XNYS")),
        "single precision": pipeline.key(replace(panel, values=panel.values.astype(np.float32))),
        "missing": cached(cache, missing="error").key(panel),
        "order": cached(cache, dict(reversed(FAMILIES.items()))).key(panel),
        "fewer": cached(cache, {"trend": FAMILIES["trend"]}).key(panel),
        "parameter": cached(
            cache, {**FAMILIES, "momentum": {**FAMILIES["momentum"], "cci_window": 21}}
        ).key(panel),
    }
    assert len(set(keys.values())) == len(keys)
    assert cached(cache).key(random_panel(100, 80, extra=panel.columns[5:])) == keys["base"]


def test_a_longer_panel_has_its_own_table_whose_first_rows_are_the_shorter_one_s(
    cache: FeatureCache, computed: list[Panel]
) -> None:
    panel = random_panel(120)
    shorter = panel.until(panel.time[99])
    first, second = cached(cache).compute(shorter), cached(cache).compute(panel)
    assert len(computed) == 2
    np.testing.assert_array_equal(second.values[:100], first.values)


def test_panels_without_bars_have_keys(cache: FeatureCache) -> None:
    panel = random_panel(5, 5)
    empty = panel.until(np.datetime64("1900-01-01", "ns"))
    assert cached(cache).compute(empty).values.shape[0] == 0
    assert cached(cache).key(empty) != cached(cache).key(panel)


def test_a_returned_table_cannot_be_changed(cache: FeatureCache) -> None:
    pipeline, panel = cached(cache), random_panel(50)
    for _ in range(2):
        with pytest.raises(ValueError, match="read-only"):
            pipeline.compute(panel).values[10] = 0.0


def test_a_panel_that_was_asked_about_cannot_be_changed(cache: FeatureCache) -> None:
    panel = random_panel(50)
    cached(cache).compute(panel)
    for array in (panel.values, panel.time, panel.offsets):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[1]
    panel.until(panel.time[30]).values[0] = 1.0  # a copy is its own


def test_a_panel_changed_behind_its_hash_is_an_error_and_nothing_is_kept(
    tmp_path: Path, computed: list[Panel]
) -> None:
    values = random_panel(50).values
    view = values[:]  # stays writeable
    panel = replace(random_panel(50), values=values)
    cache = FeatureCache(settings(folder=str(tmp_path)))
    assert panel.content_hash
    view[10] *= 2
    with pytest.raises(DataError, match="make a new Panel"):
        cached(cache).compute(panel)
    assert not list(tmp_path.glob("*.arrow"))
    assert cache.statistics().memory.entries == 0
    assert_same(
        cached(cache).compute(random_panel(50)),
        FeaturePipeline(FAMILIES, missing="skip").compute(random_panel(50)),
    )


def test_what_is_left_out_is_said_by_every_pipeline(
    cache: FeatureCache, caplog: pytest.LogCaptureFixture
) -> None:
    """The second pipeline's user must know it too, though nothing is computed for them."""
    panel = only(random_panel(50), "close")
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            cached(cache).compute(panel)
        (record,) = caplog.records
        assert "features left out" in record.getMessage()
    with pytest.raises(DataError, match="missing=skip"):
        cached(cache, missing="error").compute(panel)


# S0-13: one environment asks once and rightly has no hit; several of the same bars share one table.


def environment(cache: FeatureCache, bars: Panel) -> MarketData:
    config = packaged_option("target", "forward_return", horizon=3, volatility_window=10)
    return MarketData.build(
        bars,
        pipeline=cached(cache),
        target=TargetRegistry.create(config.pop("name"), **config),
        context_length=8,
        asset_identity=False,
    )


def test_one_environment_alone_has_no_hit_and_needs_none(
    cache: FeatureCache, computed: list[Panel]
) -> None:
    environment(cache, random_panel(300))
    assert len(computed) == 1
    assert (cache.statistics().requests, cache.statistics().hit_rate) == (1, 0.0)


@pytest.mark.parametrize("threads", [1, 6])
def test_of_several_environments_all_but_the_first_have_hits(
    cache: FeatureCache, computed: list[Panel], threads: int
) -> None:
    with ThreadPoolExecutor(threads) as pool:
        markets = list(pool.map(lambda _: environment(cache, random_panel(300)), range(6)))
    assert len(computed) == 1
    statistics = cache.statistics()
    assert statistics.requests == 6
    assert statistics.hit_rate == pytest.approx(5 / 6)
    assert statistics.hit_rate > 0.8  # S0-4
    for market in markets:
        np.testing.assert_array_equal(market.past, markets[0].past)


def test_environments_with_caches_of_their_own_had_no_hits_so_a_process_has_one() -> None:
    assert shared_cache(settings()) is shared_cache(settings())


def test_real_minutes_come_back_bit_for_bit(shared_data: Path, tmp_path: Path) -> None:
    bars = pd.read_parquet(shared_data / "crypto_1m" / "btcusdt_1m_2020H1.parquet").iloc[:5_000]
    time = pd.DatetimeIndex(bars.index).tz_localize(None)
    panel = Panel(
        values=bars[["open", "high", "low", "close", "volume"]].to_numpy(np.float64),
        time=time.to_numpy().astype("datetime64[ns]"),
        offsets=np.array([0, len(bars)]),
        columns=OHLCV,
        assets=("BTC",),
        frequency="1min",
        calendar="24/7",
    )
    plain = FeaturePipeline(FAMILIES, missing="skip").compute(panel)
    for _ in range(2):
        pipeline = cached(FeatureCache(settings(folder=str(tmp_path))))
        assert_same(pipeline.compute(panel), plain)
