"""Folds that train before and after their test part: nothing is fitted on bars of the others."""

import json
from dataclasses import replace

import numpy as np
import pytest

from regimecast.core.types import Interval, Intervals
from regimecast.data.datamodule import FinancialDataModule
from regimecast.data.market import MarketData
from regimecast.data.panel import Column, Panel, Role
from regimecast.data.scaling import AssetScaler, FeatureScaler
from regimecast.splits.base import Fold, SplitRegistry
from regimecast.weighting.base import SamplingRegistry, WeightingRegistry
from tests.contracts.test_truncation import labeller
from tests.data.folds import build_fold, build_market, packaged, weightings
from tests.data.panels import random_panel
from tests.data.test_datamodule import equal, everything

DAY = np.timedelta64(1, "D")


def days(*numbers: int) -> np.ndarray:
    return np.datetime64("2020-01-01", "ns") + np.array(numbers) * DAY


def intervals(*pairs: tuple[int, int]) -> Intervals:
    return Intervals(tuple(Interval(*days(*pair)) for pair in pairs))


def fold_of(market: MarketData, name: str, **changes: object) -> Fold:
    """The fold whose test part lies in the middle of the data."""
    config = packaged("split", name, **changes)
    splitter = SplitRegistry.create(config.pop("name"), **config)
    folds = splitter.split(market.samples(complete=True))
    return folds[len(folds) // 2]


def elsewhere(bars: Panel, fold: Fold) -> np.ndarray:
    """Rows that training may not see; the last ones stay, so that positions do."""
    last = np.arange(bars.n_rows) >= bars.offsets[1:][bars.asset_of_row] - 20
    return ~fold.train_interval.contains(bars.time) & ~last


@pytest.mark.parametrize("how", ["noise", "constant", "absent"])
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("purged_kfold", {"folds": 3}),
        ("purged_kfold", {"folds": 3, "purge": 3}),
        ("combinatorial_purged", {"groups": 5, "test_groups": 2, "validation": 0.15}),
    ],
)
def test_bars_of_other_parts_do_not_reach_what_is_fitted(
    name: str, changes: dict[str, object], how: str
) -> None:
    extra = (Column("news"), Column("size", Role.STATIC))
    bars = random_panel(600, 520, extra=extra)
    market = build_market(bars)
    fold = fold_of(market, name, **changes)
    assert isinstance(fold.train_interval, Intervals)
    assert len(fold.train_interval.parts) > 1
    rows = elsewhere(bars, fold)
    assert rows.sum() > 200
    values = bars.values.copy()
    kept = bars.index("size")
    columns = [i for i in range(values.shape[1]) if i != kept]
    if how == "absent":  # a close must be there, or the target refuses the bars
        columns = [i for i in columns if i != bars.index("close")]
    noise = np.exp(np.random.default_rng(9).normal(0, 0.3, (bars.n_rows, 1)))
    changed = {"noise": values * noise, "constant": values * 0 + 7.0, "absent": values * np.nan}
    values[np.ix_(rows, columns)] = changed[how][np.ix_(rows, columns)]
    other = build_market(replace(bars, values=values))
    one, two = (build_fold(m, fold, weights=weightings("recency")) for m in (market, other))
    assert one.state() == two.state()
    assert json.loads(json.dumps(one.state())) == one.state()
    assert len(one.split("train")) == len(fold.train)
    if changes.get("purge", "auto") == "auto":  # else windows look back over the border
        mine, theirs = everything(one.split("train")), everything(two.split("train"))
        assert equal(replace(mine, regime=theirs.regime), theirs)
    assert not equal(everything(one.split("test")), everything(two.split("test")))


@pytest.mark.parametrize("name", ["markov", "realised_volatility"])
def test_regimes_learn_from_several_intervals_and_label_all_bars(name: str) -> None:
    bars = random_panel(700)
    whole = Intervals(
        (Interval(bars.time[100], bars.time[300]), Interval(bars.time[450], bars.time[699]))
    )
    fitted = labeller(name).fit(bars, whole)
    outside = ~whole.contains(bars.time)
    noise = np.exp(np.random.default_rng(1).normal(0, 0.3, (bars.n_rows, 1)))
    other = replace(bars, values=np.where(outside[:, None], bars.values * noise, bars.values))
    assert labeller(name).fit(other, whole).state() == fitted.state()
    hull = labeller(name).fit(bars, Interval(whole.start, whole.end))
    assert hull.state() != fitted.state()
    # Earlier bars are labelled too: what is tested may come before what was learnt.
    before, after = (rule.label(bars)[:100] for rule in (hull, fitted))
    assert (before == -1).all()
    assert (after[30:] >= 0).all()


def test_a_scaler_learns_from_rows_whose_whole_reach_is_training() -> None:
    time = days(*range(12))
    values = np.arange(12.0)[:, None]
    since = time[np.maximum(np.arange(12) - 2, 0)]
    several = intervals((0, 3), (6, 10))
    scaler = FeatureScaler.fit(values, time, ("a",), interval=several, clip=9.0, since=since)
    assert scaler.mean[0] == pytest.approx(np.mean([0, 1, 2, 3, 8, 9, 10]))
    alone = FeatureScaler.fit(values, time, ("a",), interval=several, clip=9.0)
    assert alone.mean[0] == pytest.approx(np.mean([0, 1, 2, 3, 6, 7, 8, 9, 10]))
    # The bars before one interval are the past, whatever its first values read.
    one = FeatureScaler.fit(
        values, time, ("a",), interval=Interval(*days(6, 10)), clip=9.0, since=since
    )
    assert one.mean == 8.0
    scaler.check(time[0] - 100 * DAY)  # earlier bars are what it is for
    again = FeatureScaler.from_json(json.loads(json.dumps(scaler.to_json())))
    assert again.interval == several


def test_an_asset_is_standardised_by_all_intervals() -> None:
    bars = random_panel(12)
    series = np.arange(12.0)
    pairs = Intervals(
        (Interval(bars.time[0], bars.time[1]), Interval(bars.time[10], bars.time[11]))
    )
    scaler = AssetScaler.fit(series, bars, interval=pairs)
    assert scaler.mean.tolist() == [np.mean([0, 1, 10, 11])]
    assert scaler.to_json()["interval"] == pairs.to_json()


def test_all_origins_are_there_for_such_a_fold() -> None:
    market = build_market(random_panel(400, 300))
    fold = fold_of(market, "purged_kfold", folds=3)
    data = build_fold(market, fold)
    np.testing.assert_array_equal(data.split("all").samples.row, market.samples(complete=False).row)
    assert len(data.split("test")) == len(fold.test)
    assert (data.regime_codes[market.samples(complete=True).row[fold.test]] >= 0).mean() > 0.9


def test_sampling_draws_from_both_sides() -> None:
    market = build_market(random_panel(600, 520))
    fold = fold_of(market, "purged_kfold", folds=3)
    drawing = packaged("sampling", "balanced")
    regime = labeller("realised_volatility")
    data = FinancialDataModule(
        market,
        fold,
        number=0,
        regime=regime,
        weightings=[WeightingRegistry.create("uniform")],
        sampling=SamplingRegistry.create(drawing.pop("name"), **drawing),
        batch_size=32,
        num_workers=0,
        clip=10.0,
        seed=0,
    )
    drawn = data.split("train").samples.row
    own = data.samples.row[fold.train]
    assert np.isin(drawn, own).all()
    middle = np.median(data.samples.origin[fold.test].astype(np.int64)).astype("datetime64[ns]")
    assert 0.2 < (data.split("train").samples.origin < middle).mean() < 0.8
