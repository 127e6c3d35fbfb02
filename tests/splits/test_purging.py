import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regimecast.core.errors import ConfigError, LeakageError
from regimecast.core.types import Samples
from regimecast.splits.purging import PurgeRule, purge
from regimecast.splits.spans import ticks

DAY = np.timedelta64(1, "D").astype("timedelta64[ns]")


def intervals(pairs: list[tuple[int, int]]) -> Samples:
    """Samples that read from day a to day a + length, whatever their asset."""
    start = np.array([a for a, _ in pairs], dtype=np.int64)
    end = np.array([a + length for a, length in pairs], dtype=np.int64)
    index = np.arange(len(pairs))
    times = [x.astype("datetime64[D]").astype("datetime64[ns]") for x in (start, start, end)]
    return Samples(index, index % 3, times[0], times[1], times[2], index)


def oracle(train: Samples, test: Samples, embargo: np.timedelta64) -> list[bool]:
    """O(n^2): every pair of closed intervals, one by one."""
    return [
        not any(
            s <= test.end[j] + embargo and e >= test.start[j] - embargo for j in range(len(test))
        )
        for s, e in zip(train.start, train.end, strict=True)
    ]


pairs = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)), max_size=25)


@settings(max_examples=400, deadline=None)
@given(train=pairs, test=pairs, embargo=st.integers(0, 5))
def test_equals_the_pairwise_oracle(train, test, embargo):
    a, b = intervals(train), intervals(test)
    gap = embargo * DAY
    assert purge(a, b, embargo=gap).tolist() == oracle(a, b, gap)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), lookback=st.integers(0, 6), label=st.integers(1, 5))
def test_equals_the_oracle_on_ragged_panels_with_gaps(make_samples, data, lookback, label):
    assets = data.draw(
        st.lists(st.sets(st.integers(0, 80), min_size=1, max_size=50), min_size=1, max_size=4)
    )
    times = [np.array(sorted(days)).astype("datetime64[D]") for days in assets]
    samples = make_samples(times, lookback=lookback, label_bars=label)
    is_test = samples.origin >= np.datetime64(data.draw(st.integers(0, 80)), "D")
    train = samples.take(np.flatnonzero(~is_test))
    test = samples.take(np.flatnonzero(is_test))
    assert purge(train, test).tolist() == oracle(train, test, 0 * DAY)


def test_sharing_one_bar_is_meeting_and_the_next_bar_is_not():
    train = intervals([(0, 9), (0, 10), (21, 5), (20, 5)])
    assert purge(train, intervals([(10, 10)])).tolist() == [True, False, True, False]


def test_nothing_to_keep_apart():
    empty, some = intervals([]), intervals([(0, 1)])
    assert purge(some, empty).tolist() == [True]
    assert purge(empty, some).tolist() == []


def test_a_million_samples_take_about_a_second():
    n = 1_000_000
    start = np.arange(n).view("datetime64[ns]")
    rng = np.random.default_rng(0)
    shuffled = rng.permutation(n)
    start = start[shuffled]
    end = start + np.timedelta64(500, "ns")
    index = np.arange(n)
    samples = Samples(index, index, start, start, end, index)
    half = shuffled < n // 2
    train, test = samples.take(np.flatnonzero(half)), samples.take(np.flatnonzero(~half))
    begin = time.perf_counter()
    keep = purge(train, test)
    assert time.perf_counter() - begin < 2.0
    assert (~keep).sum() == 500


@pytest.mark.parametrize("value", ["none", -1, True])
def test_rule_refuses_what_is_not_a_purge(value):
    with pytest.raises(ConfigError, match=r"split\.purge="):
        PurgeRule.parse(value, 0)


def test_rule_names_the_purge_that_is_needed():
    rule = PurgeRule.parse(5, 0)
    rule.check(label_bars=5)
    with pytest.raises(LeakageError, match="at least 6"):
        rule.check(label_bars=6)
    PurgeRule.parse("auto", 0).check(label_bars=500)


def test_purge_in_bars_keeps_origins_that_many_bars_apart():
    days = np.arange(20).astype("datetime64[D]").astype("datetime64[ns]")
    index = np.arange(20)
    end = np.append(days[1:], days[-1])  # labels read one bar
    samples = Samples(index, index * 0, days, days, end, index)
    earlier, later = samples.take(np.arange(10)), samples.take(np.arange(10, 20))
    grid = ticks(days)

    def last(purge: int, embargo: int | float | str) -> int:
        keep = PurgeRule.parse(purge, embargo).keep(earlier, later, grid)
        assert keep[: keep.sum()].all()
        return int(np.flatnonzero(keep)[-1])

    assert last(1, 0) == 9  # its label is complete at the first later origin
    assert last(4, 0) == 6
    assert last(4, 2) == 4
    assert last(4, "2D") == 4
    assert last(4, 2 / 19) == 4


def test_purge_in_bars_drops_labels_that_last_longer_on_a_sparse_asset():
    dense = np.arange(20).astype("datetime64[D]").astype("datetime64[ns]")
    earlier = Samples(
        np.array([0]), np.array([1]), dense[[2]], dense[[2]], dense[[15]], np.array([1])
    )
    later = Samples(
        np.array([9]), np.array([0]), dense[[10]], dense[[10]], dense[[11]], np.array([9])
    )
    assert PurgeRule.parse(1, 0).keep(earlier, later, ticks(dense)).tolist() == [False]


def test_embargo_widens_the_interval_rule_in_every_unit():
    days = np.arange(41).astype("datetime64[D]").astype("datetime64[ns]")
    earlier = intervals([(k, 0) for k in range(20)])
    later = intervals([(k, 0) for k in range(20, 41)])
    for embargo, kept in [(0, 20), (3, 17), ("3D", 17), (0.075, 17), ("71h", 18)]:
        keep = PurgeRule.parse("auto", embargo).keep(earlier, later, ticks(days))
        assert keep.sum() == kept, embargo
    # More bars than there are before the first: nothing can stay.
    assert not PurgeRule.parse("auto", 30).keep(earlier, later, ticks(days)).any()
