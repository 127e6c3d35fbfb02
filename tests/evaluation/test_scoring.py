import json

import numpy as np
import pytest

from regimecast.core.errors import SpecError
from regimecast.core.types import REGIMES, ForecastKind
from regimecast.evaluation.scoring import episodes, evaluate, reported_steps
from tests.evaluation.samples import days, make_forecast, make_outcomes

LEVELS = (0.1, 0.5, 0.9)


@pytest.fixture
def scored():
    rng = np.random.default_rng(0)
    values = np.sort(rng.normal(size=(60, 3, 3)), axis=2).astype(np.float32)
    forecast = make_forecast(values, LEVELS)
    mask = rng.random((60, 3)) > 0.2
    outcomes = make_outcomes(
        forecast,
        np.where(mask, rng.normal(size=(60, 3)), np.nan).astype(np.float32),
        mask,
        rng.integers(-1, 3, 60).astype(np.int8),
        rng.uniform(0.5, 2, (60, 3)).astype(np.float32),
    )
    return forecast, outcomes


def test_keys_values_and_counts_against_loops(scored):
    forecast, outcomes = scored
    metrics = evaluate(forecast, outcomes)
    point = forecast.values[:, :, 1].astype(np.float64)
    error = np.abs(point - outcomes.values)
    known = outcomes.mask
    assert metrics["test/n"] == known.sum()
    assert metrics["test/mae"] == pytest.approx(error[known].mean())
    weighted = np.average(error[known], weights=outcomes.weight[known])
    assert metrics["test/weighted_mae"] == pytest.approx(weighted)
    normal = known & (outcomes.regime == 1)[:, None]
    assert metrics["test/regime=normal/n"] == normal.sum()
    assert metrics["test/regime=normal/mae"] == pytest.approx(error[normal].mean())
    assert metrics["test/step=2/n"] == known[:, 1].sum()
    assert metrics["test/step=2/mae"] == pytest.approx(error[known[:, 1], 1].mean())
    inside = (forecast.values[:, :, 0] <= outcomes.values) & (
        outcomes.values <= forecast.values[:, :, 2]
    )
    assert metrics["test/coverage_80"] == pytest.approx(inside[known].mean())
    json.dumps(metrics, allow_nan=False)


def test_a_regime_without_samples_is_null_and_counted(scored):
    metrics = evaluate(*scored, prefix="validation")
    crash = {k: v for k, v in metrics.items() if k.startswith("validation/regime=crash/")}
    normal = {k.replace("normal", "crash") for k in metrics if "/regime=normal/" in k}
    assert set(crash) == normal
    assert crash.pop("validation/regime=crash/n") == 0
    assert crash.pop("validation/regime=crash/episodes") == 0
    assert set(crash.values()) == {None}
    assert {k.split("/")[1] for k in metrics if "regime=" in k} == {f"regime={r}" for r in REGIMES}


def test_masked_cells_do_not_matter(scored):
    forecast, outcomes = scored
    values = np.where(outcomes.mask[:, :, None], forecast.values, np.float32(np.nan))
    other = make_forecast(values, LEVELS)
    assert evaluate(other, outcomes) == evaluate(forecast, outcomes)


def test_of_levels_neither_sign_nor_correlation_is_scored(scored):
    everything, levels = evaluate(*scored), evaluate(*scored, direction=False)
    left_out = {key.split("/")[-1] for key in everything.keys() - levels.keys()}
    assert left_out == {"directional_accuracy", "weighted_directional_accuracy", "ic", "rank_ic"}
    assert levels.items() <= everything.items()


def test_positions_are_judged_by_direction_only():
    rng = np.random.default_rng(0)
    forecast = make_forecast(
        rng.uniform(-1, 1, (40, 1, 1)).astype(np.float32), (0.5,), ForecastKind.POSITIONS
    )
    metrics = evaluate(forecast, make_outcomes(forecast, rng.normal(size=(40, 1))))
    names = {key.split("/")[-1] for key in metrics}
    assert names == {
        "n",
        "episodes",
        "directional_accuracy",
        "weighted_directional_accuracy",
        "ic",
        "rank_ic",
    }


def test_positions_of_several_steps_are_scored_step_by_step():
    """Foresight of every single bar is right always, whatever the path adds up to."""
    rng = np.random.default_rng(0)
    bars = rng.normal(size=(50, 4))
    positions = np.sign(bars).astype(np.float32)[:, :, None]
    forecast = make_forecast(positions, (0.5,), ForecastKind.POSITIONS)
    metrics = evaluate(forecast, make_outcomes(forecast, bars.cumsum(axis=1)))
    assert metrics["test/directional_accuracy"] == 1.0
    assert metrics["test/step=4/directional_accuracy"] == 1.0
    flat, signs = bars.T.ravel(), positions[:, :, 0].T.ravel()
    assert metrics["test/n"] == 200
    assert metrics["test/step=3/ic"] == pytest.approx(
        np.corrcoef(signs[100:150], flat[100:150])[0, 1]
    )

    # A bar's return is known where its close and the close before are.
    mask = np.ones((50, 4), dtype=bool)
    mask[7, 1] = False
    path = np.where(mask, bars.cumsum(axis=1), np.nan)
    metrics = evaluate(forecast, make_outcomes(forecast, path, mask))
    assert metrics["test/n"] == 198
    assert metrics["test/directional_accuracy"] == 1.0


def test_quantiles_without_a_median_have_no_point_forecast():
    forecast = make_forecast(np.zeros((3, 1, 1), dtype=np.float32), (0.9,))
    with pytest.raises(SpecError, match=r"level 0\.5.*Allowed: 0\.9 to 0\.9"):
        evaluate(forecast, make_outcomes(forecast, np.zeros((3, 1))))


def test_classes():
    p = np.array([[[0.7, 0.2, 0.1]], [[0.1, 0.1, 0.8]], [[0.2, 0.5, 0.3]]], dtype=np.float32)
    forecast = make_forecast(p, (-1.0, 0.0, 1.0), ForecastKind.PROBABILITIES)
    actual = np.array([[-1.0], [1.0], [-99.0]])
    mask = np.array([[True], [True], [False]])
    metrics = evaluate(forecast, make_outcomes(forecast, actual, mask))
    assert metrics["test/accuracy"] == 1.0
    assert metrics["test/n"] == 2
    assert metrics["test/log_loss"] == pytest.approx(-np.log([0.7, 0.8]).mean(), rel=1e-6)
    with pytest.raises(SpecError, match="none of the forecast's classes"):
        evaluate(forecast, make_outcomes(forecast, actual))


def test_what_cannot_be_scored_is_refused(scored):
    forecast, outcomes = scored
    values = forecast.values.copy()
    row, step = np.argwhere(outcomes.mask)[3]
    values[row, step, 0] = np.nan
    with pytest.raises(SpecError, match=r"forecast is NaN or infinite in 1 of \d+ known cells"):
        evaluate(make_forecast(values, LEVELS), outcomes)
    with pytest.raises(SpecError, match="outcome is NaN"):
        evaluate(forecast, make_outcomes(forecast, outcomes.values))
    shifted = make_forecast(forecast.values, LEVELS, origin=days(60, 1))
    with pytest.raises(SpecError, match="differ at row 0"):
        evaluate(shifted, outcomes)
    with pytest.raises(SpecError, match="samples x steps"):
        evaluate(make_forecast(forecast.values[:, :2], LEVELS), outcomes)


def test_an_empty_forecast_scores_nothing():
    forecast = make_forecast(np.empty((0, 2, 3), dtype=np.float32), LEVELS)
    metrics = evaluate(forecast, make_outcomes(forecast, np.empty((0, 2))))
    assert metrics["test/n"] == 0
    assert metrics["test/mae"] is None


def test_episodes_are_spells_not_samples():
    n = 12
    asset = np.repeat([0, 1], 6)
    origin = np.tile(days(6), 2)
    forecast = make_forecast(
        np.zeros((n, 1, 1), dtype=np.float32), (0.5,), asset=asset, origin=origin, assets=("a", "b")
    )
    # Asset a: one spell until its last day; b: one at its first day, one later.
    rows = np.array([0, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 0], dtype=bool)
    assert episodes(forecast, rows) == 2
    shuffled = np.random.default_rng(0).permutation(n)
    assert episodes(forecast.take(shuffled), rows[shuffled]) == 2
    assert episodes(forecast, np.zeros(n, dtype=bool)) == 0


def test_reported_steps():
    assert reported_steps(1) == (1,)
    assert reported_steps(12) == tuple(range(1, 13))
    assert reported_steps(16) == (1, 2, 4, 8, 16)
    assert reported_steps(96) == (1, 2, 4, 8, 16, 32, 64, 96)
