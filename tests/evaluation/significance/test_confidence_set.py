import numpy as np
import pytest
from arch.bootstrap import MCS

from regimecast.bench.selection import plain_confidence_set
from regimecast.core.errors import SpecError
from regimecast.evaluation.significance.bootstrap import Blocks
from regimecast.evaluation.significance.confidence_set import eliminated, model_confidence_set


def losses(seed, n=300, k=6, tilt=0.3):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, k)) ** 2 * (1 + tilt * np.linspace(0, 1, k))


@pytest.mark.parametrize(("k", "tilt"), [(2, 0.2), (6, 0.0), (6, 0.5), (20, 0.4)])
def test_p_values_are_those_of_arch_on_the_same_resamples(k, tilt):
    table = losses(k, k=k, tilt=tilt)
    theirs = MCS(table, size=0.1, reps=400, block_size=6, method="max", seed=3)
    theirs.compute()
    resampled = table[np.array(theirs._bootstrap_indices)].mean(axis=1)
    expected = theirs.pvalues["Pvalue"].sort_index().to_numpy()
    assert np.array_equal(eliminated(table.mean(axis=0), resampled), expected)
    assert len(set(expected)) > 1


def test_ties_go_together_as_they_do_in_arch():
    table = losses(1)
    table[:, 4] = table[:, 1]
    theirs = MCS(table, size=0.1, reps=300, block_size=6, method="max", seed=3)
    theirs.compute()
    resampled = table[np.array(theirs._bootstrap_indices)].mean(axis=1)
    p = eliminated(table.mean(axis=0), resampled)
    np.testing.assert_array_equal(p, theirs.pvalues["Pvalue"].sort_index())
    assert p[1] == p[4]


def test_drawn_and_tested():
    table = losses(2, n=800, tilt=0.0)
    table[:, 2] -= 0.5
    blocks = Blocks.draw(800, length=4.0, repetitions=500, seed=0)
    p = model_confidence_set(table, blocks)
    assert p[2] == 1
    assert (np.delete(p, 2) < 0.05).all()
    plain = plain_confidence_set(table, 500, 4.0, 0)
    np.testing.assert_allclose(p, plain, atol=0.02)
    equal = model_confidence_set(losses(3, n=800, tilt=0.0), blocks)
    assert equal.max() == 1
    assert np.median(equal) > 0.1


def test_models_that_are_all_the_same_are_all_the_best():
    one = losses(4, k=1)
    blocks = Blocks.draw(300, length=2.0, repetitions=100, seed=0)
    assert model_confidence_set(np.repeat(one, 3, axis=1), blocks).tolist() == [1, 1, 1]
    worse = model_confidence_set(np.hstack([one, one, one + 0.5]), blocks)
    assert worse.tolist() == [1, 1, 0]


def test_it_holds_the_best():
    """Of 95 % sets at least 95 % hold the best of four models, which differ little."""
    rng = np.random.default_rng(5)
    held = []
    for seed in range(200):
        table = rng.standard_normal((250, 4)) ** 2 + 0.1 * np.arange(4)
        blocks = Blocks.draw(250, length=2.0, repetitions=300, seed=seed)
        held.append(model_confidence_set(table, blocks)[0] > 0.05)
    assert np.mean(held) >= 0.95


@pytest.mark.parametrize(
    ("table", "said"), [(np.ones((50, 1)), "1 models"), (np.full((50, 2), np.nan), "NaN")]
)
def test_what_has_no_answer_is_refused(table, said):
    with pytest.raises(SpecError, match=said):
        model_confidence_set(table, Blocks.draw(50, length=2.0, repetitions=9, seed=0))
