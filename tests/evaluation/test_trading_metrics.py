import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from regimecast.core.types import REGIMES
from regimecast.evaluation import trading_metrics as metrics
from regimecast.evaluation.backtest import backtest
from tests.evaluation.samples import DEAR, random_panel


@pytest.fixture(scope="module")
def golden(shared_data):
    text = (shared_data / "golden" / "risk_spx_2004_2023.json").read_text()
    close = pd.read_parquet(shared_data / "daily" / "spx_ohlcv_1990_2023.parquet")["close"]
    returns = close["2004-01-02":"2023-12-28"].pct_change().dropna().to_numpy()
    return json.loads(text)["oracles"], returns


def test_sp500_against_empyrical_and_quantstats(golden):
    oracles, returns = golden
    empyrical, quantstats, skfolio = (oracles[k] for k in ("empyrical", "quantstats", "skfolio"))
    assert len(returns) == 5031
    for library in (empyrical, quantstats):
        assert metrics.sharpe(returns, 252.0) == pytest.approx(library["sharpe"], rel=1e-10)
        assert metrics.sortino(returns, 252.0) == pytest.approx(library["sortino"], rel=1e-10)
        assert metrics.calmar(returns, 252.0) == pytest.approx(library["calmar"], rel=1e-10)
        # They give the drawdown a minus sign.
        assert metrics.max_drawdown(returns) == pytest.approx(-library["max_drawdown"], rel=1e-10)
    assert metrics.annual_return(returns, 252.0) == pytest.approx(empyrical["ann_ret"], rel=1e-10)
    found = metrics.annual_volatility(returns, 252.0)
    assert found == pytest.approx(empyrical["ann_vol"], rel=1e-10)
    found = metrics.profit_factor(returns)
    assert found == pytest.approx(quantstats["profit_factor"], rel=1e-10)
    # quantstats divides the squares by T - 1.
    found = metrics.ulcer_index(returns) * np.sqrt(5031 / 5030)
    assert found == pytest.approx(quantstats["ulcer_index"], rel=1e-10)
    assert metrics.ulcer_index(returns) == pytest.approx(skfolio["ulcer_index"], rel=1e-10)
    # quantstats corrects for bias and deducts 3; skfolio does neither.
    assert metrics.skewness(returns) == pytest.approx(skfolio["skew"], rel=1e-10)
    assert metrics.kurtosis(returns) == pytest.approx(skfolio["kurtosis"], rel=1e-10)
    assert stats.skew(returns, bias=False) == pytest.approx(quantstats["skew"], rel=1e-10)


def test_bacons_portfolio(shared_data):
    """Bacon (2008), Practical Portfolio Performance Measurement and Attribution."""
    table = pd.read_csv(shared_data / "golden" / "portfolio_bacon.csv", index_col=0)
    returns = table.iloc[:, 0].to_numpy()
    expected = json.loads((shared_data / "golden" / "metrics_golden.json").read_text())["bacon"]
    assert metrics.max_drawdown(returns) == pytest.approx(-expected["max_drawdown"]["got"])
    assert metrics.ulcer_index(returns) == pytest.approx(expected["ulcer_index"]["got"])
    growth = metrics.annual_return(returns, 12.0)
    assert growth == pytest.approx(expected["ann_geo_return"]["got"])
    martin = growth / metrics.ulcer_index(returns)
    assert martin == pytest.approx(expected["martin_ratio_rf0"]["expected"], abs=0.05)


def test_sortino_of_the_published_example(shared_data):
    text = (shared_data / "golden" / "metrics_golden.json").read_text()
    example = json.loads(text)["sortino_8"]
    found = metrics.sortino(np.array(example["returns"]), 1.0)
    assert found == pytest.approx(example["expected"], abs=1e-6)


def test_drawdown_counts_the_start_and_its_length():
    returns = np.array([-0.1, 0.05, 0.1, -0.2, 0.1, 0.0])
    assert metrics.max_drawdown(returns) == pytest.approx(0.2)
    assert metrics.max_drawdown_bars(returns) == 3  # the unrecovered one at the end
    assert metrics.max_drawdown_bars(np.array([-0.1, 0.05, 0.01, 0.2, -0.1])) == 3
    assert metrics.max_drawdown_bars(np.array([0.1, 0.0])) == 0


RATIOS = (metrics.sharpe, metrics.sortino, metrics.calmar)
PLAIN = (
    metrics.total_return,
    metrics.max_drawdown,
    metrics.max_drawdown_bars,
    metrics.ulcer_index,
    metrics.win_rate,
    metrics.profit_factor,
    metrics.skewness,
    metrics.kurtosis,
)


def test_nothing_in_nothing_out():
    nothing = np.empty(0)
    assert {metric(nothing, 252.0) for metric in RATIOS} == {None}
    assert {metric(nothing) for metric in PLAIN} == {None}
    assert metrics.annual_return(nothing, 252.0) is None
    assert metrics.annual_volatility(np.ones(1), 252.0) is None


@pytest.mark.parametrize("value", [0.0, 0.01])
def test_constant_returns_have_no_ratios(value):
    price = 100 * (1 + value) ** np.arange(50)
    for returns in (np.full(50, value), np.diff(price) / price[:-1]):
        assert metrics.sharpe(returns, 252.0) is None
        assert metrics.sortino(returns, 252.0) is None
        assert metrics.calmar(returns, 252.0) is None
        assert metrics.profit_factor(returns) is None
        assert metrics.kurtosis(returns) is None


@given(arrays(np.float64, st.integers(0, 40), elements=st.floats(-1, 1e6)))
def test_never_infinite_never_nan(returns):
    found = [metric(returns, 252.0) for metric in (*RATIOS, metrics.annual_return)]
    found += [metric(returns) for metric in PLAIN]
    assert all(value is None or np.isfinite(value) for value in found)


def test_a_ratio_beyond_a_float_does_not_exist():
    returns = np.array([308.0, -0.1])
    assert metrics.annual_return(returns, 252.0) > 1e307
    assert metrics.calmar(returns, 252.0) is None


def test_foresight_does_not_overflow():
    returns = np.full(500_000, 0.01) + np.resize([0.0, 0.001], 500_000)
    assert metrics.total_return(returns) is None
    assert metrics.max_drawdown(returns) == 0.0
    assert np.isfinite(metrics.annual_return(returns, 252.0))


def test_all_of_a_backtest():
    panel = random_panel(0, [300, 200])
    rng = np.random.default_rng(0)
    rows = np.sort(rng.choice(500, 350, replace=False))
    regime = rng.integers(0, 2, 350)
    result = backtest(
        rng.choice([-1.0, 0.0, 1.0], 350),
        rows,
        panel,
        cost=DEAR,
        bars_per_year=300.0,
        regime=regime,
        hold=1,
    )
    found = metrics.trading_metrics(result)
    json.dumps(found, allow_nan=False)
    assert found["n_bars"] == len(result)
    assert found["n_trades"] == len(result.trades)
    assert found["turnover"] == pytest.approx(result.turnover.mean() * 300)
    assert found["trade_win_rate"] == (result.trades.net > 0).mean()
    assert found["win_rate"] == (result.net[result.invested] > 0).mean()
    assert found["sharpe"] == pytest.approx(
        result.net.mean() / result.net.std(ddof=1) * np.sqrt(300)
    )
    assert sum(found[f"regime={name}/n_bars"] for name in REGIMES) == len(result)
    assert found["regime=crash/n_bars"] == 0
    assert found["regime=crash/sharpe"] is None
    of_regime = result.net[result.regime == 1]
    assert found["regime=normal/total_return"] == pytest.approx(np.prod(1 + of_regime) - 1)
