"""The law of updates: new bars chunk by chunk give the bytes of one full computation.

Whatever the chunks, with a save and a load between any two of them; over gaps, missing values,
assets that start late, halt, resume and end, and columns that become known late. Most runs use
short blocks, so that a few hundred bars cross many of them.
"""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from regimecast.data.panel import Column, Panel
from regimecast.experiment import compose
from regimecast.features import base, blocks, indicators
from regimecast.features.base import FeatureRegistry
from regimecast.features.pipeline import FeaturePipeline, FeatureState
from tests.data.panels import OHLCV, random_panel
from tests.features.markets import packaged, sp500_panel, with_vix


@cache
def chosen(name):
    return FeaturePipeline(compose(f"features={name}")["features"], missing="skip")


@cache
def everything():
    """Every family, of the patterns a few."""
    families = {name: packaged(name) for name in FeatureRegistry.available()}
    families["patterns"]["patterns"] = families["patterns"]["patterns"][::8]
    return FeaturePipeline(families, missing="skip")


def between(panel, after, until):
    """The bars in (after, until], of those assets alone that have any; of one if none has."""
    keep = (panel.time > after) & (panel.time <= until)
    counts = np.bincount(panel.asset_of_row[keep], minlength=panel.n_assets)
    part = replace(
        panel,
        values=panel.values[keep],
        time=panel.time[keep],
        offsets=np.concatenate([[0], np.cumsum(counts)]),
    )
    names = tuple(a for a, n in zip(panel.assets, counts, strict=True) if n)
    return part.select(names or panel.assets[:1])


def assert_chunks_give_the_whole(pipeline, panel, cuts, folder=None, *, reverse=False):
    """Updates that end at each of the cuts give the rows of `compute`, bit by bit."""
    whole = pipeline.compute(panel)
    state, after = None, panel.time.min() - np.timedelta64(1, "D")
    for until in [*sorted(set(cuts)), panel.time.max()]:
        chunk = between(panel, after, until)
        if reverse:
            chunk = chunk.select(chunk.assets[::-1])
        table, state = pipeline.update(state, chunk)
        if folder is not None:
            state.save(folder)
            state = FeatureState.load(folder)
        assert table.values.shape == (chunk.n_rows, len(table.names))
        places = [whole.names.index(name) for name in table.names]
        row = 0
        for asset in chunk.assets:
            rows = panel.rows(panel.assets.index(asset))
            here = (panel.time[rows] > after) & (panel.time[rows] <= until)
            expected = whole.values[rows][here]
            found = table.values[row : row + len(expected)]
            row += len(expected)
            wrong = found.view(np.int32) != expected[:, places].view(np.int32)
            # One NaN is as good as another.
            wrong &= ~(np.isnan(found) & np.isnan(expected[:, places]))
            assert not wrong.any(), (
                [table.names[i] for i in np.flatnonzero(wrong.any(axis=0))],
                [str(t) for t in panel.time[rows][here][wrong.any(axis=1)][:3]],
            )
            rest = np.delete(expected, places, axis=1)
            assert np.isnan(rest).all()  # columns that came with the second asset
        after = until
    return state


@pytest.fixture
def short(monkeypatch):
    """Blocks of 96 bars that read one lookback before them; halts after 40 bars."""
    monkeypatch.setattr(blocks, "BLOCK", 96)
    monkeypatch.setattr(blocks, "LOOKBACKS", 1)
    monkeypatch.setattr(indicators, "LOOKBACKS", 1)
    monkeypatch.setattr(base, "_LONGEST_GAP", 40)


def ragged(seed, lengths, *, holes, lag):
    """Assets of different history with halts, missing values and bars of other days."""
    rng = np.random.default_rng(seed)
    panel = with_vix(random_panel(*lengths, seed=seed))
    values = panel.values.copy()
    for column in range(values.shape[1]):
        values[rng.random(panel.n_rows) < holes, column] = np.nan
    keep = rng.random(panel.n_rows) > 0.1 * rng.integers(0, 4, panel.n_assets)[panel.asset_of_row]
    for asset in range(panel.n_assets):  # a halt, long or short, or an end
        rows = panel.rows(asset)
        start = int(rng.integers(rows.start, rows.stop))
        keep[start : min(start + int(rng.integers(0, 90)), rows.stop)] &= rng.random() < 0.5
    counts = np.bincount(panel.asset_of_row[keep], minlength=panel.n_assets)
    return replace(
        panel,
        values=values[keep],
        time=panel.time[keep],
        offsets=np.concatenate([[0], np.cumsum(counts)]),
        columns=(*panel.columns[:-1], Column("vix", lag=lag)),
    )


@settings(
    max_examples=6,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # to shrink a panel takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 10_000),
    lengths=st.lists(st.integers(1, 450), min_size=1, max_size=3),
    holes=st.sampled_from([0.0, 0.005]),
    lag=st.integers(0, 2),
    shares=st.lists(st.floats(0, 1), max_size=4),
    reverse=st.booleans(),
)
def test_any_chunks_of_any_panel(short, tmp_path, seed, lengths, holes, lag, shares, reverse):
    panel = ragged(seed, lengths, holes=holes, lag=lag)
    assume(panel.n_rows > 0)
    moments = np.unique(panel.time)
    cuts = [moments[int(share * (len(moments) - 1))] for share in shares]
    assert_chunks_give_the_whole(everything(), panel, cuts, tmp_path, reverse=reverse)


def test_bar_by_bar(short):
    panel = ragged(3, [230, 200], holes=0.0, lag=1)
    assert_chunks_give_the_whole(
        FeaturePipeline(
            {n: packaged(n) for n in ("trend", "volume", "cross_asset", "cross_section")},
            missing="error",
        ),
        panel,
        np.unique(panel.time)[185:],
    )


def test_a_market_that_halts_resumes_and_loses_an_asset(short):
    """Relations over halts shorter and longer than what is compared, and nine assets at the end."""
    panel = random_panel(*[400] * 3, *[90] * 6, seed=2)
    day = (panel.time - panel.time.min()) // np.timedelta64(1, "D")
    asset = panel.asset_of_row
    keep = ~((asset == 0) & (day > 100) & (day <= 130))
    keep &= ~((asset == 1) & (day > 150) & (day <= 215))
    keep &= ~((asset == 2) & (day > 260))
    keep &= ~((asset > 0) & (day > 180) & (day <= 260))
    counts = np.bincount(asset[keep], minlength=panel.n_assets)
    panel = replace(
        panel,
        values=panel.values[keep],
        time=panel.time[keep],
        offsets=np.concatenate([[0], np.cumsum(counts)]),
    )
    pipeline = FeaturePipeline(
        {n: packaged(n) for n in ("cross_asset", "cross_section")}, missing="error"
    )
    moments = np.unique(panel.time)
    for step in (5, 90):
        state = assert_chunks_give_the_whole(pipeline, panel, moments[40::step], reverse=step == 5)
    assert state.bars.n_rows < panel.n_rows


@pytest.fixture(scope="module")
def bitcoin(shared_data):
    """Minutes through the crash of March 2020, with the gaps that the exchange had."""
    bars = pd.read_parquet(shared_data / "crypto_1m" / "btcusdt_1m_2020H1.parquet")
    return real(bars.iloc[98_000:123_000], "BTC")


def real(*frames_and_names):
    frames, names = frames_and_names[::2], frames_and_names[1::2]
    columns = [column.name for column in OHLCV]
    times = [_times(frame) for frame in frames]
    return Panel(
        values=np.concatenate([frame[columns].to_numpy(np.float64) for frame in frames]),
        time=np.concatenate(times),
        offsets=np.cumsum([0, *map(len, times)]),
        columns=OHLCV,
        assets=names,
        frequency="1min",
        calendar="24/7",
    )


def _times(frame):
    time = pd.DatetimeIndex(frame.index)
    return (time.tz_localize(None) if time.tz else time).to_numpy().astype("datetime64[ns]")


def test_minutes_of_a_crash(bitcoin, tmp_path):
    """Blocks as they are: one border by one bar, one chunk over two blocks, hours, a day."""
    cuts = [8_190, 8_191, 8_192, 8_193, 8_253, 8_313, 9_753, 9_753 + 9_000, 24_900, 24_999]
    state = assert_chunks_give_the_whole(
        chosen("standard"), bitcoin, bitcoin.time[np.array(cuts)], tmp_path
    )
    assert state.bars.n_rows < 2 * blocks.BLOCK


def test_days_of_the_index():
    panel = with_vix(sp500_panel(2_600))
    assert_chunks_give_the_whole(chosen("full"), panel, panel.time[[0, 1, 700, 1_900, 2_598]])


def test_perpetuals_that_start_apart(shared_data):
    frames = [
        pd.read_parquet(shared_data / "perps_1m" / f"{name}usdt_perp_1m_2025-05.parquet")
        for name in ("btc", "eth", "sol")
    ]
    panel = real(
        frames[0].iloc[:9_500], "BTC", frames[1].iloc[2_000:9_000], "ETH",
        frames[2].iloc[8_000:9_600], "SOL",
    )  # fmt: skip
    cuts = np.unique(panel.time)[[1_500, 2_000, 2_001, 8_189, 8_191, 8_251, 9_200]]
    state = assert_chunks_give_the_whole(chosen("full"), panel, cuts, reverse=True)
    assert state.bars.n_rows < panel.n_rows


def test_blocks_change_a_value_by_less_than_single_precision(bitcoin, monkeypatch):
    """What a filter would still know of the bars before its warm-up: a millionth of its spread.

    Against one block of all bars, which is TA-Lib's unbounded memory. Among the most are filters
    that adapt, whose memory is the market's, and sums that run, whose errors a block cuts short.
    """
    pipeline = chosen("full")
    panel = bitcoin.until(bitcoin.time[9_999])
    found = {}
    for size in (512, 10_000):
        monkeypatch.setattr(blocks, "BLOCK", size)
        found[size] = pipeline.compute(panel)
    table, values = found[10_000], found[512].values
    np.testing.assert_array_equal(np.isnan(values), np.isnan(table.values))
    off = np.nanmax(np.abs(values - table.values), axis=0) / np.nanstd(table.values, axis=0)
    assert {n: v for n, v in zip(table.names, off, strict=True) if v > 1e-6} == {}


def sparse(assets, share, *, seed, lag=0):
    """A share of the days of each asset, so that they seldom have a bar at the same time."""
    panel = random_panel(*[120] * assets, seed=seed)
    keep = np.random.default_rng(seed).random(panel.n_rows) < share
    counts = np.bincount(panel.asset_of_row[keep], minlength=assets)
    return replace(
        panel,
        values=panel.values[keep],
        time=panel.time[keep],
        offsets=np.concatenate([[0], np.cumsum(counts)]),
        columns=tuple(replace(column, lag=lag) for column in panel.columns),
    )


RELATIONS = {"strength_windows": [1], "comovement_window": 3, "dispersion_window": 1}
RANKS = {"return_windows": [1], "average_windows": [2], "risk_windows": [4], "most_age": 9}


def test_a_state_holds_what_was_settled_before_its_windows(short, monkeypatch):
    """Short windows of sparse bars: most of what is known of the market is older than they are.

    Alone, relations have nothing else for whose sake a state would hold more bars.
    """
    monkeypatch.setattr(blocks, "BLOCK", 8)
    alone = FeaturePipeline({"cross_asset": RELATIONS}, missing="error")
    for lag in (0, 2):
        panel = sparse(3, 0.3, seed=0, lag=lag)
        state = assert_chunks_give_the_whole(alone, panel, np.unique(panel.time))
        assert state.bars.n_rows < panel.n_rows / 2


def test_assets_that_seldom_trade_together(short, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 8)
    families = {"cross_asset": {**RELATIONS, "strength_windows": [2]}, "cross_section": RANKS}
    panel = sparse(9, 0.1, seed=1)
    assert_chunks_give_the_whole(
        FeaturePipeline(families, missing="error"), panel, np.unique(panel.time)[::2], reverse=True
    )


@pytest.mark.parametrize(("name", "values"), [("cross_asset", RELATIONS), ("cross_section", RANKS)])
def test_no_bit_depends_on_the_order_of_assets(name, values):
    """Sums of doubles over six assets round as their order has it, unless it is always the same."""
    family = FeatureRegistry.create(name, **values)
    panel = random_panel(*[60] * 6, seed=0)
    turned = family.compute(panel.select(panel.assets[::-1])).reshape(6, 60, -1)[::-1]
    np.testing.assert_array_equal(turned, family.compute(panel).reshape(6, 60, -1))
