import json
from dataclasses import replace

import numpy as np
import pytest

from regimecast.core.errors import ConfigError, LeakageError
from regimecast.evaluation.backtest import BacktestResult, backtest
from regimecast.evaluation.gate import Gate
from regimecast.evaluation.trading_metrics import trading_metrics
from tests.evaluation.samples import FREE, random_panel

RULES = [
    {"metric": "sharpe", "above": 0.8},
    {"metric": "trade_win_rate", "above": 0.5},
    {"metric": "max_drawdown", "below": 0.15},
]


def result(share_right: float) -> BacktestResult:
    panel = random_panel(0, [600], opens=False)
    foresight = np.sign(np.diff(np.log(panel.actual("close"))))[1:]
    wrong = np.random.default_rng(0).random(len(foresight)) > share_right
    positions = np.where(wrong, -foresight, foresight)
    return backtest(positions, np.arange(len(positions)), panel, cost=FREE, bars_per_year=252.0)


def test_skill_passes_and_its_absence_fails():
    gate = Gate(name="s2_production", rules=RULES)
    good = gate.verdict(result(0.9))
    assert good["passed"] is True
    assert good["profile"] == "s2_production"
    assert [rule["rule"] for rule in good["rules"]] == [
        "sharpe > 0.8",
        "trade_win_rate > 0.5",
        "max_drawdown < 0.15",
    ]
    assert {rule["reason"] for rule in good["rules"]} == {None}
    bad = gate.verdict(result(0.3))
    assert bad["passed"] is False
    assert bad["rules"][0]["reason"].startswith("sharpe is -")
    json.dumps([good, bad], allow_nan=False)


def test_a_bound_is_not_passed_by_touching_it():
    played = result(0.6)
    value = trading_metrics(played)["max_drawdown"]
    for side in ("above", "below"):
        gate = Gate(name="x", rules=[{"metric": "max_drawdown", side: value}])
        assert gate.verdict(played)["passed"] is False


def test_a_metric_that_does_not_exist_does_not_pass():
    panel = random_panel(0, [20])
    idle = backtest(np.zeros(10), np.arange(10), panel, cost=FREE, bars_per_year=252.0)
    verdict = Gate(name="x", rules=RULES).verdict(idle)
    assert verdict["passed"] is False
    assert verdict["rules"][0]["value"] is None
    assert verdict["rules"][0]["reason"] == "sharpe cannot be computed on 11 bars"


def test_without_rules_nothing_is_judged():
    assert Gate(name="none", rules=[]).verdict(result(0.5)) == {
        "profile": "none",
        "passed": None,
        "rules": [],
    }


def test_in_sample_results_are_refused():
    inside = replace(result(0.9), split="train")
    with pytest.raises(LeakageError, match="split='train'"):
        Gate(name="x", rules=RULES).verdict(inside)


@pytest.mark.parametrize(
    "rule",
    [
        {"metric": "sharpe"},
        {"above": 1.0},
        {"metric": "sharpe", "above": 1.0, "below": 2.0},
        {"metric": "sharpe", "over": 1.0},
        {"metric": "sharpe", "above": "high"},
        {"metric": "sharpe", "above": float("nan")},
    ],
)
def test_broken_rules(rule):
    with pytest.raises(ConfigError, match=r"gate\.rules\[0\]"):
        Gate(name="x", rules=[rule])


def test_an_unknown_metric():
    gate = Gate(name="x", rules=[{"metric": "sharp", "above": 1.0}])
    with pytest.raises(ConfigError, match="Did you mean 'sharpe'"):
        gate.verdict(result(0.5))
