import numpy as np
import pytest

from regimecast.core.types import ForecastKind
from regimecast.evaluation.row_scores import row_scores
from regimecast.evaluation.scoring import evaluate
from tests.evaluation.samples import make_forecast, make_outcomes


def sample(kind, n=60):
    rng = np.random.default_rng(0)
    levels, steps = (0.1, 0.4, 0.6, 0.9), 3
    if kind is ForecastKind.PROBABILITIES:
        levels, steps = (-1.0, 0.0, 1.0), 1
    if kind is ForecastKind.POSITIONS:
        levels = (0.5,)
    values = rng.normal(size=(n, steps, len(levels)))
    actual = rng.normal(size=(n, steps))
    actual[::7] = 0.0
    if kind is ForecastKind.PROBABILITIES:
        values = np.exp(values)
        values /= values.sum(axis=2, keepdims=True)
        actual = rng.integers(-1, 2, (n, 1)).astype(float)
    elif kind is ForecastKind.QUANTILES:
        values = np.sort(values, axis=2)
    forecast = make_forecast(
        values.astype(np.float32),
        levels,
        kind,
        asset=np.arange(n) % 2,
        origin=np.repeat(np.arange(n // 2), 2).astype("datetime64[D]").astype("datetime64[ns]"),
        assets=("a", "b"),
    )
    mask = rng.random((n, steps)) < 0.8
    return forecast, make_outcomes(forecast, actual, mask=mask, regime=np.arange(n) % 5)


@pytest.mark.parametrize("kind", list(ForecastKind))
def test_they_add_up_to_what_a_run_reports(kind):
    forecast, outcomes = sample(kind)
    told = evaluate(forecast, outcomes)
    scores = row_scores(forecast, outcomes)
    days = np.repeat(np.arange(30), 2)
    total, count = scores.by_time(days, 30)
    assert {"directional_accuracy", "crps", "coverage_80", "brier"} & set(scores.metrics)
    for k, name in enumerate(scores.metrics):
        assert scores.total[:, k].sum() / scores.count[:, k].sum() == pytest.approx(
            told[f"test/{name}"], rel=1e-6
        )
        assert total[:, k].sum() / count[:, k].sum() == pytest.approx(
            told[f"test/{name}"], rel=1e-6
        )
    total, count = scores.by_time(np.where(outcomes.regime == 3, days, -1), 30)
    for k, name in enumerate(scores.metrics):
        assert total[:, k].sum() / count[:, k].sum() == pytest.approx(
            told[f"test/regime=crash/{name}"], rel=1e-6
        )


def test_no_direction_of_levels():
    forecast, outcomes = sample(ForecastKind.QUANTILES)
    assert "directional_accuracy" not in row_scores(forecast, outcomes, direction=False).metrics
    forecast, outcomes = sample(ForecastKind.POSITIONS)
    none = row_scores(forecast, outcomes, direction=False)
    assert none.metrics == ()
    assert none.total.shape == (60, 0)
