from itertools import combinations

import numpy as np
import pytest
from scipy.stats import rankdata

from regimecast.core.errors import SpecError
from regimecast.evaluation.overfitting import probability_of_backtest_overfitting


def by_hand(returns, n_blocks, metric):
    """The definition, one combination at a time."""
    blocks = np.array_split(np.arange(len(returns)), n_blocks)
    logits = []
    for chosen in combinations(range(n_blocks), n_blocks // 2):
        within = np.concatenate([blocks[i] for i in chosen])
        out = np.setdiff1d(np.arange(len(returns)), within)
        first, second = (
            np.array([metric(returns[part, n]) for n in range(returns.shape[1])])
            for part in (within, out)
        )
        rank = rankdata(second)[first.argmax()] / (returns.shape[1] + 1)
        logits.append(np.log(rank / (1 - rank)))
    return np.array(logits)


def sharpe(returns):
    return returns.mean() / returns.std() if returns.std() > 1e-12 else 0.0


@pytest.mark.parametrize("times", [48, 53])
@pytest.mark.parametrize("drift", [0.0, 5.0])
def test_it_is_the_definition(times, drift):
    rng = np.random.default_rng(times)
    returns = rng.normal(drift, 0.01, size=(times, 7))
    returns[:, 3] = 0.0
    fast = probability_of_backtest_overfitting(returns, n_blocks=6)
    expected = by_hand(returns, 6, sharpe)
    np.testing.assert_allclose(fast.logits, expected, rtol=0, atol=1e-12)
    assert fast.pbo == (expected < 0).mean()
    assert len(fast.logits) == 20


def test_any_metric():
    rng = np.random.default_rng(2)
    returns = rng.normal(size=(40, 5))
    slow = probability_of_backtest_overfitting(returns, n_blocks=4, metric=np.median)
    np.testing.assert_allclose(slow.logits, by_hand(returns, 4, np.median), rtol=0, atol=1e-12)
    same = probability_of_backtest_overfitting(returns, n_blocks=4, metric=sharpe)
    fast = probability_of_backtest_overfitting(returns, n_blocks=4)
    np.testing.assert_allclose(same.logits, fast.logits, rtol=0, atol=1e-12)
    np.testing.assert_allclose(same.in_sample, fast.in_sample, rtol=1e-9)
    np.testing.assert_allclose(same.out_of_sample, fast.out_of_sample, rtol=1e-9)


def test_noise_is_luck_and_an_edge_is_not():
    rng = np.random.default_rng(3)
    noise = [
        probability_of_backtest_overfitting(rng.normal(size=(500, 50)), n_blocks=10).pbo
        for _ in range(30)
    ]
    assert 0.35 < np.mean(noise) < 0.6
    returns = rng.normal(size=(500, 50))
    returns[:, 7] += 0.25
    found = probability_of_backtest_overfitting(returns, n_blocks=10)
    assert found.pbo < 0.02
    assert found.probability_of_loss < 0.02


@pytest.mark.parametrize(
    ("returns", "how", "said"),
    [
        (np.ones((20, 1)), {}, "1 trials"),
        (np.ones((20, 2)), {"n_blocks": 5}, "n_blocks=5"),
        (np.ones((15, 2)), {}, "15 observations"),
        (np.full((20, 2), np.nan), {}, "NaN"),
        (np.ones((20, 2)), {"n_blocks": 2, "metric": lambda r: float("nan")}, "not finite"),
    ],
)
def test_what_has_no_answer_is_refused(returns, how, said):
    with pytest.raises(SpecError, match=said):
        probability_of_backtest_overfitting(returns, **how)
