from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regimecast.core.errors import DataError, SpecError
from regimecast.data.panel import Panel
from regimecast.evaluation.backtest import BacktestResult, backtest, decision_spacing
from regimecast.evaluation.costs import CostModel
from regimecast.evaluation.trading_metrics import break_even_bps, total_return, trading_metrics
from tests.evaluation.samples import DEAR, FREE, days, make_panel, random_panel

TEN = CostModel(name="ten", commission_bps=10.0, slippage_bps=0.0, borrow_bps_per_year=0.0)


def test_hand_worked_example_with_opens():
    """Long decided on day 0, short on day 1, nothing on day 2; ten basis points a side."""
    panel = make_panel([[100, 104, 100, 99]], [[100, 102, 105, 98]])
    result = backtest(np.array([1.0, -1.0]), np.array([0, 1]), panel, cost=TEN, bars_per_year=252.0)
    expected = [
        0.999 * 104 / 102 - 1,  # bought at 102
        105 / 104 * 0.998 * (2 - 100 / 105) - 1,  # sold at 105 and sold short: two sides
        (2 - 98 / 100) * 0.999 - 1,  # bought back at 98
    ]
    np.testing.assert_allclose(result.net, expected, rtol=1e-14)
    np.testing.assert_allclose(
        result.gross, [104 / 102 - 1, 105 / 104 * (2 - 100 / 105) - 1, 0.02], rtol=1e-13
    )
    assert result.turnover.tolist() == [1, 2, 1]
    assert result.exposure.tolist() == [1, 1, 0]
    assert (result.time == days(3, 1)).all()
    trades = result.trades
    np.testing.assert_allclose(
        trades.net,
        [
            0.999 * 104 / 102 * 105 / 104 * 0.999 - 1,
            0.999 * (2 - 100 / 105) * (2 - 98 / 100) * 0.999 - 1,
        ],
        rtol=1e-14,
    )
    assert trades.side.tolist() == [1, -1]
    assert (trades.entry == days(2, 1)).all()
    assert (trades.exit == days(2, 2)).all()


def test_hand_worked_example_without_opens():
    """Decided on day 0 at 100, filled on day 1 at 110: the first rise is not earned."""
    panel = make_panel([[100, 110, 121, 133.1, 120]])
    result = backtest(np.ones(2), np.array([0, 1]), panel, cost=TEN, bars_per_year=252.0)
    np.testing.assert_allclose(result.net, [-0.001, 0.1, 1.1 * 0.999 - 1], rtol=1e-12)
    assert result.turnover.tolist() == [1, 0, 1]


def test_an_open_that_repeats_the_close_is_no_price_to_trade_at():
    """Long decided at 100; the open of the next bar is 100 again, so that 104 is paid."""
    panel = make_panel([[100, 104, 110, 121, 99]], [[100, 100, 106, 110 + 1e-8, 98]])
    result = backtest(np.ones(2), np.arange(2), panel, cost=TEN, bars_per_year=252.0, hold=1)
    expected = [
        -0.001,  # bought at the close of 104: the rise from 100 is not earned
        110 / 104 - 1,
        121 / 110 * 0.999 - 1,  # sold at 121: the open of 110 is the close before, but for rounding
    ]
    np.testing.assert_allclose(result.net, expected, rtol=1e-12)
    assert result.turnover.tolist() == [1, 0, 1]
    assert result.fills_at_close == 1.0
    assert trading_metrics(result)["fills_at_close"] == 1.0

    # An open of its own is traded at, however near.
    panel = make_panel([[100, 104, 110, 121, 99]], [[100, 100.01, 106, 110, 98]])
    result = backtest(np.ones(2), np.arange(2), panel, cost=FREE, bars_per_year=252.0, hold=1)
    assert result.net[0] == pytest.approx(104 / 100.01 - 1)
    assert result.fills_at_close == 0.5

    flat = backtest(np.zeros(2), np.arange(2), panel, cost=FREE, bars_per_year=252.0)
    assert flat.fills_at_close is None


def test_a_repeated_open_gives_no_foresight(shared_data: Path):
    """A rule that buys what will close higher, decided on half of such bars, must not be paid."""
    table = pd.read_parquet(shared_data / "daily" / "spx_vix_1990_2023.parquet")
    table = table.loc[:, ["close", "open"]].dropna()
    panel = make_panel([table["close"].tolist()], [table["open"].tolist()])
    close, opened = table["close"].to_numpy(), table["open"].to_numpy()
    repeated = np.flatnonzero(opened[1:] == close[:-1])
    assert len(repeated) > 2000  # the open of the next bar is the decision's close
    result = backtest(
        np.ones(len(repeated)), repeated, panel, cost=FREE, bars_per_year=252.0, hold=1
    )
    assert result.fills_at_close is not None
    at = np.searchsorted(panel.time[1:], result.time)
    entered = np.isin(at, repeated) & (result.turnover == 1) & (result.exposure == 1)
    assert entered.sum() > 500
    assert not result.net[entered].any()  # bought at that bar's close


def test_hand_worked_liquidation_on_the_last_bar():
    panel = make_panel([[100, 104, 100]], [[100, 102, 105]])
    result = backtest(np.array([1.0, 1.0]), np.array([0, 1]), panel, cost=TEN, bars_per_year=252.0)
    np.testing.assert_allclose(
        result.net, [0.999 * 104 / 102 - 1, 100 / 104 * 0.999 - 1], rtol=1e-14
    )
    assert result.turnover.tolist() == [1, 1]
    assert len(result.trades) == 1


def test_borrowing_is_charged_on_shorts_overnight():
    panel = make_panel([[100, 100, 100, 100]], [[100, 100, 100, 100]])
    fee = CostModel(name="fee", commission_bps=0.0, slippage_bps=0.0, borrow_bps_per_year=250.0)
    short = backtest(-np.ones(3), np.arange(3), panel, cost=fee, bars_per_year=250.0)
    np.testing.assert_allclose(short.net, [0, -1e-4, -1e-4], atol=1e-16)
    assert short.trades.net == pytest.approx([(1 - 1e-4) ** 2 - 1])
    long = backtest(np.ones(3), np.arange(3), panel, cost=fee, bars_per_year=250.0)
    assert not long.net.any()


def naive_backtest(
    positions: np.ndarray,
    rows: np.ndarray,
    panel: Panel,
    cost: CostModel,
    bars_per_year: float,
    hold: int,
) -> dict[np.datetime64, np.ndarray]:
    """Mean over assets of (net, gross, turnover, exposure) per time, one bar after another."""
    decided = dict(zip(rows.tolist(), positions.tolist(), strict=True))
    close = panel.actual("close")
    opened = panel.actual("open") if panel.has("open") else None
    found: dict[np.datetime64, list[tuple[float, ...]]] = {}
    for asset in range(panel.n_assets):
        first, stop = int(panel.offsets[asset]), int(panel.offsets[asset + 1])

        def wanted(row: int, first: int = first) -> float | None:
            for back in range(hold):
                if row - back >= first and row - back in decided:
                    return decided[row - back]
            return None

        for row in range(first + 1, stop):
            new = wanted(row - 1)
            old = wanted(row - 2) if row - 2 >= first else None
            if new is None and old is None:
                continue
            p, q = old or 0.0, new or 0.0
            last = row == stop - 1
            at_close = opened is None or np.isnan(opened[row]) or opened[row] == close[row - 1]
            fill = close[row] if at_close else opened[row]
            if last and at_close:
                q = 0.0
            wealth = 1 + p * (fill / close[row - 1] - 1)
            gross = wealth * (1 + q * (close[row] / fill - 1)) - 1
            if p < 0:
                wealth -= cost.borrow_bps_per_year / 1e4 / bars_per_year * -p
            wealth -= wealth * cost.per_side * abs(q - p)
            wealth *= 1 + q * (close[row] / fill - 1)
            traded = abs(q - p)
            if last:
                wealth -= wealth * cost.per_side * abs(q)
                traded += abs(q)
            found.setdefault(panel.time[row], []).append((wealth - 1, gross, traded, abs(q)))
    return {t: np.mean(found[t], axis=0) for t in sorted(found)}


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    lengths=st.lists(st.integers(1, 25), min_size=1, max_size=4),
    share=st.sampled_from([0.1, 0.5, 1.0]),
    hold=st.integers(1, 6),
    opens=st.booleans(),
    missing=st.booleans(),
)
def test_kernel_against_a_naive_loop(seed, lengths, share, hold, opens, missing):
    panel = random_panel(seed, lengths, opens=opens)
    rng = np.random.default_rng(seed)
    if opens and missing:
        values = panel.values.copy()
        values[rng.random(panel.n_rows) < 0.2, 1] = np.nan
        repeated = np.flatnonzero(rng.random(panel.n_rows - 1) < 0.3) + 1
        values[repeated, 1] = values[repeated - 1, 0]
        panel = replace(panel, values=values)
    rows = rng.permutation(np.flatnonzero(rng.random(panel.n_rows) < share))
    positions = np.round(rng.uniform(-1.5, 1.5, len(rows))) * rng.choice([0.5, 1.0])
    result = backtest(positions, rows, panel, cost=DEAR, bars_per_year=252.0, hold=hold)
    expected = naive_backtest(positions, rows, panel, DEAR, 252.0, hold)
    assert result.time.tolist() == [t.astype(np.int64) for t in expected]
    if expected:
        columns = np.array(list(expected.values())).T
        for name, column in zip(("net", "gross", "turnover", "exposure"), columns, strict=True):
            np.testing.assert_allclose(getattr(result, name), column, rtol=1e-11, atol=1e-13)


def test_trades_compound_to_the_whole():
    panel = random_panel(5, [400])
    rows = np.arange(399)
    positions = np.random.default_rng(0).choice([-1.0, 0.0, 0.5, 1.0], 399)
    positions = np.repeat(positions[:133], 3)
    result = backtest(positions, rows, panel, cost=FREE, bars_per_year=252.0)
    assert np.prod(1 + result.trades.net) == pytest.approx(np.prod(1 + result.net), rel=1e-12)
    sides = np.sign(positions)
    spells = int(((sides[1:] != sides[:-1]) & (sides[1:] != 0)).sum() + (sides[0] != 0))
    assert len(result.trades) == spells


@pytest.mark.parametrize("opens", [True, False])
def test_fully_long_returns_what_the_asset_does(opens):
    panel = random_panel(1, [300], opens=opens)
    result = backtest(np.ones(299), np.arange(299), panel, cost=FREE, bars_per_year=252.0)
    close = panel.actual("close")
    start = panel.actual("open")[1] if opens else close[1]
    # Without opens the last decision that can be filled is sold a bar later, at the last close.
    assert total_return(result.net) == pytest.approx(close[-1] / start - 1, rel=1e-12)


def columns(result: BacktestResult) -> list[np.ndarray]:
    names = ("time", "net", "gross", "turnover", "exposure", "invested", "regime", "n_assets")
    return [getattr(result, name) for name in names]


@pytest.mark.parametrize("opens", [True, False])
def test_the_future_changes_nothing(opens):
    panel = random_panel(2, [80, 60, 70], opens=opens)
    rng = np.random.default_rng(0)
    rows = np.flatnonzero(rng.random(panel.n_rows) < 0.7)
    positions = rng.uniform(-1, 1, len(rows))
    regime = rng.integers(-1, 5, len(rows))
    options = {"cost": DEAR, "bars_per_year": 252.0, "hold": 2}
    whole = backtest(positions, rows, panel, regime=regime, **options)
    for t in days(80)[10:75:8]:
        values = panel.values.copy()
        values[panel.time > t] *= rng.uniform(0.5, 2, values[panel.time > t].shape)
        later = panel.time[rows] > t
        other = backtest(
            np.where(later, -positions, positions),
            rows,
            replace(panel, values=values),
            regime=np.where(later, 0, regime),
            **options,
        )
        past = whole.time <= t
        for before, after in zip(columns(whole), columns(other), strict=True):
            assert np.array_equal(before[past], after[other.time <= t])
        assert not np.array_equal(whole.net, other.net)

        # Cut off at t, only the sale on the last bar is new.
        short = panel.until(t)
        kept = ~later
        place = np.flatnonzero(panel.time <= t)
        cut = backtest(
            positions[kept],
            np.searchsorted(place, rows[kept]),
            short,
            regime=regime[kept],
            **options,
        )
        ends = {int(short.time[short.offsets[a + 1] - 1].astype(np.int64)) for a in range(3)}
        same = ~np.isin(cut.time.astype(np.int64), list(ends))
        for before, after in zip(columns(whole), columns(cut), strict=True):
            assert np.array_equal(before[past][same], after[same])


def test_between_folds_the_portfolio_is_flat():
    panel = random_panel(3, [100])
    rows = np.concatenate([np.arange(10, 30), np.arange(60, 80)])
    result = backtest(np.ones(40), rows, panel, cost=TEN, bars_per_year=252.0)
    # Each fold is traded from the bar after its first decision to the one after its last.
    expected = np.concatenate([np.arange(11, 32), np.arange(61, 82)])
    assert (result.time == panel.time[expected]).all()
    assert result.turnover.sum() == 4
    assert len(result.trades) == 2


def test_sparse_decisions_are_held_until_the_next():
    panel = random_panel(3, [100, 100])
    rows = np.concatenate([np.arange(10, 60, 5), 100 + np.arange(0, 40, 5)])
    assert decision_spacing(rows, panel) == 5
    result = backtest(np.ones(len(rows)), rows, panel, cost=TEN, bars_per_year=252.0)
    assert len(result.trades) == 2
    one = backtest(np.ones(10), rows[:10], panel, cost=TEN, bars_per_year=252.0)
    assert len(one) == 51


def test_capital_is_shared_by_the_assets_in_play():
    panel = make_panel([[100, 110, 121, 133.1], [100, 90]], starts=[0, 1])
    rows = np.array([0, 1, 2, 4])
    result = backtest(np.ones(4), rows, panel, cost=FREE, bars_per_year=252.0)
    assert result.n_assets.tolist() == [1, 2, 1]
    np.testing.assert_allclose(result.net, [0, 0.05, 0.1], atol=1e-14)


def test_regime_is_that_of_the_decision():
    panel = random_panel(3, [6])
    result = backtest(
        np.ones(3),
        np.array([0, 1, 2]),
        panel,
        cost=FREE,
        bars_per_year=252.0,
        regime=np.array([3, 1, -1]),
    )
    assert result.regime.tolist() == [3, 1, -1, -1]


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([0, 2], 2),
        ([1, 0], 1),
        ([4, 3], 3),
        ([2, 4], 4),
        ([-1, 0], 0),
        ([0, 0, 3], 0),
        ([0, 0, 2, 2, 3], 2),
    ],
)
def test_regime_of_many_assets_is_the_most_frequent_and_the_most_severe_of_equals(codes, expected):
    n = len(codes)
    panel = make_panel([[1.0, 2.0, 3.0, 4.0]] * n)
    result = backtest(
        np.ones(n),
        np.arange(n) * 4,
        panel,
        cost=FREE,
        bars_per_year=252.0,
        regime=np.array(codes),
    )
    assert result.n_assets[0] == n
    assert result.regime[0] == expected


def test_break_even_cost_breaks_even():
    panel = random_panel(4, [2000])
    close = panel.actual("close")
    foresight = np.sign(np.diff(np.log(close)))[1:]
    noise = np.random.default_rng(0).random(len(foresight)) < 0.45
    positions = np.where(noise, -foresight, foresight)
    options = {"bars_per_year": 252.0}
    rows = np.arange(len(positions))
    found = break_even_bps(backtest(positions, rows, panel, cost=TEN, **options))
    even = CostModel(name="even", commission_bps=found, slippage_bps=0.0, borrow_bps_per_year=0.0)
    free = backtest(positions, rows, panel, cost=FREE, **options)
    rest = backtest(positions, rows, panel, cost=even, **options).net.sum()
    assert abs(rest) < 0.01 * free.net.sum()


def test_ruin_is_the_end():
    panel = make_panel([[100, 100, 300, 100, 100]])
    result = backtest(-np.ones(4), np.arange(4), panel, cost=FREE, bars_per_year=252.0)
    assert result.net.min() == -1.0
    assert total_return(result.net) == -1.0


def test_no_decisions_no_bars():
    panel = random_panel(0, [5, 3])
    result = backtest(np.empty(0), np.empty(0, dtype=np.int64), panel, cost=FREE, bars_per_year=1.0)
    assert len(result) == len(result.trades) == 0
    last = backtest(np.ones(1), np.array([4]), panel, cost=FREE, bars_per_year=1.0)
    assert len(last) == 0


def test_what_cannot_be_traded_is_refused():
    panel = random_panel(0, [10])
    options = {"cost": FREE, "bars_per_year": 252.0}
    with pytest.raises(SpecError, match="position 0 is nan"):
        backtest(np.array([np.nan]), np.array([0]), panel, **options)
    with pytest.raises(SpecError, match="rows 0 to 9"):
        backtest(np.ones(1), np.array([10]), panel, **options)
    with pytest.raises(SpecError, match="two decisions"):
        backtest(np.ones(2), np.array([3, 3]), panel, **options)
    with pytest.raises(SpecError, match="hold=0"):
        backtest(np.ones(1), np.array([3]), panel, hold=0, **options)
    for price in (np.nan, 0.0, -1.0):
        values = panel.values.copy()
        values[4, 0] = price
        broken = replace(panel, values=values)
        with pytest.raises(DataError, match="'a' at 20"):
            backtest(np.ones(1), np.array([3]), broken, **options)
        backtest(np.ones(1), np.array([6]), broken, **options)  # not needed, not looked at


def test_result_fields_are_aligned():
    result = backtest(
        np.ones(5), np.arange(5), random_panel(0, [10]), cost=FREE, bars_per_year=252.0
    )
    per_bar = [f.name for f in fields(BacktestResult)][:8]
    assert {len(getattr(result, name)) for name in per_bar} == {len(result)}
    assert result.split == "test"
