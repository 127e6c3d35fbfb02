"""What a setting is worth, against a reference that reads like the definition."""

from dataclasses import replace

import numpy as np
import pytest

from regimecast.data.panel import Panel
from regimecast.labels.barrier_setting import BarrierSetting
from regimecast.labels.barrier_target import watched_prices
from regimecast.labels.base import INCOMPLETE
from regimecast.search.merit import Judge
from tests.data.panels import random_panel
from tests.search.markets import drifting, target

BARS_PER_YEAR = 365.25


def judge(panel: Panel, **changes: object) -> Judge:
    close, high, low = watched_prices(panel, 0)
    rule = target(volatility_window=20)
    given = {
        "close": close,
        "high": high,
        "low": low,
        "unit": rule.unit(panel),
        "first": 0,
        "bars_per_year": BARS_PER_YEAR,
        "label_cost_bps": 0.0,
        "tie": "lower",
        "round_trip": 6e-4,
        "skill": 0.1,
        "wanted": (0.375, 0.25, 0.375),
    }
    return Judge(**{**given, **changes})


def test_it_is_what_the_definition_says():
    panel = random_panel(400)
    setting = BarrierSetting(horizon=7, upper=1.5, lower=1.2)
    own = judge(panel, first=40)
    merit = own.merit(setting)
    close, high, low, unit = own.close, own.high, own.low, own.unit
    spans, returns, classes = [], [], []
    for entry in range(40, 400 - 7):
        for t in range(entry + 1, entry + 8):
            if low[t] <= close[entry] * (1 - 1.2 * unit[entry]):
                outcome, ret = -1, -1.2 * unit[entry]
                break
            if high[t] >= close[entry] * (1 + 1.5 * unit[entry]):
                outcome, ret = 1, 1.5 * unit[entry]
                break
        else:
            outcome, ret = 0, close[t] / close[entry] - 1
        spans.append((entry, t))
        returns.append(ret)
        classes.append(outcome)
    count = np.zeros(400)
    for first, last in spans:
        count[first : last + 1] += 1
    unique = np.mean([np.mean(1 / count[a : b + 1]) for a, b in spans])
    r, s = np.array(returns), 0.1
    mean = s * np.mean(abs(r)) - 6e-4
    variance = np.mean(r**2) - (s * np.mean(abs(r))) ** 2
    down, neutral, up = (np.mean(np.array(classes) == c) for c in (-1, 0, 1))
    assert merit.labels == len(spans)
    assert merit.edge == pytest.approx(np.sqrt(unique * BARS_PER_YEAR) * mean / np.sqrt(variance))
    assert (merit.down, merit.neutral, merit.up) == pytest.approx((down, neutral, up))
    assert merit.imbalance == pytest.approx(
        (abs(down - 0.375) + abs(neutral - 0.25) + abs(up - 0.375)) / 2
    )
    assert merit.uniqueness == pytest.approx(unique)
    assert merit.bars == pytest.approx(np.mean([b - a for a, b in spans]))
    assert merit.move == pytest.approx(np.mean(abs(r)))


@pytest.mark.parametrize("cost_bps", [0.0, 25.0])
def test_its_labels_are_those_of_the_target_that_is_saved(cost_bps: float):
    panel = random_panel(300)
    setting = BarrierSetting(horizon=6, upper=1.3, lower=0.9)
    own = {"horizon": 6, "upper": 1.3, "lower": 0.9}
    rule = target(volatility_window=20, cost_bps=cost_bps, assets={"A0": own})
    entries, labels = judge(panel, label_cost_bps=cost_bps).labels(setting)
    series = rule.compute(panel)
    np.testing.assert_array_equal(series.label[entries], labels.label)
    np.testing.assert_array_equal(series.end_row[entries], labels.exit)
    assert INCOMPLETE not in labels.label


def test_on_a_random_walk_barriers_are_best_at_twice_the_cost_over_the_skill():
    own = judge(drifting(60_000, sigma=1e-3), round_trip=3e-4, skill=0.2)
    widths = np.geomspace(0.5, 20, 25)
    edges = [own.merit(BarrierSetting(horizon=400, upper=w, lower=w)).edge for w in widths]
    assert widths[int(np.argmax(edges))] * 1e-3 == pytest.approx(2 * 3e-4 / 0.2, rel=0.35)
    assert edges[0] < 0 < max(edges)


def test_a_drift_earns_nothing():
    """The same walk with a strong drift is worth about the same to one who is right at random."""
    setting = BarrierSetting(horizon=10, upper=2.0, lower=2.0)
    flat, rising = (
        judge(drifting(40_000, drift=drift)).merit(setting).edge for drift in (0.0, 0.1)
    )
    assert rising == pytest.approx(flat, rel=0.05)


def test_cost_lowers_and_skill_raises_the_edge():
    own = judge(random_panel(600))
    setting = BarrierSetting(horizon=8, upper=1.5, lower=1.5)
    edge = own.merit(setting).edge
    assert replace(own, round_trip=12e-4).merit(setting).edge < edge
    assert replace(own, skill=0.2).merit(setting).edge > edge


def test_prices_that_stand_still_and_too_few_bars_are_worth_nothing():
    setting = BarrierSetting(horizon=5, upper=1.0, lower=1.0)
    panel = drifting(200)
    still = replace(judge(panel), close=np.full(200, 100.0))
    assert still.merit(setting).edge == -np.inf
    none = judge(panel).merit(BarrierSetting(horizon=500, upper=1.0, lower=1.0))
    assert (none.edge, none.imbalance, none.labels) == (-np.inf, 1.0, 0)
