"""The search on panels: what it chooses, what it reads, what it refuses."""

from dataclasses import replace
from inspect import signature

import numpy as np
import pytest
import yaml

from regimecast.core.config import config_folder
from regimecast.core.errors import ConfigError, DataError
from regimecast.core.parts import settings
from regimecast.core.types import Interval
from regimecast.data.panel import Panel
from regimecast.evaluation.costs import CostModel
from regimecast.search.barriers import BarrierSearch, SearchResult
from tests.data.panels import random_panel
from tests.search.markets import drifting, search, target


def cost(side_bps: float = 3.0) -> CostModel:
    return CostModel(
        name="test", commission_bps=side_bps, slippage_bps=0.0, borrow_bps_per_year=0.0
    )


def found(panel: Panel, rule: BarrierSearch | None = None, **changes: object) -> SearchResult:
    """The result on a panel up to its last bar."""
    given = {
        "target": target(),
        "interval": Interval(panel.time.min(), panel.time.max()),
        "cost": cost(),
        "seed": 0,
    }
    return (rule or search()).run(panel, **{**given, **changes})


@pytest.mark.parametrize("drift", [0.02, -0.02, 0.06])
def test_the_balance_term_finds_the_direction_of_the_asymmetry(drift: float):
    """The seed's settings for a rising index have the wider lower barrier: they add to the drift.

    Without being told, the search balances a rise with the nearer lower barrier, a fall with the
    nearer upper one.
    """
    panel = drifting(8_000, drift=drift, seed=3)
    wide = {"horizon": 50, "upper": 2.1, "lower": 3.0}
    (widened,) = found(panel, target=target(**wide), rule=search(generations=1)).assets
    rule = search(population=24, generations=16, tolerance=0.02, width=[1.5, 5.0])
    (one,) = found(panel, rule).assets
    assert one.chosen is not None
    merit, setting = one.chosen.merit, one.chosen.setting
    assert merit.imbalance <= 0.02
    assert abs(merit.up - merit.down) < 0.05
    ratio = setting.upper / setting.lower
    assert (ratio > 1) if drift > 0 else (ratio < 1)
    if drift > 0:
        before = widened.default.merit
        assert before.up / (before.up + before.down) > 0.57


def test_the_choice_is_the_greatest_edge_within_the_tolerance():
    panel = random_panel(900, 700)
    rule = search(tolerance=0.06)
    result = found(panel, rule)
    assert [one.asset for one in result.assets] == ["A0", "A1"]
    assert result.trials == sum(len(one.candidates) for one in result.assets)
    for one in result.assets:
        allowed = [c for c in one.candidates if c.merit.imbalance <= 0.06]
        assert one.chosen is not None
        assert one.chosen.merit.edge == max(c.merit.edge for c in allowed)
        assert one.candidates[0] == one.default
        assert one.chosen in one.front


def test_what_is_chosen_for_an_asset_does_not_depend_on_the_others():
    panel = random_panel(900, 900)
    both = found(panel)
    alone = found(panel.select(("A1",)))
    assert both.assets[1].candidates == alone.assets[0].candidates


def test_bars_after_the_interval_and_entries_before_it_do_not_count():
    panel = random_panel(900, 800)
    times = np.unique(panel.time)
    interval = Interval(times[50], times[650])
    before = found(panel, interval=interval)
    noise = np.exp(np.random.default_rng(5).normal(0, 0.5, (panel.n_rows, 1)))
    after = (panel.time > interval.end)[:, None]
    doctored = replace(panel, values=np.where(after, panel.values * noise, panel.values))
    assert found(doctored, interval=interval) == before
    assert found(panel.until(interval.end), interval=interval) == before
    last = (panel.time == interval.end)[:, None]
    touched = replace(panel, values=np.where(last, panel.values * 1.3, panel.values))
    assert found(touched, interval=interval) != before
    most = max(c.merit.labels for one in before.assets for c in one.candidates)
    assert most <= 601 - 2


def test_where_no_setting_is_balanced_the_most_balanced_one_is_taken_and_said():
    panel = drifting(3_000, drift=0.3)
    (one,) = found(panel, search(tolerance=0.0)).assets
    assert one.chosen is not None
    assert "no setting with an edge after costs is within search.tolerance=0" in one.problem
    paying = [c for c in one.candidates if c.merit.edge > 0]
    assert one.chosen.merit.imbalance == min(c.merit.imbalance for c in paying)


def test_costs_that_leave_nothing_are_an_error_that_says_so():
    with pytest.raises(DataError, match="no barriers leave an edge after a round trip of 1000 "):
        found(random_panel(800), cost=cost(500.0))


def test_an_asset_that_cannot_pay_keeps_the_default():
    panel = random_panel(900, 900)
    quiet = panel.asset_of_row == 1
    calm = np.where(quiet[:, None], 100 * (panel.values / 100) ** 0.01, panel.values)
    result = found(replace(panel, values=calm), search(width=[0.5, 3.0]))
    assert result.assets[0].chosen is not None
    assert result.assets[1].chosen is None
    assert "no barriers leave an edge" in result.assets[1].problem


def test_short_assets_are_named_and_all_of_them_an_error(caplog: pytest.LogCaptureFixture):
    result = found(random_panel(900, 300))
    assert result.short == ("A1",)
    assert "too few bars in the training interval, default setting kept: A1" in caplog.text
    with pytest.raises(DataError, match=r"no asset has bars for 20 labels of search.horizon=20"):
        found(random_panel(300, 300))
    with pytest.raises(DataError, match=r"search.horizon=5000"):
        found(random_panel(900), search(horizon=[2, 5000]))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("width", [2.0, 1.0]),
        ("width", [0.0, 1.0]),
        ("width", [1.0]),
        ("width", [1.0, float("inf")]),
        ("horizon", [0, 5]),
        ("horizon", [9, 5]),
        ("skill", 0.0),
        ("skill", 1.0),
        ("neutral", 1.0),
        ("tolerance", -0.1),
        ("population", 1),
        ("generations", 0),
        ("patience", 0),
        ("crossover", 1.5),
        ("mutation", -0.1),
    ],
)
def test_wrong_values(key: str, value: object):
    with pytest.raises(ConfigError, match=rf"search\.{key}="):
        search(**{key: value})


def test_the_packaged_yaml_is_the_full_signature_and_code_has_no_defaults():
    path = config_folder() / "labels" / "search" / "barriers.yaml"
    parameters = signature(BarrierSearch).parameters
    assert list(yaml.safe_load(path.read_text())) == list(parameters)
    for parameter in parameters.values():
        assert parameter.kind is parameter.KEYWORD_ONLY
        assert parameter.default is parameter.empty


def test_wrong_keys_and_types():
    with pytest.raises(ConfigError, match=r"no key 'populaton'.* Did you mean 'population'"):
        search(populaton=3)
    with pytest.raises(ConfigError, match=r"search\.horizon=\[2\.5, 9\] must be a list of a whole"):
        search(horizon=[2.5, 9])
    with pytest.raises(ConfigError, match="search needs width, horizon"):
        settings(BarrierSearch, "search", {"search": {}})
