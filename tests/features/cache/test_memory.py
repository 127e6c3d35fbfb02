"""The memory tier against its limits of bytes, number and age."""

from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from regimecast.features.cache.memory import MemoryTier
from tests.features.cache.tables import BYTES, Clock, key, numbers, settings, table


def held(tier: MemoryTier, *keys: int) -> list[int]:
    return [number for number in keys if tier.get(key(number)) is not None]


def test_the_table_used_longest_ago_goes_first() -> None:
    tier = MemoryTier(settings(entries=2), clock=Clock())
    tier.put(key(1), table(1))
    tier.put(key(2), table(2))
    assert tier.get(key(1)) is not None
    tier.put(key(3), table(3))
    assert held(tier, 1, 2, 3) == [1, 3]
    statistics = tier.statistics()
    assert (statistics.hits, statistics.misses, statistics.evictions) == (3, 1, 1)
    assert (statistics.entries, statistics.bytes) == (2, 2 * BYTES)


def test_a_table_is_forgotten_when_its_time_is_up_however_often_it_was_used() -> None:
    clock = Clock()
    tier = MemoryTier(settings(ttl_seconds=10.0), clock=clock)
    tier.put(key(1), table(1))
    for clock.now in (5.0, 9.99):
        assert held(tier, 1) == [1]
    clock.now = 10.0
    assert held(tier, 1) == []
    statistics = tier.statistics()
    assert (statistics.expirations, statistics.entries, statistics.bytes) == (1, 0, 0)


def test_what_nobody_asks_for_any_more_is_forgotten_too() -> None:
    clock = Clock()
    tier = MemoryTier(settings(ttl_seconds=10.0), clock=clock)
    tier.put(key(1), table(1))
    clock.now = 11.0
    tier.put(key(2), table(2))
    assert (tier.statistics().expirations, tier.statistics().bytes) == (1, BYTES)


def test_bytes_stay_within_the_limit() -> None:
    tier = MemoryTier(settings(memory_mb=2.5 * BYTES / 1e6), clock=Clock())
    for number in range(5):
        tier.put(key(number), table(number))
        assert tier.statistics().bytes <= 2.5 * BYTES
    assert held(tier, *range(5)) == [3, 4]


def test_a_table_beyond_the_limit_pushes_nothing_out() -> None:
    tier = MemoryTier(settings(memory_mb=BYTES / 1e6), clock=Clock())
    tier.put(key(1), table(1))
    large = table(2)
    tier.put(key(2), type(large)(np.repeat(large.values, 2, axis=0), large.features))
    assert held(tier, 1, 2) == [1]


def test_a_table_put_again_counts_once() -> None:
    tier = MemoryTier(settings(), clock=Clock())
    tier.put(key(1), table(1))
    tier.put(key(1), table(1))
    assert (tier.statistics().entries, tier.statistics().bytes) == (1, BYTES)


def test_smaller_limits_push_out_at_once_and_larger_ones_nothing() -> None:
    tier = MemoryTier(settings(), clock=Clock())
    for number in range(4):
        tier.put(key(number), table(number))
    tier.configure(settings(entries=2))
    assert held(tier, *range(4)) == [2, 3]
    tier.configure(settings())
    assert held(tier, *range(4)) == [2, 3]
    tier.configure(settings(memory_mb=0.0))
    assert held(tier, *range(4)) == []


@given(
    st.lists(st.tuples(st.sampled_from(["put", "get", "wait"]), st.integers(0, 5)), max_size=60),
    st.integers(1, 4),
)
def test_it_is_what_a_naive_one_is(steps: list[tuple[str, int]], entries: int) -> None:
    clock = Clock()
    tier = MemoryTier(settings(entries=entries, ttl_seconds=7.0), clock=clock)
    naive: OrderedDict[int, float] = OrderedDict()
    for what, number in steps:
        for old in [k for k, expires in naive.items() if expires <= clock.now]:
            del naive[old]
        if what == "wait":
            clock.now += number
        elif what == "put":
            naive.pop(number, None)
            naive[number] = clock.now + 7.0
            while len(naive) > entries:
                naive.popitem(last=False)
            tier.put(key(number), table(number))
        else:
            found = tier.get(key(number))
            assert (found is not None) == (number in naive)
            if found is not None:
                naive.move_to_end(number)
                np.testing.assert_array_equal(found.values, numbers(number))


def test_threads_leave_the_counts_right() -> None:
    tier = MemoryTier(settings(entries=3), clock=Clock())

    def work(start: int) -> int:
        wrong = 0
        for step in range(500):
            number = (start + step) % 6
            found = tier.get(key(number))
            if found is None:
                tier.put(key(number), table(number))
            else:
                wrong += found.values[0, 0] != number
        return wrong

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) == 0
    statistics = tier.statistics()
    assert statistics.hits + statistics.misses == 8 * 500
    assert (statistics.entries, statistics.bytes) == (3, 3 * BYTES)
