"""Which origins there are, which bars each reads, and what a market refuses."""

import pickle
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from regimecast.core.errors import DataError
from regimecast.core.types import Samples, Task
from regimecast.data.market import MarketData
from regimecast.data.panel import Column, Panel, Role
from tests.data.folds import build_fold, build_market
from tests.data.panels import random_panel

LOOKBACK, CONTEXT, HORIZON = 15, 8, 3


@pytest.fixture(scope="module")
def market() -> MarketData:
    return build_market(random_panel(120, 60))


def test_samples_are_sent_with_all_that_is_theirs(market: MarketData) -> None:
    made = market.samples(complete=True).take(np.arange(5, 50, 3))
    sent = pickle.loads(pickle.dumps(made))
    assert type(sent) is Samples
    for field in fields(Samples):
        np.testing.assert_array_equal(getattr(sent, field.name), getattr(made, field.name))


@pytest.mark.parametrize("complete", [True, False])
def test_samples_equal_a_walk_over_the_bars(market: MarketData, complete: bool) -> None:
    assert market.lookback == LOOKBACK
    expected = []
    for asset in range(2):
        rows = range(*market.bars.offsets[asset : asset + 2])
        for row in rows[LOOKBACK + CONTEXT - 1 :]:
            has_future = row + HORIZON in rows
            if has_future or not complete:
                end = row + HORIZON if has_future else row
                expected.append((row, asset, row - (CONTEXT - 1) - LOOKBACK, end))
    samples = market.samples(complete=complete)
    row, asset, start, end = (np.array(column) for column in zip(*expected, strict=True))
    time = market.bars.time
    np.testing.assert_array_equal(samples.row, row)
    np.testing.assert_array_equal(samples.asset, asset)
    np.testing.assert_array_equal(samples.origin, time[row])
    np.testing.assert_array_equal(samples.start, time[start])
    np.testing.assert_array_equal(samples.end, time[end])
    np.testing.assert_array_equal(samples.end_row, end)


def test_triple_barrier_samples_end_where_the_barrier_was_met() -> None:
    market = build_market(random_panel(120), target="triple_barrier")
    samples = market.samples(complete=True)
    reach = samples.end_row - samples.row
    assert reach.min() >= 1
    assert reach.max() <= HORIZON
    assert len(np.unique(reach)) > 1
    np.testing.assert_array_equal(samples.end, market.bars.time[samples.end_row])
    assert market.spec.task is Task.CLASSIFICATION
    assert market.spec.horizon == 1


@pytest.mark.parametrize("target", ["forward_return", "triple_barrier"])
def test_a_window_reads_its_interval_and_nothing_else(target: str) -> None:
    """Other bars outside [start, end] leave the batch as it was."""
    bars = random_panel(120, 60)
    market = build_market(bars, target=target)
    data = build_fold(market)
    dataset = data.split("all")
    rng = np.random.default_rng(1)
    for position in (0, 40, 75, 95):
        one = dataset.samples.take(np.array([position]))
        outside = (
            (bars.time < one.start[0])
            | (bars.time > one.end[0])
            | (bars.asset_of_row != one.asset[0])
        )
        noise = np.exp(rng.normal(0, 0.2, (bars.n_rows, 1)))
        changed = replace(bars, values=np.where(outside[:, None], bars.values * noise, bars.values))
        other = data.at(build_market(changed, target=target)).split("all")
        place = np.flatnonzero(other.samples.row == one.row[0])
        before, after = dataset[position], other.gather(torch.from_numpy(place))
        complete = bool(market.target.complete[one.row[0]])
        for field in ("past", "known", "static", "scale", *(["target"] if complete else [])):
            assert torch.equal(getattr(before, field), getattr(after, field)), field


def test_known_channels_are_those_of_each_bar_time(market: MarketData) -> None:
    at_bars = market.known[market.known_index]
    np.testing.assert_array_equal(at_bars, market.pipeline.known(market.bars.time, "24/7"))
    # Enough grid after the last bar for every origin's horizon.
    assert market.known_index.max() + HORIZON < len(market.known)


def test_a_bar_outside_the_calendar_counts_as_the_session_before_it() -> None:
    bars = replace(random_panel(60), calendar="XNYS")
    saturday = bars.time.astype("datetime64[D]").astype(int) % 7 == 2  # 1970-01-01: a Thursday
    saturday[0] = False  # before the first session
    market = build_market(bars)
    assert (market.known_index[saturday] == market.known_index[np.flatnonzero(saturday) - 1]).all()
    assert (np.diff(market.known_index) >= 0).all()


def test_the_grid_goes_on_as_it_was_scheduled() -> None:
    """Bars until 10 September 2001 and after: the 11th was expected, and stays on the grid."""
    bars = build_market(random_panel(60)).bars
    shift = np.datetime64("2001-09-10", "ns") - bars.time[39]
    time = bars.time + shift
    sessions = np.is_busday(time.astype("datetime64[D]"))
    sessions &= (time <= np.datetime64("2001-09-10")) | (time >= np.datetime64("2001-09-17"))
    later = replace(
        bars,
        values=bars.values[sessions],
        time=time[sessions],
        offsets=np.array([0, sessions.sum()]),
        calendar="XNYS",
    )
    market = build_market(later)
    before = int(np.flatnonzero(later.time == np.datetime64("2001-09-10"))[0])
    steps = market.known_index[before] + np.arange(1, HORIZON + 1)
    expected = np.array(["2001-09-11", "2001-09-12", "2001-09-13"], dtype="datetime64[ns]")
    np.testing.assert_array_equal(market.known[steps], market.pipeline.known(expected, "XNYS"))
    # The next bar was on the 17th: four scheduled days lie between.
    assert market.known_index[before + 1] == market.known_index[before] + 5
    at_bars = market.known[market.known_index]
    np.testing.assert_array_equal(at_bars[25:], market.pipeline.known(later.time, "XNYS")[25:])


@pytest.mark.parametrize("target", ["forward_return", "triple_barrier"])
def test_no_future_decides_whether_an_origin_counts(target: str) -> None:
    """With a steep end, barriers are met before the horizon ends; still no last row counts."""
    bars = random_panel(120, 60)
    for asset in range(2):
        last = bars.rows(asset).stop - 1
        bars.values[last - HORIZON + 1 : last + 1, :4] *= np.exp(0.5 * np.arange(1, HORIZON + 1))[
            :, None
        ]
    market = build_market(bars, target=target)
    early = market.target.complete[119 - HORIZON + 1 : 119]
    assert early.any() == (target == "triple_barrier")
    samples = market.samples(complete=True)
    for asset in range(2):
        last = bars.rows(asset).stop - 1
        assert samples.row[samples.asset == asset].max() == last - HORIZON


def test_an_infinity_of_the_source_is_a_missing_value() -> None:
    extra = (Column("news"), Column("auction", Role.KNOWN))
    bars = random_panel(90, extra=extra)
    holed, infinite = bars.values.copy(), bars.values.copy()
    holed[[30, 40], [-1, -2]] = np.nan
    infinite[[30, 40], [-1, -2]] = np.inf
    markets = [build_market(replace(bars, values=values)) for values in (holed, infinite)]
    batches = []
    for market in markets:
        dataset = build_fold(market).split("all")
        batches.append(dataset.gather(torch.arange(len(dataset))))
    for field in ("past", "known", "static"):
        assert torch.equal(getattr(batches[0], field), getattr(batches[1], field)), field
    assert batches[1].past[..., -1].std() > 0.5


def test_a_static_column_has_one_value_per_asset() -> None:
    bars = random_panel(80, 50, extra=(Column("size", Role.STATIC),))
    bars.values[:, -1] = [*[3.0] * 80, *[7.0] * 50]
    bars.values[[0, 90], -1] = [np.nan, np.inf]
    assert build_market(bars, identity=False).static.tolist() == [[3.0], [7.0]]
    bars.values[100, -1] = 8.0
    with pytest.raises(DataError, match=r"'size'.*static.*'A1' it is 7.0 and, at 2020.*8.0.*past"):
        build_market(bars)


def test_channels_by_role() -> None:
    extra = (
        Column("news", Role.PAST, lag=2),
        Column("auction", Role.KNOWN),
        Column("size", Role.STATIC),
    )
    bars = random_panel(80, 50, extra=extra)
    market = build_market(bars)
    assert market.spec.past[0] == "history"
    assert market.spec.past[-1] == "news"
    assert market.spec.known[-1] == "auction"
    assert market.spec.static == ("size", "asset=A0", "asset=A1")
    np.testing.assert_array_equal(market.past[2:80, -1], bars.actual("news")[:78].astype("f4"))
    assert np.isnan(market.past[[0, 1, 80, 81], -1]).all()
    np.testing.assert_array_equal(market.scheduled[:, 0], bars.actual("auction").astype("f4"))
    np.testing.assert_array_equal(market.static[:, 0], bars.actual("size")[[0, 80]].astype("f4"))
    np.testing.assert_array_equal(market.static[:, 1:], np.eye(2))
    assert build_market(bars, identity=False).spec.static == ("size",)


def test_scheduled_columns_need_their_bars_ahead() -> None:
    bars = random_panel(80, extra=(Column("auction", Role.KNOWN),))
    assert build_market(bars).samples(complete=False).row.max() == 79 - HORIZON


def test_one_asset_has_no_indicator() -> None:
    assert build_market(random_panel(60)).spec.static == ()


def test_an_asset_that_is_too_short_is_left_out() -> None:
    assert set(build_market(random_panel(60, 12)).samples(complete=False).asset) == {0}


def test_too_short_a_series_says_how_many_bars_it_takes() -> None:
    needed = LOOKBACK + CONTEXT + HORIZON
    with pytest.raises(DataError, match=rf"so {needed} bars are needed; .* asset has 20"):
        build_market(random_panel(20, 11))
    assert len(build_market(random_panel(needed)).samples(complete=True)) == 1


def test_a_column_without_values_is_named() -> None:
    bars = random_panel(60, extra=(Column("news"),))
    values = bars.values.copy()
    values[:, -1] = np.nan
    with pytest.raises(DataError, match="without any value: news"):
        build_market(replace(bars, values=values))


def test_data_may_end_before_a_column_starts() -> None:
    bars = random_panel(60, extra=(Column("news"),))
    values = bars.values.copy()
    values[:50, -1] = np.nan
    market = build_market(replace(bars, values=values))
    earlier = market.until(bars.time[45])
    rows = np.arange(earlier.bars.n_rows)
    np.testing.assert_array_equal(earlier.past[rows], market.past[rows])


def test_a_column_may_not_have_the_name_of_a_feature() -> None:
    with pytest.raises(DataError, match=r"candle_body.*names of features"):
        build_market(random_panel(60, extra=(Column("candle_body"),)))


def test_until_is_the_market_of_fewer_bars(market: MarketData) -> None:
    end = market.bars.time[100]
    shorter = market.until(end)
    assert shorter.bars.time.max() == end
    assert shorter.spec.differences(market.spec) == []
    assert set(shorter.samples(complete=False).origin) == {
        origin for origin in market.samples(complete=False).origin if origin <= end
    }


def test_features_follow_the_content(market: MarketData) -> None:
    def changed(column: str) -> Panel:
        values = market.bars.values.copy()
        values[50, market.bars.index(column)] *= 1.001
        return replace(market.bars, values=values)

    def features(market: MarketData) -> bytes:
        return market.past.tobytes() + market.known.tobytes()

    assert features(build_market(market.bars)) == features(market)
    close, volume = (build_market(changed(name)) for name in ("close", "volume"))
    assert features(close) != features(market) == features(volume)
    assert close.pipeline.version == market.pipeline.version
