import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from regimecast.core.errors import SpecError
from regimecast.evaluation.likeness import clusters, correlations
from tests.evaluation.trials import noise


def same_parting(first: np.ndarray, second: np.ndarray) -> bool:
    pairs = set(zip(first.tolist(), second.tolist(), strict=True))
    return len(pairs) == len(set(first.tolist())) == len(set(second.tolist()))


@pytest.mark.parametrize("seed", range(20))
def test_clusters_are_those_of_average_linkage(seed):
    rng = np.random.default_rng(seed)
    number, groups = int(rng.integers(2, 50)), int(rng.integers(1, 8))
    factors = rng.normal(size=(120, groups))
    mine = factors[:, rng.integers(0, groups, number)] * rng.uniform(0, 2)
    returns = mine + rng.normal(size=(120, number))
    for correlation in (0.1, 0.3, 0.6):
        apart = np.clip(1 - np.corrcoef(returns.T), 0, 2).reshape(number, number)
        np.fill_diagonal(apart, 0)
        tree = linkage(squareform(apart, checks=False), method="average")
        expected = fcluster(tree, t=1 - correlation, criterion="distance")
        assert same_parting(clusters(returns, correlation=correlation), expected)


def test_correlations_are_those_of_the_times_that_two_share():
    rng = np.random.default_rng(0)
    returns = rng.normal(1.0, 0.01, size=(100, 4))
    returns[:, 1] += returns[:, 0]
    returns[:30, 0] = np.nan
    returns[80:, 1] = np.nan
    returns[:85, 2] = np.nan  # 15 times with 0, none that 1 has
    found = correlations(returns)
    both = slice(30, 80)
    expected = np.corrcoef(returns[both, 0], returns[both, 1])[0, 1]
    assert found[0, 1] == found[1, 0] == pytest.approx(expected, abs=1e-9)
    assert found[0, 2] == found[1, 2] == 0
    assert found[1, 3] == pytest.approx(np.corrcoef(returns[:80, 1], returns[:80, 3])[0, 1])


def test_trials_of_other_times_are_different_and_idle_ones_are_one():
    one = noise(100, 0)
    table = np.full((160, 5), np.nan)
    table[:100, 0] = one
    table[20:120, 1] = np.concatenate([one[20:], noise(20, 1)])
    table[120:, 2] = one[:40]
    table[:, 3:] = 0.001
    label = clusters(table)
    assert label[0] == label[1] != label[2]
    assert label[3] == label[4] not in label[:3]
    assert label.max() == 2


def test_equal_trials_are_one_whatever_the_rounding():
    returns = np.repeat(noise(50, 0)[:, None], 30, axis=1) * np.linspace(0.1, 9, 30)
    assert clusters(returns, correlation=1.0).max() == 0


def test_what_has_no_answer_is_refused():
    with pytest.raises(SpecError, match="1 or more trials"):
        clusters(np.empty((3, 0)))
    with pytest.raises(SpecError, match="correlation=-1"):
        clusters(np.zeros((3, 1)), correlation=-1.0)
