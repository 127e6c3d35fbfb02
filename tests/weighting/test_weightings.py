from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from regimecast.core.config import config_folder
from regimecast.core.errors import ConfigError
from regimecast.core.types import Samples
from regimecast.weighting.base import SamplingRegistry, WeightingRegistry
from regimecast.weighting.recency import RecencyWeighting
from regimecast.weighting.uniqueness import UniquenessWeighting

MULTIPLIERS = {
    "low_volatility": 0.8,
    "normal": 1.0,
    "high_volatility": 1.3,
    "crash": 2.0,
    "recovery": 1.5,
    "unknown": 1.0,
}


@pytest.mark.parametrize("name", ["uniform", "regime", "recency", "uniqueness"])
def test_weighting_yaml_holds_the_full_signature(name):
    config = yaml.safe_load((config_folder() / "weighting" / f"{name}.yaml").read_text())
    assert list(config) == [name]
    assert list(config[name]) == list(WeightingRegistry.parameters(name))
    WeightingRegistry.create(name, **config[name])


@pytest.mark.parametrize("name", ["natural", "balanced"])
def test_sampling_yaml_holds_the_full_signature(name):
    config = yaml.safe_load((config_folder() / "sampling" / f"{name}.yaml").read_text())
    assert config.pop("name") == name
    assert list(config) == list(SamplingRegistry.parameters(name))
    SamplingRegistry.create(name, **config)


def test_regime_yaml_has_the_multipliers_of_the_requirement():
    config = yaml.safe_load((config_folder() / "weighting" / "regime.yaml").read_text())
    assert config["regime"] == MULTIPLIERS


def test_regime_multipliers_by_code(daily_samples):
    weighting = WeightingRegistry.create("regime", **{**MULTIPLIERS, "unknown": 0.5})
    codes = np.array([-1, 0, 1, 2, 3, 4], dtype=np.int8)
    weights = weighting.weigh(daily_samples(6), codes)
    assert weights.tolist() == [0.5, 0.8, 1.0, 1.3, 2.0, 1.5]


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_regime_multiplier_out_of_range(value):
    with pytest.raises(ConfigError, match=r"weighting\.regime\.crash="):
        WeightingRegistry.create("regime", **{**MULTIPLIERS, "crash": value})


def test_recency_halves_every_half_life_down_to_the_floor(daily_samples):
    codes = np.zeros(31, dtype=np.int8)
    weights = RecencyWeighting(half_life=10.0, floor=0.2).weigh(daily_samples(31), codes)
    assert weights[[30, 20, 10, 0]].tolist() == [1.0, 0.5, 0.25, 0.2]
    bare = RecencyWeighting(half_life=10.0, floor=0.0).weigh(daily_samples(31), codes)
    assert bare[0] == 0.125


def test_recency_floor_keeps_the_mass_of_old_crashes():
    # T-3: five years of days, half-life 60 days. The first year holds the crash.
    day = np.arange(5 * 365).astype("datetime64[D]").astype("datetime64[ns]")
    row = np.arange(len(day))
    samples = Samples(row, row * 0, day, day, day, row)
    codes = np.ones(len(day), dtype=np.int8)

    def mass(floor: float) -> float:
        weights = RecencyWeighting(half_life=60.0, floor=floor).weigh(samples, codes)
        return float(weights[:365].sum() / weights.sum())

    assert mass(0.0) < 1e-6
    assert mass(0.1) > 0.1


@pytest.mark.parametrize(
    "params", [{"half_life": 0.0, "floor": 0.0}, {"half_life": 1.0, "floor": 2.0}]
)
def test_recency_out_of_range(params):
    with pytest.raises(ConfigError, match=r"weighting\.recency\."):
        RecencyWeighting(**params)


def naive_uniqueness(first: list[int], last: list[int]) -> list[float]:
    spans = [range(a, b + 1) for a, b in zip(first, last, strict=True)]
    return [
        float(np.mean([1 / sum(bar in other for other in spans) for bar in span])) for span in spans
    ]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9)), min_size=1, max_size=30))
def test_uniqueness_equals_the_definition(pairs):
    first = np.array([a for a, _ in pairs])
    last = np.array([a + n for a, n in pairs])
    time = first.astype("datetime64[D]").astype("datetime64[ns]")
    samples = Samples(first, first * 0, time, time, time, last)
    weights = UniquenessWeighting().weigh(samples, np.zeros(len(first), dtype=np.int8))
    np.testing.assert_allclose(weights, naive_uniqueness(first.tolist(), last.tolist()), rtol=1e-12)


def test_uniqueness_of_assets_is_apart_and_empty_is_empty(daily_samples):
    one = daily_samples(20, label_bars=4)
    # The same dates again as a second asset: its rows follow the first asset's 24.
    both = Samples(
        *(
            np.concatenate([getattr(one, name), getattr(one, name) + shift])
            for name, shift in (
                ("row", 24),
                ("asset", 1),
                ("origin", np.timedelta64(0, "ns")),
                ("start", np.timedelta64(0, "ns")),
                ("end", np.timedelta64(0, "ns")),
                ("end_row", 24),
            )
        )
    )
    rule = UniquenessWeighting()
    alone = rule.weigh(one, np.zeros(20, dtype=np.int8))
    np.testing.assert_allclose(
        rule.weigh(both, np.zeros(40, dtype=np.int8)), np.tile(alone, 2), rtol=1e-12
    )
    assert len(rule.weigh(one.take(np.arange(0)), np.zeros(0, dtype=np.int8))) == 0


def test_uniqueness_equals_mlfinpy_on_bitcoin_minutes(shared_data: Path):
    golden = pd.read_csv(
        shared_data / "golden" / "mlfinpy_tb_btcusdt_2020H1_130k.csv.gz",
        parse_dates=["event", "t1"],
    )
    bars = pd.read_parquet(shared_data / "crypto_1m" / "btcusdt_1m_2020H1.parquet").iloc[:130_000]
    index = pd.DatetimeIndex(bars.index if bars.index.name else bars.iloc[:, 0])
    index = index.tz_localize("UTC") if index.tz is None else index
    first = index.get_indexer(pd.DatetimeIndex(golden["event"]))
    last = index.get_indexer(pd.DatetimeIndex(golden["t1"]))
    assert (first >= 0).all()
    assert (last >= 0).all()
    time = index.tz_localize(None).to_numpy().astype("datetime64[ns]")
    samples = Samples(first, first * 0, time[first], time[first], time[last], last)
    weights = UniquenessWeighting().weigh(samples, np.zeros(len(first), dtype=np.int8))
    np.testing.assert_allclose(weights, golden["tW"], rtol=1e-9)
