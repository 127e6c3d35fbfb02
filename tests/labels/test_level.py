"""Level: the series itself, in units that a fold learns on its training interval."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from regimecast.core.errors import ConfigError, DataError, LeakageError, SpecError
from regimecast.core.types import Task
from regimecast.data.datamodule import FinancialDataModule
from regimecast.data.market import MarketData
from regimecast.data.panel import Column, Panel, Role
from regimecast.data.scaling import AssetScaler
from regimecast.features.pipeline import FeaturePipeline
from regimecast.labels.base import TargetRegistry
from regimecast.regimes.base import RegimeRegistry
from regimecast.splits.base import SplitRegistry
from regimecast.weighting.base import SamplingRegistry

H, L = 3, 5


def series_panel(*lengths: int, seed: int = 0) -> Panel:
    """Loads around zero, each asset with a mean and a size of its own."""
    rng = np.random.default_rng(seed)
    last = np.datetime64("2020-06-30", "ns")
    values = [
        (asset - 1) * 10 + (asset + 1) * rng.normal(size=length).cumsum()
        for asset, length in enumerate(lengths)
    ]
    times = [last - np.arange(n)[::-1] * np.timedelta64(1, "h") for n in lengths]
    return Panel(
        values=np.concatenate(values)[:, None],
        time=np.concatenate(times),
        offsets=np.cumsum([0, *lengths]),
        columns=(Column("value", Role.TARGET_SOURCE),),
        assets=tuple(f"S{i}" for i in range(len(lengths))),
        frequency="1h",
        calendar="24/7",
    )


def level(**changes):
    return TargetRegistry.create(
        "level", **{"horizon": H, "column": None, "scale": "training", **changes}
    )


def market_of(panel: Panel, **changes) -> MarketData:
    return MarketData.build(
        panel,
        pipeline=FeaturePipeline({}, missing="error"),
        target=level(**changes),
        context_length=L,
        asset_identity=False,
    )


def fold_of(market: MarketData) -> FinancialDataModule:
    splitter = SplitRegistry.create(
        "borders", train=60, validation=20, test=None, purge=H, embargo=0
    )
    return FinancialDataModule(
        market,
        splitter.split(market.samples(complete=True))[0],
        number=0,
        regime=RegimeRegistry.create("none"),
        weightings=[],
        sampling=SamplingRegistry.create("natural"),
        batch_size=16,
        num_workers=0,
        clip=10.0,
        seed=0,
    )


def test_it_is_a_forecast_that_nothing_trades_on():
    rule = level()
    assert rule.task is Task.FORECAST
    assert rule.horizon == rule.label_bars == H
    assert not rule.tradable
    assert TargetRegistry.get("forward_return").tradable


@pytest.mark.parametrize("scale", ["training", "none"])
def test_windows_hold_the_series_and_what_follows(scale):
    panel = series_panel(100, 100)
    data = fold_of(market_of(panel, scale=scale))
    for name in ("train", "validation", "test"):
        dataset = data.split(name)
        batch = dataset.gather(torch.arange(len(dataset)))
        for position, row in enumerate(dataset.samples.row[::7]):
            asset = int(panel.asset_of_row[row])
            own = panel.actual("value")[panel.rows(asset)]
            mean, std = (own[:60].mean(), own[:60].std()) if scale == "training" else (0.0, 1.0)
            window = panel.actual("value")[row - L + 1 : row + H + 1]
            expected = (window - mean) / std
            at = 7 * position
            np.testing.assert_allclose(batch.past[at, :, 0], expected[:L], rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(batch.target[at], expected[L:], rtol=1e-5, atol=1e-6)
        assert batch.mask.all()
        assert (batch.scale == 1).all()


def test_units_are_learnt_in_training_only():
    panel = series_panel(100, 100)
    data = fold_of(market_of(panel))
    later = np.tile(np.arange(100) >= 60, 2)
    other = replace(panel, values=np.where(later[:, None], panel.values * 3 + 7, panel.values))
    assert fold_of(market_of(other)).state() == data.state()
    training = data.fold.train_interval
    assert training.end == panel.time[59]  # the last bar that a training label reads
    # As if the data had ended earlier: the same windows to the bit.
    until = data.market.until(panel.time[80])
    rows = until.samples(complete=False)
    again, first = data.at(until).split("all"), data.split("all")
    place = np.flatnonzero(np.isin(first.samples.origin, again.samples.origin))
    assert len(again) == len(rows) == len(place)
    np.testing.assert_array_equal(
        again.gather(torch.arange(len(again))).past, first.gather(torch.from_numpy(place)).past
    )


def test_outcomes_are_in_the_same_units():
    data = fold_of(market_of(series_panel(100, 100)))
    outcomes = data.outcomes("test")
    target, _ = data.split("test").targets()
    np.testing.assert_array_equal(outcomes.values, target)


def test_a_price_has_a_level_too_and_columns_can_be_named():
    panel = series_panel(50)
    prices = replace(
        panel,
        values=np.column_stack([np.exp(panel.values[:, 0] / 10), panel.values[:, 0]]),
        columns=(Column("close", Role.TARGET_SOURCE), Column("load", Role.REFERENCE)),
    )
    np.testing.assert_array_equal(level().compute(prices).series, prices.actual("close"))
    named = level(column="load").compute(prices)
    np.testing.assert_array_equal(named.series, panel.actual("value"))
    assert (named.end_row[:-H] == np.arange(H, 50)).all()
    assert (named.end_row[-H:] == -1).all()


def test_refusals():
    panel = series_panel(50)
    with pytest.raises(ConfigError, match=r"level\.horizon=0"):
        level(horizon=0)
    with pytest.raises(ConfigError, match="scale='train' must be one of training, none"):
        level(scale="train")
    with pytest.raises(DataError, match="no column 'lod'"):
        level(column="lod").compute(panel)
    late = replace(panel, columns=(Column("value", Role.TARGET_SOURCE, lag=2),))
    with pytest.raises(DataError, match="known 2 bars late"):
        level().compute(late)
    holey = replace(panel, values=np.where(np.arange(50)[:, None] == 7, np.nan, panel.values))
    with pytest.raises(DataError, match="1 missing values, the first of 'S0' at 2020-06-28T06"):
        level().compute(holey)
    with pytest.raises(DataError, match="no column 'close'"):
        TargetRegistry.create(
            "forward_return", horizon=3, scale="none", volatility_window=5, volatility_floor=1e-4
        ).compute(panel)


def test_an_asset_without_training_bars_has_no_units():
    market = market_of(series_panel(100, 30))
    with pytest.raises(DataError, match=r"no bar of S1 from .* target\.scale=none"):
        fold_of(market).split("train")


def test_asset_scaler_equals_numpy_and_knows_its_assets():
    panel = series_panel(40, 60)
    interval = fold_of(market_of(series_panel(100))).fold.train_interval
    interval = replace(interval, start=panel.time[0], end=panel.time[20])
    scaler = AssetScaler.fit(panel.actual("value"), panel, interval=interval)
    for asset in (0, 1):
        rows = panel.rows(asset)
        inside = (panel.time[rows] >= interval.start) & (panel.time[rows] <= interval.end)
        own = panel.actual("value")[rows][inside]
        assert scaler.mean[asset] == pytest.approx(own.mean())
        assert scaler.std[asset] == pytest.approx(own.std())
    swapped = panel.select(("S1", "S0"))
    np.testing.assert_array_equal(
        scaler.scale(swapped.actual("value"), swapped)[:60],
        scaler.scale(panel.actual("value"), panel)[40:],
    )
    flat = replace(panel, values=np.full_like(panel.values, 5.0))
    constant = AssetScaler.fit(flat.actual("value"), flat, interval=interval)
    np.testing.assert_array_equal(constant.scale(flat.actual("value"), flat), 0.0)
    with pytest.raises(SpecError, match="cannot be on 'new'"):
        scaler.scale(panel.actual("value"), replace(panel, assets=("S0", "new")))


def test_windows_before_training_are_refused():
    data = fold_of(market_of(series_panel(100, 100)))
    early = replace(data.fold, test=np.arange(5))
    assert data.split("train").samples.start.min() == data.fold.train_interval.start
    late = replace(
        early,
        train_interval=replace(
            early.train_interval, start=early.train_interval.start + np.timedelta64(3, "h")
        ),
    )
    other = FinancialDataModule(
        data.market,
        late,
        number=0,
        regime=RegimeRegistry.create("none"),
        weightings=[],
        sampling=SamplingRegistry.create("natural"),
        batch_size=16,
        num_workers=0,
        clip=10.0,
        seed=0,
    )
    with pytest.raises(LeakageError, match="use the future"):
        other.split("test")
