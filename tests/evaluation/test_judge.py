import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regimecast.core.errors import SpecError
from regimecast.core.forecast import Forecast, Outcomes
from regimecast.core.types import ForecastKind
from regimecast.data.panel import Column, Panel, Role
from regimecast.evaluation.backtest import backtest
from regimecast.evaluation.benchmarks import naive
from regimecast.evaluation.costs import CostModel
from regimecast.evaluation.gate import Gate
from regimecast.evaluation.judge import judge
from regimecast.evaluation.origins import origin_rows
from regimecast.evaluation.predictions import read_predictions, write_predictions
from regimecast.evaluation.strategies.base import StrategyRegistry
from tests.evaluation.samples import DEAR, FREE, make_forecast, make_outcomes, random_panel

SIGN = StrategyRegistry.create("sign", threshold=0.0, allow_short=True, step=None)
GATE = Gate(name="x", rules=[{"metric": "sharpe", "above": 0.8}])


def sample(panel: Panel, first: int = 30) -> tuple[Forecast, Outcomes]:
    rng = np.random.default_rng(0)
    age = np.arange(panel.n_rows) - panel.offsets[panel.asset_of_row]
    rows = np.flatnonzero(age >= first)
    values = np.sort(rng.normal(0, 0.02, (len(rows), 2, 3)), axis=2).astype(np.float32)
    forecast = make_forecast(
        values,
        (0.1, 0.5, 0.9),
        asset=panel.asset_of_row[rows],
        origin=panel.time[rows],
        assets=panel.assets,
    )
    actual = rng.normal(0, 0.02, (len(rows), 2)).astype(np.float32)
    regime = rng.integers(0, 5, len(rows)).astype(np.int8)
    return forecast, make_outcomes(forecast, actual, regime=regime)


def test_sections_and_table():
    panel = random_panel(0, [120, 90, 100])
    forecast, outcomes = sample(panel)
    found = judge(forecast, outcomes, panel, strategy=SIGN, cost=DEAR, gate=GATE)
    assert list(found.metrics) == ["forecast", "trading", "gate", "intervals"]
    assert list(found.metrics["trading"]) == ["strategy", "buy_and_hold", "naive"]
    json.dumps(found.metrics, allow_nan=False)
    assert list(found.returns) == [
        "time",
        "strategy",
        "gross",
        "turnover",
        "exposure",
        "regime",
        "buy_and_hold",
        "naive",
    ]
    assert found.returns["time"].is_monotonic_increasing
    assert not found.returns.isna().any().any()
    held = found.metrics["trading"]["buy_and_hold"]
    assert held["n_trades"] == 3
    assert {held["n_bars"], found.metrics["trading"]["naive"]["n_bars"]} == {len(found.returns)}
    assert found.metrics["trading"]["strategy"]["bars_per_year"] == panel.bars_per_year
    assert found.metrics["trading"]["strategy"]["regime=crash/n_bars"] > 0
    row = origin_rows(forecast, panel)
    expected = backtest(
        naive(row, panel, bars=2), row, panel, cost=DEAR, bars_per_year=panel.bars_per_year
    )
    assert np.array_equal(found.returns["naive"], expected.net)
    verdict = found.metrics["gate"]["rules"][0]
    assert verdict["value"] == found.metrics["trading"]["strategy"]["sharpe"]


def test_an_oracle_wins_and_its_mirror_loses():
    panel = random_panel(0, [300], opens=False)
    close = panel.actual("close")
    rows = np.arange(290)
    truth = np.log(close[rows + 2] / close[rows + 1])  # what a fill at the next close earns
    for side, passed in ((1, True), (-1, False)):
        forecast = make_forecast(
            (side * truth).astype(np.float32)[:, None, None], (0.5,), origin=panel.time[rows]
        )
        outcomes = make_outcomes(forecast, truth[:, None])
        found = judge(forecast, outcomes, panel, strategy=SIGN, cost=FREE, gate=GATE)
        assert found.metrics["gate"]["passed"] is passed
        assert found.metrics["forecast"]["test/directional_accuracy"] == (side == 1)
        assert found.metrics["trading"]["strategy"]["win_rate"] > 0.95 or side == -1


def test_a_planted_one_step_signal_is_traded_by_default():
    """Of positions for five bars the first is foreseen; the naive rule looks one bar back."""
    panel = random_panel(1, [400], opens=False)
    log_close = np.log(panel.actual("close"))
    rows = np.arange(10, 390)
    paths = np.stack([log_close[rows + h] - log_close[rows] for h in range(1, 6)], axis=1)
    # Trades are filled at the next close, so that the bar after it is the one to be foreseen.
    values = np.random.default_rng(0).uniform(-1, 1, (len(rows), 5, 1)).astype(np.float32)
    values[:, 0, 0] = np.sign(log_close[rows + 2] - log_close[rows + 1])
    forecast = make_forecast(values, (0.5,), ForecastKind.POSITIONS, origin=panel.time[rows])
    options = {"strategy": SIGN, "cost": FREE, "gate": GATE}
    found = judge(forecast, make_outcomes(forecast, paths), panel, **options)
    assert found.metrics["trading"]["strategy"]["sharpe"] > 10
    first = StrategyRegistry.create("sign", threshold=0.0, allow_short=True, step=1)
    same = judge(forecast, make_outcomes(forecast, paths), panel, **(options | {"strategy": first}))
    assert found.metrics == same.metrics
    expected = backtest(
        naive(rows, panel, bars=1), rows, panel, cost=FREE, bars_per_year=panel.bars_per_year
    )
    assert np.array_equal(found.returns["naive"], expected.net)


def test_the_sp500_held_through_is_the_index(shared_data: Path):
    table = pd.read_parquet(shared_data / "daily" / "spx_ohlcv_1990_2023.parquet")
    table = table.loc["2003-12-31":]
    panel = Panel(
        values=table[["close"]].to_numpy(),
        time=table.index.to_numpy().astype("datetime64[ns]"),
        offsets=np.array([0, len(table)]),
        columns=(Column("close", Role.TARGET_SOURCE),),
        assets=("SPX",),
        frequency="1D",
        calendar="XNYS",
    )
    n = panel.n_rows - 1
    forecast = make_forecast(
        np.ones((n, 1, 1), dtype=np.float32),
        (0.5,),
        ForecastKind.POSITIONS,
        origin=panel.time[:n],
        assets=("SPX",),
    )
    outcomes = make_outcomes(forecast, np.diff(np.log(panel.actual("close")))[:, None])
    cost = CostModel(name="x", commission_bps=10.0, slippage_bps=0.0, borrow_bps_per_year=0.0)
    found = judge(forecast, outcomes, panel, strategy=SIGN, cost=cost, gate=GATE)
    metrics = found.metrics["trading"]["strategy"]
    close = panel.actual("close")
    assert metrics["total_return"] == pytest.approx(close[-1] / close[1] * 0.999**2 - 1, rel=1e-12)
    assert metrics["max_drawdown"] == pytest.approx(0.5677538774, rel=1e-9)
    assert metrics["bars_per_year"] == pytest.approx(251.7, abs=0.2)
    assert metrics == found.metrics["trading"]["buy_and_hold"]
    assert metrics["n_trades"] == 1


def test_predictions_judged_again_are_judged_the_same(tmp_path):
    panel = random_panel(0, [120, 90])
    forecast, outcomes = sample(panel)
    write_predictions(tmp_path / "p.parquet", forecast, outcomes, fold=0)
    again = read_predictions(tmp_path / "p.parquet")
    options = {"strategy": SIGN, "cost": DEAR, "gate": GATE}
    first, second = judge(forecast, outcomes, panel, **options), judge(*again, panel, **options)
    assert first.metrics == second.metrics
    pd.testing.assert_frame_equal(first.returns, second.returns, check_exact=True)


def test_folds_that_overlap_are_refused():
    panel = random_panel(0, [60])
    forecast, outcomes = sample(panel)
    twice = Forecast.concatenate([forecast, forecast.take(np.arange(3))])
    both = Outcomes.concatenate([outcomes, outcomes.take(np.arange(3))])
    with pytest.raises(SpecError, match="has 2 forecasts at"):
        judge(twice, both, panel, strategy=SIGN, cost=DEAR, gate=GATE)


def test_what_says_nothing_about_trading_is_not_backtested():
    panel = random_panel(0, [120, 90])
    forecast, outcomes = sample(panel)
    bare = Panel(
        -panel.values[:, :1],
        panel.time,
        panel.offsets,
        (Column("value", Role.TARGET_SOURCE),),
        panel.assets,
        panel.frequency,
        panel.calendar,
    )
    found = judge(forecast, outcomes, bare, strategy=None, cost=DEAR, gate=GATE)
    traded = judge(forecast, outcomes, panel, strategy=SIGN, cost=DEAR, gate=GATE)
    assert found.metrics["forecast"].items() < traded.metrics["forecast"].items()
    assert "test/directional_accuracy" not in found.metrics["forecast"]
    assert found.metrics["trading"] == {}
    assert found.metrics["gate"] == {"profile": "x", "passed": None, "rules": []}
    assert found.returns is None
    assert found.backtests == {}
