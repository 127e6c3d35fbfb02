import numpy as np
import pytest
from arch.bootstrap import optimal_block_length

from regimecast.core.errors import SpecError
from regimecast.evaluation.significance.bootstrap import (
    Blocks,
    block_length,
    percentile_interval,
)
from regimecast.evaluation.trading_metrics import max_drawdown


def autoregression(rng, n, phi):
    noise = rng.standard_normal(n + 100)
    for t in range(1, len(noise)):
        noise[t] += phi * noise[t - 1]
    return noise[100:]


@pytest.mark.parametrize("length", [1.0, 1.3, 7.5, 40.0, 1e6])
def test_blocks_are_those_of_politis_and_romano(length):
    blocks = Blocks.draw(40, length=length, repetitions=5000, seed=1)
    assert blocks.times.shape == (5000, 40)
    assert blocks.times.min() == 0
    assert blocks.times.max() == 39
    goes_on = (np.diff(blocks.times, axis=1) % 40 == 1).mean()
    # The next time follows unless a block ends, and then once in 40 by chance.
    assert goes_on == pytest.approx(1 - (1 / length) * 39 / 40, abs=4e-3)
    share = np.bincount(blocks.times.ravel(), minlength=40) / blocks.times.size
    np.testing.assert_allclose(share, 1 / 40, rtol=0.2)


@pytest.mark.parametrize("length", [1.0, 3.3, 25.0])
def test_means_and_drawdowns_are_those_of_gathered_resamples(length):
    rng = np.random.default_rng(0)
    series = 1e6 + rng.normal(size=(150, 3))
    blocks = Blocks.draw(150, length=length, repetitions=200, seed=7)
    assert len(blocks) == 200
    np.testing.assert_allclose(
        blocks.means(series) - 1e6, (series - 1e6)[blocks.times].mean(axis=1), rtol=0, atol=1e-9
    )
    returns = rng.normal(0, 0.02, size=150)
    worst = blocks.max_drawdowns(np.log1p(returns))
    expected = [max_drawdown(returns[times]) for times in blocks.times]
    np.testing.assert_allclose(worst, expected, rtol=1e-12)


def test_same_seed_same_blocks():
    first, second, other = (
        Blocks.draw(99, length=4.0, repetitions=30, seed=seed) for seed in (5, 5, 6)
    )
    assert np.array_equal(first.times, second.times)
    assert not np.array_equal(first.times, other.times)


def test_one_time():
    blocks = Blocks.draw(1, length=1.0, repetitions=3, seed=0)
    assert blocks.means(np.array([[4.0]])).tolist() == [[4.0]] * 3


def test_block_length_is_the_longest_that_arch_finds():
    rng = np.random.default_rng(3)
    series = np.stack([autoregression(rng, 800, phi) for phi in (0.0, 0.7, 0.2)], axis=1)
    wished = optimal_block_length(series)["stationary"]
    assert block_length(series) == wished.max() > 5
    assert block_length(series, horizon=60) == 60
    constant = np.column_stack([series, np.ones(800)])
    assert block_length(constant) == wished.max()
    assert block_length(np.ones((50, 1))) == 1
    assert block_length(rng.standard_normal((60, 2)).cumsum(axis=0)) <= 20
    assert block_length(np.ones((10_000, 1))) == 5  # at most 2,000 blocks in a resample


def test_intervals_of_an_autoregression_hold_its_mean():
    rng = np.random.default_rng(4)
    held = []
    for seed in range(300):
        series = autoregression(rng, 600, 0.4)[:, None]
        blocks = Blocks.draw(600, length=block_length(series), repetitions=400, seed=seed)
        low, high = percentile_interval(blocks.means(series)[:, 0])
        held.append(low <= 0 <= high)
    assert 0.90 <= np.mean(held) <= 0.98
    iid = Blocks.draw(600, length=1.0, repetitions=400, seed=0)  # would be too narrow
    narrow = np.ptp(percentile_interval(iid.means(series)[:, 0]))
    assert high - low > 1.2 * narrow


def test_bounds_are_percentiles():
    drawn = np.arange(1001.0)
    np.testing.assert_allclose(percentile_interval(drawn), [25, 975])
    np.testing.assert_allclose(percentile_interval(drawn, level=0.5), [250, 750])
    assert percentile_interval(np.stack([drawn, drawn], axis=1)).shape == (2, 2)


@pytest.mark.parametrize(
    "how",
    [{"n": 0}, {"repetitions": 0}, {"length": 0.5}, {"length": float("nan")}],
)
def test_no_blocks(how):
    wanted = {"n": 10, "length": 2.0, "repetitions": 3, "seed": 0} | how
    with pytest.raises(SpecError, match="at least 1"):
        Blocks.draw(wanted.pop("n"), **wanted)


def test_a_series_of_another_length():
    blocks = Blocks.draw(10, length=2.0, repetitions=3, seed=0)
    with pytest.raises(SpecError, match="of 10 times, the series has 11"):
        blocks.means(np.ones((11, 1)))
    with pytest.raises(SpecError, match="of 10 times, the series has 9"):
        blocks.max_drawdowns(np.ones(9))
