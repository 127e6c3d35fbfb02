"""Memory over disk, one computation for all threads, one cache for all of a process."""

import pickle
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from regimecast.core.errors import ConfigError
from regimecast.features.cache import FeatureCache, shared_cache
from regimecast.features.table import FeatureTable
from tests.features.cache.tables import BYTES, Clock, features, key, numbers, settings


class Work:
    """Computes tables, and knows which."""

    def __init__(self, cache: FeatureCache, seconds: float = 0.0) -> None:
        self.cache = cache
        self.seconds = seconds
        self.computed: list[int] = []

    def __call__(self, number: int) -> FeatureTable:
        def compute() -> np.ndarray:
            self.computed.append(number)
            time.sleep(self.seconds)
            return numbers(number)

        table = self.cache.table(key(number), features, compute)
        np.testing.assert_array_equal(table.values, numbers(number))
        return table


def together(count: int, call: Callable[[int], object]) -> None:
    barrier = threading.Barrier(count)

    def one(number: int) -> None:
        barrier.wait()
        call(number)

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(one, range(count)))


def test_memory_comes_before_disk_and_disk_before_work(tmp_path: Path) -> None:
    clock = Clock()
    cache = FeatureCache(settings(folder=str(tmp_path), ttl_seconds=10.0), clock=clock)
    work = Work(cache)
    work(1)
    work(1)
    clock.now = 11.0
    work(1)
    assert work.computed == [1]
    statistics = cache.statistics()
    assert statistics.disk is not None
    assert (statistics.memory.hits, statistics.memory.misses, statistics.disk.hits) == (1, 2, 1)
    assert statistics.memory.expirations == 1
    assert (statistics.requests, statistics.hits) == (3, 2)


@pytest.mark.parametrize("folder", [None, "cache"])
def test_what_is_handed_out_cannot_be_written_to(tmp_path: Path, folder: str | None) -> None:
    cache = FeatureCache(settings(folder=folder and str(tmp_path / folder)))
    for _ in range(2):
        with pytest.raises(ValueError, match="read-only"):
            Work(cache)(1).values[0, 0] = 7.0
    cache.configure(settings(folder=folder and str(tmp_path / folder), memory_mb=0.0))
    with pytest.raises(ValueError, match="read-only"):
        Work(cache)(1).values[0, 0] = 7.0


def test_tables_have_one_layout_wherever_they_come_from(tmp_path: Path) -> None:
    for _ in range(2):
        cache = FeatureCache(settings(folder=str(tmp_path)))
        table = cache.table(key(1), features, lambda: np.asfortranarray(numbers(1)))
        assert table.values.flags.c_contiguous


def test_threads_that_want_one_table_wait_for_one_computation() -> None:
    cache = FeatureCache(settings())
    work = Work(cache, seconds=0.2)
    together(8, lambda _: work(1))
    assert work.computed == [1]
    statistics = cache.statistics()
    assert (statistics.requests, statistics.hits) == (8, 7)


def test_threads_that_wait_get_a_table_that_memory_cannot_keep() -> None:
    work = Work(FeatureCache(settings(memory_mb=BYTES / 2e6)), seconds=0.5)
    together(4, lambda _: work(1))
    assert work.computed == [1]


def test_threads_that_want_several_tables_do_not_wait_for_each_other() -> None:
    cache = FeatureCache(settings())
    everybody = threading.Barrier(4)

    def ask(number: int) -> None:
        def compute() -> np.ndarray:
            everybody.wait(30)  # breaks where one has to finish before the next may begin
            return numbers(number)

        np.testing.assert_array_equal(
            cache.table(key(number), features, compute).values, numbers(number)
        )

    together(4, ask)


def test_where_one_computation_fails_the_next_thread_tries_itself() -> None:
    cache = FeatureCache(settings())
    attempts: list[int] = []

    def compute() -> np.ndarray:
        attempts.append(1)
        time.sleep(0.1)
        if len(attempts) == 1:
            raise KeyboardInterrupt
        return numbers(1)

    outcomes: list[str] = []

    def ask(_: int) -> None:
        try:
            cache.table(key(1), features, compute)
            outcomes.append("table")
        except KeyboardInterrupt:
            outcomes.append("interrupted")

    together(4, ask)
    assert sorted(outcomes) == ["interrupted", "table", "table", "table"]
    assert len(attempts) == 2


def test_hammered_by_threads_every_table_is_right(tmp_path: Path) -> None:
    one = BYTES / 1e6
    cache = FeatureCache(
        settings(memory_mb=2.5 * one, folder=str(tmp_path / "cache"), disk_mb=4 * (one + 0.001))
    )
    work = Work(cache)
    together(8, lambda seed: [work((seed * 7 + step * 3) % 6) for step in range(60)])
    statistics = cache.statistics()
    assert statistics.requests == 8 * 60
    assert statistics.hits == statistics.requests - len(work.computed)
    assert statistics.memory.bytes <= 2.5 * BYTES
    assert statistics.memory.evictions > 0


def test_a_process_has_one_cache_whoever_asks_with_whatever_limits(tmp_path: Path) -> None:
    before = shared_cache(settings()).settings
    try:
        cache = shared_cache(settings(entries=7))
        Work(cache)(1)
        other = shared_cache(settings(entries=5, folder=str(tmp_path)))
        assert other is cache
        assert cache.settings.entries == 5
        again = Work(other)
        again(1)
        assert again.computed == []
        assert cache.statistics().disk is not None
    finally:
        shared_cache(before)


def test_a_process_that_gets_the_cache_sent_uses_its_own() -> None:
    cache = shared_cache(settings())
    assert pickle.loads(pickle.dumps(cache)) is cache


def test_a_home_that_nobody_has_is_named() -> None:
    with pytest.raises(ConfigError, match=r"feature_cache.folder='~nobody-of-that-name/x'"):
        FeatureCache(settings(folder="~nobody-of-that-name/x"))


def test_a_folder_in_the_home_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    Work(FeatureCache(settings(folder="~/kept")))(1)
    assert (tmp_path / "kept" / f"{key(1)}.arrow").is_file()
