import numpy as np
import pytest
from arch.bootstrap import SPA, StationaryBootstrap, StepM

from regimecast.core.errors import SpecError
from regimecast.evaluation.significance.bootstrap import Blocks
from regimecast.evaluation.significance.superior_ability import judged, superior_ability
from regimecast.evaluation.significance.testable import NotTestableError


def gains(seed, n=400, k=8, edges=()):
    rng = np.random.default_rng(seed)
    table = rng.standard_normal((n, k)) * np.linspace(0.5, 2, k) - 0.05
    for column, edge in edges:
        table[:, column] += edge
    return table


@pytest.mark.parametrize("seed", range(4))
def test_p_values_and_steps_are_those_of_arch_on_the_same_resamples(seed):
    gain = gains(seed, edges=((0, 0.15 * seed), (3, 0.1 * seed)))
    n = len(gain)
    theirs = SPA(np.zeros(n), -gain, block_size=5, reps=400, seed=seed)
    theirs.compute()
    steps = StepM(np.zeros(n), -gain, size=0.05, block_size=5, reps=400, seed=seed)
    steps.compute()
    drawn = StationaryBootstrap(5, gain, seed=seed).bootstrap(400)
    resampled = np.array([data[0].mean(axis=0) for data, _ in drawn])
    found = judged(
        gain.mean(axis=0), resampled, n, size=0.05, deviation=np.sqrt(theirs._loss_diff_var / n)
    )
    assert [found.lower, found.p_value, found.upper] == theirs.pvalues.tolist()
    assert list(found.superior) == steps.superior_models
    assert seed < 2 or found.superior


def test_ours_divides_by_the_deviation():
    """A small but steady gain beside large and erratic ones."""
    rng = np.random.default_rng(1)
    gain = rng.standard_normal((500, 5))
    gain[:, 0] = 0.02 + 0.1 * gain[:, 0]
    blocks = Blocks.draw(500, length=2.0, repetitions=1000, seed=0)
    assert superior_ability(gain, blocks).superior == (0,)
    plain = judged(
        gain.mean(axis=0), blocks.means(gain), 500, size=0.05, deviation=gain.std(axis=0) / 500**0.5
    )
    assert plain.superior == ()


def test_all_better_ends():
    """Where arch 8.0 fails: https://github.com/bashtage/arch/issues/862."""
    gain = gains(0, edges=[(k, 0.5 + 0.1 * k) for k in range(8)])
    blocks = Blocks.draw(400, length=2.0, repetitions=300, seed=0)
    found = superior_ability(gain, blocks)
    assert found.superior == tuple(range(8))
    assert found.p_value == 0


def test_size():
    rng = np.random.default_rng(2)
    rejected = []
    for seed in range(300):
        loss = rng.standard_normal((300, 5)) ** 2
        blocks = Blocks.draw(300, length=2.0, repetitions=300, seed=seed)
        rejected.append(superior_ability(loss[:, :1] - loss[:, 1:], blocks).p_value < 0.05)
    assert np.mean(rejected) <= 0.08


def test_constant_gains_are_sure():
    gain = gains(0, edges=[(k, -1.0) for k in range(8)])
    blocks = Blocks.draw(400, length=2.0, repetitions=300, seed=0)
    gain[:, 2] = 0.01
    assert superior_ability(gain, blocks).superior == (2,)
    gain[:, 2] = -0.01
    assert superior_ability(gain, blocks).superior == ()
    worse = superior_ability(np.full((400, 2), -1.0), blocks)
    assert (worse.p_value, worse.superior) == (1.0, ())


def test_what_has_no_answer_is_refused():
    blocks = Blocks.draw(50, length=2.0, repetitions=9, seed=0)
    with pytest.raises(NotTestableError, match="no model differs"):
        superior_ability(np.zeros((50, 2)), blocks)
    with pytest.raises(SpecError, match="no model to be tested"):
        superior_ability(np.zeros((50, 0)), blocks)
    with pytest.raises(SpecError, match="NaN"):
        superior_ability(np.full((50, 2), np.nan), blocks)
