"""Nothing at t depends on anything after t: data that end at t give the same bits up to t.

Every feature family, target, regime labeller and conformal method of the registries with its
packaged parameters, on two assets; data with histories of different length and columns of every
role, daily and hourly.
"""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from regimecast.core.types import Interval, Task
from regimecast.data.calendars import ALWAYS_OPEN, expected_times
from regimecast.data.datamodule import FinancialDataModule
from regimecast.data.market import MarketData
from regimecast.data.panel import Column, Panel, Role
from regimecast.features.base import FeatureRegistry
from regimecast.features.pipeline import FeaturePipeline
from regimecast.labels.base import TargetRegistry
from regimecast.regimes.base import RegimeLabeller, RegimeRegistry
from regimecast.splits.base import SplitRegistry
from regimecast.weighting.base import SamplingRegistry, WeightingRegistry
from tests.contracts.builders import learnable_panel, packaged
from tests.data.panels import OHLCV
from tests.evaluation.conformal.records import METHODS, method, noisy

BARS = 848
LATE, GONE = 330, 768
"""The second asset's first bar and the bar after its last."""

CUTS = {
    "before the second asset": 325,
    "at its first bar": LATE,
    "in training": 540,
    "in the test part": 750,
    "after its last bar": 808,
    "at the last bar but one": BARS - 2,
    "at the end": BARS - 1,
}

MARKETS = {"daily": ("XNYS", "1D"), "hourly": (ALWAYS_OPEN, "1h")}

EXTRA = (
    Column("vix", Role.PAST, lag=1),
    Column("news", Role.PAST),
    Column("auction", Role.KNOWN),
    Column("size", Role.STATIC),
)


@cache
def panel(kind: str, *, known_ahead: bool) -> Panel:
    """Two assets, the second listed later and gone earlier, with columns of every role."""
    calendar, frequency = MARKETS[kind]
    start = np.datetime64("2018-01-01", "ns")
    times = expected_times(calendar, frequency, start, start + np.timedelta64(1500, "D"))[:BARS]
    first, second = slice(0, BARS), slice(LATE, GONE)
    prices = learnable_panel(BARS, BARS).values
    rng = np.random.default_rng(3)
    calm = np.repeat([1.0, 2.5, 1.0, 2.0], BARS // 4)
    vix = 14 * calm * np.exp(rng.normal(0, 0.1, BARS))
    news = np.where(rng.random(BARS) < 0.1, np.nan, rng.normal(size=BARS))
    auction = (np.arange(BARS) % 21 == 0).astype(float)
    parts = [
        np.column_stack(
            [prices[asset * BARS : (asset + 1) * BARS], vix, news, auction, np.full(BARS, size)]
        )[rows]
        for asset, (rows, size) in enumerate([(first, 2.0), (second, 7.0)])
    ]
    columns = (*OHLCV, *EXTRA)
    keep = [i for i, column in enumerate(columns) if known_ahead or column.role is not Role.KNOWN]
    return Panel(
        values=np.concatenate(parts)[:, keep],
        time=np.concatenate([times[first], times[second]]),
        offsets=np.array([0, BARS, BARS + GONE - LATE]),
        columns=tuple(columns[i] for i in keep),
        assets=("OLD", "NEW"),
        frequency=frequency,
        calendar=calendar,
    )


def all_features() -> dict[str, Any]:
    return {name: packaged("features", name)[name] for name in FeatureRegistry.available()}


@cache
def fold(kind: str, target: str, *, known_ahead: bool) -> FinancialDataModule:
    """The market with every feature, and what was fitted on its first part."""
    config = packaged("target", target)
    market = MarketData.build(
        panel(kind, known_ahead=known_ahead),
        pipeline=FeaturePipeline(all_features(), missing="error"),
        target=TargetRegistry.create(config.pop("name"), **config),
        context_length=16,
        asset_identity=True,
    )
    splitter = SplitRegistry.create(
        "holdout",
        train=0.6,
        validation=0.2,
        test=0.2,
        purge=market.target_rule.label_bars,
        embargo=0,
    )
    return FinancialDataModule(
        market,
        splitter.split(market.samples(complete=True))[0],
        number=0,
        regime=labeller("realised_volatility"),
        weightings=[WeightingRegistry.create("uniform")],
        sampling=SamplingRegistry.create("natural"),
        batch_size=32,
        num_workers=0,
        clip=10.0,
        seed=0,
    )


def labeller(name: str) -> RegimeLabeller:
    config = packaged("regime", name)
    if "minimum" in config:
        config["minimum"] = 100
    return RegimeRegistry.create(config.pop("name"), **config)


def cut_time(cut: str, kind: str) -> np.datetime64:
    return panel(kind, known_ahead=False).time[CUTS[cut]]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("target", TargetRegistry.available())
@pytest.mark.parametrize("kind", MARKETS)
@pytest.mark.parametrize("known_ahead", [False, True], ids=["", "scheduled"])
def test_windows_keep_their_bits(kind: str, target: str, cut: str, known_ahead: bool) -> None:
    data, end = fold(kind, target, known_ahead=known_ahead), cut_time(cut, kind)
    shorter = data.at(data.market.until(end))
    whole, part = data.split("all"), shorter.split("all")

    # Origins: the same up to t; with scheduled columns those whose bars ahead are there.
    horizon = data.spec.horizon if known_ahead else 0
    ahead = whole.samples.row + horizon
    inside = (ahead <= data.market.last_row[whole.samples.row]) & (
        data.market.bars.time[np.minimum(ahead, len(data.market.bars.time) - 1)] <= end
    )
    places = np.flatnonzero(inside)
    assert len(places) > 0
    for field in ("origin", "asset", "start"):
        np.testing.assert_array_equal(
            getattr(part.samples, field), getattr(whole.samples, field)[places], err_msg=field
        )

    expected = whole.gather(torch.from_numpy(places))
    found = part.gather(torch.arange(len(part)))
    for field in ("past", "known", "static", "scale", "regime", "asset"):
        assert torch.equal(getattr(found, field), getattr(expected, field)), field

    # Targets: what is known at t is what it will be; what is not is beyond t.
    assert not (found.mask & ~expected.mask).any()
    assert torch.equal(found.target[found.mask], expected.target[found.mask])
    gone = (expected.mask & ~found.mask).any(dim=1).numpy()
    complete = data.market.target.complete[whole.samples.row[places]]
    assert (whole.samples.end[places][gone & complete] > end).all()


def test_what_follows_is_in_the_windows_of_a_scheduled_column() -> None:
    """The one exception is meant: a column declared as known ahead is read ahead."""
    data = fold("daily", "forward_return", known_ahead=True)
    spec, samples = data.spec, data.split("all").samples
    assert spec.known[-1] == "auction"
    batch = data.split("all").gather(torch.arange(len(samples)))
    values = data.market.bars.actual("auction")[samples.row + 1]
    ahead = batch.known[:, spec.context_length, -1].numpy()
    assert len(np.unique(ahead)) == len(np.unique(values)) == 2
    np.testing.assert_array_equal(ahead > 0, values > 0)


@pytest.mark.parametrize("kind", MARKETS)
@pytest.mark.parametrize("name", RegimeRegistry.available())
def test_regimes_keep_their_codes(name: str, kind: str) -> None:
    bars = panel(kind, known_ahead=False)
    fitted = labeller(name).fit(bars, Interval(bars.time[0], bars.time[550]))
    codes = fitted.label(bars)
    assert name == "none" or len(np.unique(codes)) > 2
    for cut in CUTS:
        end = cut_time(cut, kind)
        np.testing.assert_array_equal(fitted.label(bars.until(end)), codes[bars.time <= end])


@pytest.mark.parametrize("name", RegimeRegistry.available())
def test_regimes_learn_nothing_from_later_bars(name: str) -> None:
    bars = panel("daily", known_ahead=False)
    interval = Interval(bars.time[0], bars.time[550])
    fitted = labeller(name).fit(bars, interval).state()
    later = bars.time > interval.end
    other = replace(bars, values=np.where(later[:, None], bars.values * 1.5, bars.values))
    assert labeller(name).fit(other, interval).state() == fitted
    assert labeller(name).fit(bars.until(interval.end), interval).state() == fitted


@pytest.mark.parametrize("target", TargetRegistry.available())
def test_targets_end_where_they_say(target: str) -> None:
    """Bars after `end_row` do not matter to a complete target."""
    bars = panel("daily", known_ahead=False)
    config = packaged("target", target)
    rule = TargetRegistry.create(config.pop("name"), **config)
    series = rule.compute(bars)
    label = series.label if series.task is Task.CLASSIFICATION else None
    for row in (200, 333, 500):
        last = int(series.end_row[row])
        assert row < last <= row + rule.label_bars
        cut = rule.compute(bars.until(bars.time[last]))
        assert cut.end_row[row] == last
        assert cut.scale[row] == series.scale[row]
        if label is not None and cut.label is not None:
            assert cut.label[row] == label[row]
        before = rule.compute(bars.until(bars.time[last - 1]))
        assert before.end_row[row] == -1


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("per_asset", [False, True])
def test_calibrated_quantiles_keep_their_bits(name: str, per_asset: bool) -> None:
    """What happens after t, and what is forecast after t, changes no interval up to t."""
    rule = method(name, per_asset=per_asset)
    past, now = noisy(0, 100, horizon=3), noisy(1, 300, horizon=3, start=200)
    origin = now.forecast.origin
    expected = rule.calibrated(past, now).forecast.values
    learns = name in {"aci", "dtaci", "enbpi"}
    for day in (1, 2, 60, 150, 299):
        cut = np.unique(origin)[day]
        until = origin <= cut
        np.testing.assert_array_equal(
            rule.calibrated(past, now.take(until)).forecast.values, expected[until]
        )
        known = now.time[now.row[:, None] + np.arange(1, 4)] <= cut.astype(np.int64)
        for later in (np.nan, 1e6, -1e6):
            actual = np.where(known, now.outcomes.values, later)
            mask = now.outcomes.mask & (known | ~np.isnan(later))
            other = replace(now, outcomes=replace(now.outcomes, values=actual, mask=mask))
            found = rule.calibrated(past, other).forecast.values
            np.testing.assert_array_equal(found[until], expected[until])
            if learns and day == 60:
                assert (found[~until] != expected[~until]).any()
