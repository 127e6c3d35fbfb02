import math

import numpy as np
import pytest

from regimecast.core.errors import SpecError
from regimecast.evaluation.deflation import (
    deflated_sharpe_ratio,
    effective_number_of_trials,
    expected_maximum_sharpe,
    minimum_backtest_length,
    minimum_track_record_length,
    probabilistic_sharpe_ratio,
)

# The example of Bailey & López de Prado (2014): 2.5 a year over five years of 250 days, and a
# variance of 0.5 a year among the trials.
PER_DAY = {"sharpe": 2.5 / math.sqrt(250), "n_observations": 1250}
VARIANCE = 0.5 / 250


def test_the_example_of_the_paper():
    assert expected_maximum_sharpe(n_trials=100, trial_sharpe_variance=VARIANCE) == pytest.approx(
        0.1132, abs=5e-5
    )
    fat = {"skew": -3.0, "kurtosis": 10.0, "trial_sharpe_variance": VARIANCE}
    assert deflated_sharpe_ratio(**PER_DAY, **fat, n_trials=100) == pytest.approx(0.9004, abs=5e-5)
    assert deflated_sharpe_ratio(**PER_DAY, **fat, n_trials=46) == pytest.approx(0.9505, abs=5e-5)
    normal = deflated_sharpe_ratio(**PER_DAY, n_trials=88, trial_sharpe_variance=VARIANCE)
    assert normal == pytest.approx(0.9505, abs=5e-5)


def test_one_trial_is_not_deflated():
    assert expected_maximum_sharpe(n_trials=1, trial_sharpe_variance=9.0) == 0
    alone = deflated_sharpe_ratio(**PER_DAY, n_trials=1, trial_sharpe_variance=9.0)
    assert alone == probabilistic_sharpe_ratio(**PER_DAY)


def test_lengths_are_where_the_probabilities_say():
    shape = {"skew": -1.0, "kurtosis": 6.0, "benchmark": 0.02}
    n = minimum_track_record_length(0.1, **shape, confidence=0.95)
    for sign, length in ((-1, math.floor(n)), (1, math.ceil(n))):
        assert sign * (probabilistic_sharpe_ratio(0.1, n_observations=length, **shape) - 0.95) > 0
    assert minimum_track_record_length(0.01, **shape) == math.inf

    # Of a length of T, the best of N without skill shows E[max] with a variance of 1 / T.
    length = minimum_backtest_length(n_trials=45, sharpe=1.0)
    assert expected_maximum_sharpe(n_trials=45, trial_sharpe_variance=1 / length) == pytest.approx(
        1
    )
    assert length == pytest.approx(5.0, abs=0.1)  # years: figure 2 of the paper


def test_the_best_of_noise_is_expected():
    rng = np.random.default_rng(0)
    best = rng.normal(size=(4000, 50)).max(axis=1).mean()
    expected = expected_maximum_sharpe(n_trials=50, trial_sharpe_variance=1.0)
    assert best == pytest.approx(expected, abs=0.04)


def test_settings_of_one_idea_are_one_trial():
    rng = np.random.default_rng(1)
    ideas = rng.normal(size=(500, 4))
    noise = rng.normal(size=(500, 12))
    settings = np.repeat(ideas, 3, axis=1) + 0.2 * noise
    assert effective_number_of_trials(settings) == 4
    assert effective_number_of_trials(rng.normal(size=(500, 30))) == 30
    assert effective_number_of_trials(np.repeat(ideas[:, :1], 7, axis=1)) == 1
    # The opposite bet is another one; those that never trade are one.
    idle = np.full((500, 3), 1e-4)
    assert effective_number_of_trials(np.hstack([ideas[:, :1], -ideas[:, :1], idle])) == 3
    assert effective_number_of_trials(idle) == 1
    assert effective_number_of_trials(ideas[:, :1]) == 1


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: probabilistic_sharpe_ratio(math.nan, n_observations=9), "sharpe=nan"),
        (lambda: probabilistic_sharpe_ratio(0.1, n_observations=1), "n_observations=1"),
        (lambda: probabilistic_sharpe_ratio(0.1, n_observations=9, kurtosis=0.0), "fourth moment"),
        (lambda: expected_maximum_sharpe(n_trials=0, trial_sharpe_variance=1.0), "n_trials=0"),
        (lambda: expected_maximum_sharpe(n_trials=2, trial_sharpe_variance=-1.0), "variance=-1"),
        (lambda: minimum_track_record_length(0.1, confidence=1.0), "confidence=1"),
        (lambda: minimum_backtest_length(n_trials=5, sharpe=0.0), r"sharpe=0"),
        (lambda: effective_number_of_trials(np.full((5, 2), np.nan)), "NaN"),
        (lambda: effective_number_of_trials(np.ones((1, 2))), r"\(1, 2\)"),
        (lambda: effective_number_of_trials(np.ones((5, 2)), correlation=-1.0), "correlation=-1"),
    ],
)
def test_what_has_no_answer_is_refused(call, said):
    with pytest.raises(SpecError, match=said):
        call()
