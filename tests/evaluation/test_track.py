import numpy as np
import pytest
from scipy import stats

from regimecast.evaluation.track import Track, aligned, shared_calendar
from regimecast.evaluation.trading_metrics import sharpe
from tests.evaluation.trials import days, noise, track


@pytest.mark.parametrize("seed", range(3))
def test_sharpe_and_moments(seed):
    returns = noise(250, seed, 0.001)
    one = track(returns)
    assert one.flaw() is None
    assert one.sharpe == pytest.approx(sharpe(returns, 1.0), rel=1e-14)
    assert one.moments["skew"] == pytest.approx(stats.skew(returns), abs=1e-12)
    assert one.moments["kurtosis"] == pytest.approx(stats.kurtosis(returns, fisher=False))
    idle = track(np.full(10, 0.1))
    assert idle.sharpe is None
    assert idle.sharpe is sharpe(idle.returns, 1.0)
    assert idle.moments == {}


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (track(np.array([0.1, np.nan, np.inf])), "2 of 3 returns are NaN"),
        (track(np.array([0.1])), "1 return only"),
        (track(np.array([])), "0 returns only"),
        (Track(days(3)[::-1], np.zeros(3)), "do not increase"),
        (Track(days(3)[[0, 0, 1]], np.zeros(3)), "do not increase"),
    ],
)
def test_what_is_wrong_with_returns(broken, said):
    assert said in broken.flaw()


def test_alignment_keeps_every_return():
    tracks = [track(np.arange(1.0, 6)), track(np.arange(10.0, 14), "2020-01-03")]
    table = aligned(tracks)
    assert table.shape == (6, 2)
    assert table[:5, 0].tolist() == [1, 2, 3, 4, 5]
    assert np.isnan(table[5, 0])
    assert np.isnan(table[:2, 1]).all()
    assert table[2:, 1].tolist() == [10, 11, 12, 13]
    assert aligned([tracks[0], tracks[0]]).shape == (5, 2)
    few = aligned(tracks, most=2)
    assert few.tolist() == [[6, 10], [9, 36]]
    apart = aligned([tracks[0], track(np.ones(5), "2031-01-01")], most=2)
    assert np.array_equal(apart, [[15, np.nan], [np.nan, 5]], equal_nan=True)


def test_the_calendar_that_most_share():
    long, late, short = track(noise(100, 0)), track(noise(97, 1), "2020-01-04"), track(noise(20, 2))
    table, kept = shared_calendar([short, long, late])
    assert kept == [1, 2]
    assert np.array_equal(table[:, 0], long.returns[3:])
    assert np.array_equal(table[:, 1], late.returns)
    other = track(noise(100, 3), "2031-01-01")
    assert shared_calendar([long, other])[1] == [0]


def test_one_long_run_does_not_take_the_calendar_from_many_short_ones():
    many = [track(noise(92, n), "2020-02-01") for n in range(5)]
    table, kept = shared_calendar([track(noise(252, 9)), *many])
    assert table.shape == (92, 6)
    assert kept == [0, 1, 2, 3, 4, 5]


def test_what_is_shared_is_at_least_half_of_the_first_calendar():
    halves = [track(noise(2**n, n)) for n in range(6, 11)]
    table, kept = shared_calendar(halves)
    assert table.shape == (512, 2)
    assert kept == [3, 4]
