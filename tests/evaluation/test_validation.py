"""What a search may choose by: the test part's metrics, of the validation part."""

import numpy as np
import pytest

from regimecast.core.types import ForecastKind
from regimecast.evaluation.judge import judge
from regimecast.evaluation.strategies.base import StrategyRegistry
from regimecast.evaluation.validation import (
    validation_names,
    validation_scores,
    validation_section,
)
from regimecast.sweep.settings import OBJECTIVES
from tests.evaluation.samples import DEAR, make_forecast, make_outcomes, random_panel
from tests.evaluation.test_judge import GATE, SIGN, sample


def test_scores_are_those_that_the_test_part_would_get():
    panel = random_panel(0, [120, 90, 100])
    forecast, outcomes = sample(panel)
    judged = judge(forecast, outcomes, panel, strategy=SIGN, cost=DEAR, gate=GATE).metrics
    scores = validation_scores(forecast, outcomes, panel, strategy=SIGN, cost=DEAR)
    for name in ("mae", "crps", "pinball", "directional_accuracy", "coverage_80"):
        assert scores[f"validation/{name}"] == judged["forecast"][f"test/{name}"]
    for name in ("sharpe", "turnover"):
        assert scores[f"validation/{name}"] == judged["trading"]["strategy"][name]


def test_nothing_is_traded_on_a_target_that_does_not_say_which_way():
    panel = random_panel(0, [120])
    forecast, outcomes = sample(panel)
    scores = validation_scores(forecast, outcomes, panel, strategy=None, cost=DEAR)
    assert "validation/sharpe" not in scores
    assert "validation/directional_accuracy" not in scores
    assert scores["validation/crps"] is not None


def test_a_strategy_of_calibrated_levels_is_left_out():
    panel = random_panel(0, [120])
    forecast, outcomes = sample(panel)
    band = StrategyRegistry.create(
        "quantile_band", lower=0.05, upper=0.95, margin_bps=0.0, allow_short=True, step=None
    )
    with_band = validation_scores(forecast, outcomes, panel, strategy=band, cost=DEAR)
    assert "validation/sharpe" not in with_band
    assert "validation/crps" in with_band


@pytest.mark.parametrize("tradable", [True, False])
@pytest.mark.parametrize(
    ("kind", "levels", "values"),
    [
        (ForecastKind.QUANTILES, (0.1, 0.5, 0.9), [-0.01, 0.0, 0.01]),
        (ForecastKind.PROBABILITIES, (-1.0, 0.0, 1.0), [0.2, 0.5, 0.3]),
        (ForecastKind.POSITIONS, (0.5,), [0.5]),
    ],
)
def test_names_are_known_before_anything_is_forecast(kind, levels, values, tradable):
    panel = random_panel(0, [60])
    forecast = make_forecast(
        np.full((60, 1, len(levels)), values, dtype=np.float32),
        levels,
        kind,
        origin=panel.time,
        assets=panel.assets,
    )
    outcomes = make_outcomes(forecast, np.tile([[-1.0], [0.0], [1.0]], (20, 1)).astype(np.float32))
    strategy = SIGN if tradable else None
    scores = validation_scores(forecast, outcomes, panel, strategy=strategy, cost=DEAR)
    names = {*validation_names(kind, levels, 1, strategy=strategy)}
    assert names <= {*OBJECTIVES}
    assert names - {"val/loss", "parameters", "seconds"} == {
        name for name in scores if "coverage" not in name and "width" not in name
    }


def test_section_is_the_mean_over_folds():
    fits = [{"parameters": 5, "seconds": 1.0}, {"parameters": 5, "seconds": 2.5}]
    scores = [
        {"val/loss": 1.0, "validation/crps": 2.0, "validation/sharpe": 0.5},
        {"val/loss": 3.0, "validation/crps": 3.0, "validation/sharpe": None},
    ]
    assert validation_section(scores, fits)["validation"] == {
        "val/loss": 2.0,
        "validation/crps": 2.5,
        "validation/sharpe": None,
        "parameters": 5,
        "seconds": 3.5,
    }


@pytest.mark.parametrize("scores", [[{}], [{"val/loss": 1.0}, {}]])
def test_without_a_validation_part_there_is_no_section(scores):
    fits = [{"parameters": 5, "seconds": 1.0}] * len(scores)
    assert validation_section(scores, fits) == {}
