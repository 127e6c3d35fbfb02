"""Blocks of time, and the samples that a model did not see, against plain references."""

import numpy as np
import pytest

from regimecast.evaluation.conformal.bootstrap import BlockBootstrap, Everything, out_of_bag
from regimecast.splits.spans import ticks
from tests.splits.conftest import samples_of

DAYS = np.arange("2020-01-01", "2021-01-01", dtype="datetime64[D]")
SAMPLES = samples_of([DAYS, DAYS[40:]], lookback=10, label_bars=3)


@pytest.mark.parametrize("block", [4, 20, 10_000])
def test_blocks_are_runs_of_bars_of_all_assets(block) -> None:
    drawn = BlockBootstrap.of(Everything(), SAMPLES, block=block, seed=3)
    times, place = np.unique(ticks(SAMPLES.origin), return_inverse=True)
    of_time = np.zeros(len(times), dtype=int)
    of_time[place] = drawn.copies
    np.testing.assert_array_equal(of_time[place], drawn.copies)  # the same in every asset
    assert of_time.sum() == len(times)
    if block > len(times):
        assert (of_time == 1).all()
        return
    # What was drawn is a sum of runs: taking them from the left leaves nothing over.
    left = of_time.copy()
    for at in range(len(left)):
        while left[at] > 0 and at + block <= len(left) and (left[at : at + block] > 0).all():
            left[at : at + block] -= 1
    assert left.sum() < block  # the last block is cut to size
    assert 0.2 < (of_time == 0).mean() < 0.5


def test_draws_repeat_what_the_run_draws() -> None:
    class Third(Everything):
        def draw(self, regime, generator):
            return np.arange(0, len(regime), 3)

    drawn = BlockBootstrap.of(Third(), SAMPLES, block=10, seed=1)
    found = drawn.draw(np.zeros(len(SAMPLES), dtype=np.int64), np.random.default_rng(0))
    assert (np.diff(found) >= 0).all()
    assert (found % 3 == 0).all()
    counted = np.bincount(found, minlength=len(SAMPLES))
    np.testing.assert_array_equal(counted[::3], drawn.copies[::3])


def test_seeds_tell_draws_apart() -> None:
    copies = [BlockBootstrap.of(Everything(), SAMPLES, block=10, seed=s).copies for s in (1, 1, 2)]
    np.testing.assert_array_equal(copies[0], copies[1])
    assert (copies[0] != copies[2]).any()


def test_left_out_is_what_shares_no_bar_of_a_label() -> None:
    copies = BlockBootstrap.of(Everything(), SAMPLES, block=10, seed=5).copies
    found = out_of_bag(SAMPLES, copies)
    origin, end = ticks(SAMPLES.origin), ticks(SAMPLES.end)
    seen = np.flatnonzero(copies)
    for i in range(len(SAMPLES)):
        meets = (origin[seen] <= end[i]) & (end[seen] >= origin[i])
        assert found[i] == (not meets.any())
    assert 0.05 < found.mean() < 0.5
