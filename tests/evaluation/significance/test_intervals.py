import json

import numpy as np
import pytest

from regimecast.evaluation.judge import judge
from regimecast.evaluation.significance.intervals import intervals
from regimecast.evaluation.trading_metrics import annual_return, max_drawdown, sharpe
from tests.evaluation.samples import DEAR, make_forecast, make_outcomes, random_panel
from tests.evaluation.test_judge import GATE, SIGN

N = 700


def sample(regime=None, seed=0, horizon=2):
    panel = random_panel(seed, [N + 30, N + 30])
    rng = np.random.default_rng(seed)
    age = np.arange(panel.n_rows) - panel.offsets[panel.asset_of_row]
    rows = np.flatnonzero(age >= 30)
    values = np.sort(rng.normal(0, 0.02, (len(rows), horizon, 3)), axis=2).astype(np.float32)
    forecast = make_forecast(
        values,
        (0.1, 0.5, 0.9),
        asset=panel.asset_of_row[rows],
        origin=panel.time[rows],
        assets=panel.assets,
    )
    actual = rng.normal(0, 0.02, (len(rows), horizon))
    code = np.zeros(len(rows), dtype=np.int8) if regime is None else np.tile(regime, 2)
    return panel, forecast, make_outcomes(forecast, actual, regime=code)


def episodes(*bounds):
    """Crash in these spells of N origins, else normal."""
    regime = np.ones(N, dtype=np.int8)
    for low, high in bounds:
        regime[low:high] = 3
    return regime


def judged(regime=None, **options):
    panel, forecast, outcomes = sample(regime)
    return judge(forecast, outcomes, panel, strategy=SIGN, cost=DEAR, gate=GATE, **options).metrics


def test_they_stand_around_the_figures():
    metrics = judged(episodes(*((at, at + 30) for at in range(0, 400, 80))))
    found = metrics["intervals"]
    assert list(found) == [
        "level", "method", "forecast", "trading", "difference", "reasons",
    ]  # fmt: skip
    json.dumps(found, allow_nan=False)
    for section, told in (
        ("forecast", metrics["forecast"]),
        ("trading", metrics["trading"]["strategy"]),
    ):
        assert set(found[section]) <= set(told)
        for key, bounds in found[section].items():
            if isinstance(bounds, list) and "max_drawdown" not in key:
                assert bounds[0] < told[key] < bounds[1], key
    assert "test/regime=crash/crps" in found["forecast"]
    assert isinstance(found["trading"]["regime=crash/sharpe"], list)
    assert "test/regime=crash" not in found["reasons"]
    assert set(found["difference"]) == {"buy_and_hold", "naive"}
    low, high = found["difference"]["naive"]["sharpe"]
    gap = metrics["trading"]["strategy"]["sharpe"] - metrics["trading"]["naive"]["sharpe"]
    assert low < gap < high


@pytest.mark.parametrize(
    ("regime", "why"),
    [
        (episodes((100, 300)), "one episode; at least 5 are needed"),
        (
            episodes((100, 150), (153, 250)),
            "one episode; at least 5 are needed",
        ),  # three days between
        (episodes((100, 150), (300, 350)), "2 episodes; at least 5 are needed"),
        (episodes(*((at, at + 5) for at in range(0, 250, 50))), "times; at least 32"),
        (episodes(), "no episode"),
    ],
)
def test_a_regime_that_says_nothing(regime, why):
    found = judged(regime)["intervals"]
    assert found["forecast"]["test/regime=crash/crps"] == "not testable"
    assert found["forecast"]["test/regime=crash/rmse"] == "not testable"
    assert found["trading"]["regime=crash/sharpe"] == "not testable"
    assert found["difference"]["naive"]["regime=crash/sharpe"] == "not testable"
    assert why in found["reasons"]["test/regime=crash"]
    assert found["reasons"]["trading/regime=crash"]


def test_same_seed_same_bits():
    first, again, other = (judged(seed=seed)["intervals"] for seed in (3, 3, 4))
    assert first == again
    assert first["forecast"] != other["forecast"]


def test_a_short_run_is_not_testable():
    _, forecast, outcomes = sample()
    few = np.flatnonzero(forecast.origin < np.unique(forecast.origin)[25])
    found = intervals(forecast.take(few), outcomes.take(few), {}, direction=True, seed=0)
    assert found["forecast"]["test/mae"] == "not testable"
    assert found["reasons"]["test"].startswith("25 times; at least 32")
    assert "trading" not in found


def test_assets_of_a_time_are_drawn_together():
    """A second asset that is a copy of the first adds nothing to what is known."""
    _, forecast, outcomes = sample()
    one = np.flatnonzero(forecast.asset == 0)
    twice = np.concatenate([one, one])
    copied = make_forecast(
        forecast.values[twice],
        forecast.levels,
        asset=np.repeat([0, 1], len(one)),
        origin=forecast.origin[twice],
        assets=("a", "b"),
    )
    happened = make_outcomes(copied, outcomes.values[twice])
    alone = intervals(forecast.take(one), outcomes.take(one), {}, direction=True, seed=0)
    both = intervals(copied, happened, {}, direction=True, seed=0)
    np.testing.assert_allclose(both["forecast"]["test/mae"], alone["forecast"]["test/mae"])


def test_figures_are_those_of_resampled_returns(monkeypatch):
    """The shortcuts through sums give what the metrics themselves give."""
    from regimecast.evaluation.significance import intervals as module

    blocks = []
    draw = module.Blocks.draw
    monkeypatch.setattr(
        module.Blocks, "draw", lambda n, **how: blocks.append(draw(n, **how)) or blocks[-1]
    )
    panel, forecast, outcomes = sample()
    tests = judge(forecast, outcomes, panel, strategy=SIGN, cost=DEAR, gate=GATE).backtests
    blocks.clear()
    bounds = module.trading_intervals(tests, seed=0, reasons={})["trading"]
    result, times = tests["strategy"], blocks[0].times
    for name, metric in (
        ("sharpe", lambda net: sharpe(net, result.bars_per_year)),
        ("annual_return", lambda net: annual_return(net, result.bars_per_year)),
        ("max_drawdown", max_drawdown),
    ):
        drawn = [metric(result.net[own]) for own in times]
        np.testing.assert_allclose(
            bounds[name],
            np.quantile(drawn, [0.025, 0.975]),
            rtol=1e-9,
        )


def test_returns_that_do_not_vary_have_no_interval():
    panel, forecast, outcomes = sample()
    flat = make_forecast(
        np.zeros_like(forecast.values),
        forecast.levels,
        asset=forecast.asset,
        origin=forecast.origin,
        assets=forecast.assets,
    )
    metrics = judge(flat, outcomes, panel, strategy=SIGN, cost=DEAR, gate=GATE).metrics
    trading = metrics["intervals"]["trading"]
    assert {trading[key] for key in ("sharpe", "annual_return", "max_drawdown", "turnover")} == {
        "not testable"
    }
    assert isinstance(metrics["intervals"]["difference"]["buy_and_hold"]["annual_return"], list)
    json.dumps(metrics, allow_nan=False)


def test_all_is_lost():
    """A return of -1 has no logarithm."""
    panel, forecast, outcomes = sample()
    found = judge(forecast, outcomes, panel, strategy=SIGN, cost=DEAR, gate=GATE)
    found.backtests["strategy"].net[50] = -1.0
    bounds = intervals(forecast, outcomes, found.backtests, direction=True, seed=0)["trading"]
    assert bounds["annual_return"][0] == pytest.approx(-1)
    assert bounds["max_drawdown"][1] == pytest.approx(1)
    assert np.isfinite(bounds["sharpe"]).all()
