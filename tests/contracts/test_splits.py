"""What every splitter of the registry keeps, with its packaged parameters."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from regimecast.core.types import Interval, Intervals, training_time
from regimecast.data.market import MarketData
from regimecast.features.pipeline import FeaturePipeline
from regimecast.labels.base import TargetRegistry
from regimecast.splits.base import Fold, SplitRegistry, Splitter
from tests.contracts.builders import packaged
from tests.data.folds import build_fold
from tests.data.panels import random_panel

PARTS = ("train", "validation", "test")

CRASH = {"regime": "crash", "weight": 1}

GIVEN = {
    "borders": {"train": 600, "validation": 200},
    "leave_one_event_out": {
        "events": [
            {"name": "a", "start": "2018-12-01", "end": "2018-12-31", **CRASH},
            {"name": "b", "start": "2019-06-01", "end": "2019-07-15", **CRASH},
        ]
    },
}
"""Where the packaged parameters are for other data."""

BARS = random_panel(1000, 800)


def splitter(name: str) -> Splitter:
    config = {**packaged("split", name), **GIVEN.get(name, {})}
    return SplitRegistry.create(config.pop("name"), **config)


@pytest.fixture(scope="module")
def market() -> MarketData:
    target = {**packaged("target", "forward_return"), "horizon": 3, "volatility_window": 10}
    return MarketData.build(
        BARS,
        pipeline=FeaturePipeline(packaged("features", "candles"), missing="error"),
        target=TargetRegistry.create(target.pop("name"), **target),
        context_length=8,
        asset_identity=True,
    )


def folds_of(name: str, market: MarketData) -> list[Fold]:
    rule = splitter(name)
    rule.check(label_bars=market.target_rule.label_bars)
    return rule.split(market.samples(complete=True))


@pytest.mark.parametrize("name", SplitRegistry.available())
def test_no_bar_is_read_by_two_parts(name: str, market: MarketData) -> None:
    samples = market.samples(complete=True)
    for fold in folds_of(name, market):
        for part in PARTS:
            assert len(getattr(fold, part)) > 0
            assert (np.diff(getattr(fold, part)) > 0).all()
        for one, other in combinations(PARTS, 2):
            a, b = samples.take(getattr(fold, one)), samples.take(getattr(fold, other))
            assert not ((a.start[:, None] <= b.end) & (a.end[:, None] >= b.start)).any()
        assert fold.purged >= fold.purged_validation >= 0


@pytest.mark.parametrize("name", SplitRegistry.available())
def test_all_assets_are_cut_at_the_same_times(name: str, market: MarketData) -> None:
    samples = market.samples(complete=True)
    for fold in folds_of(name, market):
        for part in PARTS:
            times = set(samples.origin[getattr(fold, part)].tolist())
            for other in set(PARTS) - {part}:
                assert not times & set(samples.origin[getattr(fold, other)].tolist())


@pytest.mark.parametrize("name", SplitRegistry.available())
def test_a_fold_says_whether_what_it_judges_comes_later(name: str, market: MarketData) -> None:
    samples = market.samples(complete=True)
    rule = splitter(name)
    for fold in folds_of(name, market):
        assert fold.chronological == rule.chronological
        interval = fold.train_interval
        assert isinstance(interval, Interval if rule.chronological else Intervals)
        assert training_time(interval.to_json()) == interval
        train = samples.take(fold.train)
        assert interval.contains(train.start).all()
        assert interval.contains(train.end).all()
        later = samples.take(np.concatenate([fold.validation, fold.test]))
        assert not interval.contains(later.start).any()
        assert not interval.contains(later.end).any()
        if rule.chronological:
            assert train.origin.max() < later.origin.min()
            assert samples.origin[fold.validation].max() < samples.origin[fold.test].min()


@pytest.mark.parametrize("name", SplitRegistry.available())
def test_the_same_samples_make_the_same_folds(name: str, market: MarketData) -> None:
    for one, other in zip(folds_of(name, market), folds_of(name, market), strict=True):
        assert all(np.array_equal(getattr(one, part), getattr(other, part)) for part in PARTS)
        assert one.train_interval == other.train_interval
        assert one.event == other.event


@pytest.mark.parametrize("name", SplitRegistry.available())
def test_nothing_is_fitted_on_bars_of_validation_or_test(name: str, market: MarketData) -> None:
    samples = market.samples(complete=True)
    folds = folds_of(name, market)
    for fold in {0: folds[0], 1: folds[len(folds) // 2], 2: folds[-1]}.values():
        judged = samples.take(np.concatenate([fold.validation, fold.test]))
        times = np.unique(BARS.time)
        read = np.zeros(len(times) + 1, dtype=np.int64)
        np.add.at(read, np.searchsorted(times, judged.start), 1)
        np.add.at(read, np.searchsorted(times, judged.end) + 1, -1)
        rows = (np.cumsum(read)[:-1] > 0)[np.searchsorted(times, BARS.time)]
        last = np.arange(BARS.n_rows) >= BARS.offsets[1:][BARS.asset_of_row] - 10
        noise = np.exp(np.random.default_rng(9).normal(0, 0.3, (BARS.n_rows, 1)))
        values = np.where((rows & ~last)[:, None], BARS.values * noise, BARS.values)
        other = market.on(replace(BARS, values=values))
        assert rows.any()
        assert build_fold(market, fold).state() == build_fold(other, fold).state()
