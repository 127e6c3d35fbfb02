"""The measures of luck equal those of purgedcv, which was written from the same papers."""

import math

import numpy as np
import purgedcv
import pytest
from scipy import stats

from regimecast.evaluation.deflation import (
    deflated_sharpe_ratio,
    expected_maximum_sharpe,
    minimum_backtest_length,
    minimum_track_record_length,
    probabilistic_sharpe_ratio,
)
from regimecast.evaluation.overfitting import probability_of_backtest_overfitting

SAMPLES = [
    np.random.default_rng(0).normal(0.001, 0.01, 252),
    np.random.default_rng(1).standard_t(4, 1000) * 0.01 - 0.0002,
    np.random.default_rng(2).gamma(1.0, 0.01, 60) - 0.008,
]


def given(returns):
    """Moments as that library takes them: deviation of the population, higher ones unbiased."""
    return {
        "sharpe": returns.mean() / returns.std(),
        "n_observations": len(returns),
        "skew": float(stats.skew(returns, bias=False)),
        "kurtosis": float(stats.kurtosis(returns, fisher=False, bias=False)),
    }


@pytest.mark.parametrize("returns", SAMPLES)
@pytest.mark.parametrize("benchmark", [0.0, 0.05, -0.1])
def test_probabilistic_sharpe_ratio(returns, benchmark):
    mine = probabilistic_sharpe_ratio(**given(returns), benchmark=benchmark)
    theirs = purgedcv.probabilistic_sharpe_ratio(returns, benchmark)
    assert mine == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("returns", SAMPLES)
@pytest.mark.parametrize("n", [1, 2, 46, 1000])
def test_deflated_sharpe_ratio_and_expected_maximum(returns, n):
    variance = 0.003
    luck = {"n_trials": n, "trial_sharpe_variance": variance}
    theirs = purgedcv.deflated_sharpe_ratio_full(returns, n, variance)
    assert deflated_sharpe_ratio(**given(returns), **luck) == pytest.approx(theirs.dsr, abs=1e-9)
    assert expected_maximum_sharpe(**luck) == pytest.approx(theirs.sr_star, abs=1e-9)
    expected = purgedcv.minimum_backtest_length(n, target_sharpe=1.3)
    assert minimum_backtest_length(n_trials=n, sharpe=1.3) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("skew", [-2.0, 0.0, 1.0])
def test_minimum_track_record_length(skew):
    mine = minimum_track_record_length(
        0.11, skew=skew, kurtosis=9.0, benchmark=0.02, confidence=0.99
    )
    theirs = purgedcv.min_track_record_length(0.11, 0.02, 0.01, skew, 9.0)
    assert math.ceil(mine) == theirs  # theirs is in whole observations


@pytest.mark.parametrize(("times", "trials", "blocks"), [(60, 5, 6), (83, 12, 8)])
def test_probability_of_backtest_overfitting(times, trials, blocks):
    rng = np.random.default_rng(times)
    # Blocks of one length: the rest is dealt out differently.
    returns = rng.normal(0.001, 0.01, size=(times // blocks * blocks, trials))
    mine = probability_of_backtest_overfitting(returns, n_blocks=blocks)
    theirs = purgedcv.probability_of_backtest_overfitting(returns.T, n_splits=blocks)
    assert mine.pbo == pytest.approx(theirs.pbo, abs=1e-9)
    np.testing.assert_allclose(np.sort(mine.logits), np.sort(theirs.logits), rtol=0, atol=1e-9)
