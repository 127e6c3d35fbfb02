"""Processes that are killed with SIGKILL, or that update one folder at the same time."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from regimecast.core.errors import DataError
from regimecast.labels import IncrementalLabeler
from tests.labels.incremental.market import RULE, assert_same_bytes, bars, labelled

TABLE = bars(600, 11, gaps=True)
OLD = TABLE[:350].drop(TABLE.index[120:130])
LATE_AND_NEW = TABLE[110:420]


def forked(work: Callable[[], object]) -> int:
    """Process id of a child that does the work and nothing after it."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return child


def killed(child: int) -> bool:
    """True where the child ended by a kill."""
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def die_at(step: int, *, before: bool) -> None:
    """From now on, this process kills itself at its n-th change of a file system."""
    left = step

    def wrapped(change: Callable) -> Callable:
        def call(*args, **kwargs):
            nonlocal left
            left -= 1
            if left == 0 and before:
                os.kill(os.getpid(), signal.SIGKILL)
            result = change(*args, **kwargs)
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    os.fsync = wrapped(os.fsync)
    Path.replace = wrapped(Path.replace)
    Path.write_bytes = wrapped(Path.write_bytes)
    Path.write_text = wrapped(Path.write_text)
    Path.unlink = wrapped(Path.unlink)


@pytest.mark.parametrize("before", [True, False])
def test_a_kill_at_any_write_leaves_the_old_labels_or_the_new(small_segments, memory, before):
    old, new = labelled(OLD, RULE), labelled(TABLE[:420], RULE)
    seen = set()
    step = 0
    while True:
        step += 1
        folder = memory / str(step)
        mine = IncrementalLabeler(folder, rule=RULE)
        mine.update("a", OLD)

        def work(mine=mine, step=step):
            die_at(step, before=before)
            mine.update("a", LATE_AND_NEW)

        if not killed(forked(work)):
            break
        cache = mine.load_cache("a")
        is_new = len(cache) == len(new)
        seen.add(is_new)
        assert_same_bytes(cache, new if is_new else old)
        mine.update("a", LATE_AND_NEW)
        mine.update("a", TABLE[415:500])
        assert_same_bytes(mine.load_cache("a"), labelled(TABLE[:500], RULE))
        names = {segment.name for segment in mine._store("a").state().segments}
        assert {path.name for path in (folder / "a").iterdir()} == names | {"state.json", "lock"}
    assert seen == {True, False}
    assert step > 10


def test_kills_at_random_times(small_segments, memory):
    rng = np.random.default_rng(0)
    mine = IncrementalLabeler(memory, rule=RULE)
    mine.update("a", TABLE[:50])
    hits = 0
    for start in range(50, 600, 25):
        more = TABLE[start - 10 : start + 25]
        child = forked(lambda more=more: mine.update("a", more))
        time.sleep(rng.uniform(0, 0.03))
        os.kill(child, signal.SIGKILL)
        hits += killed(child)
        assert len(mine.load_cache("a")) in (start, start + 25)
        mine.update("a", more)
        assert_same_bytes(mine.load_cache("a"), labelled(TABLE[: start + 25], RULE))
    assert hits > 3


def test_two_processes_at_once_lose_nothing(small_segments, memory):
    def work(first):
        mine = IncrementalLabeler(memory, rule=RULE)
        for start in range(first, 600, 40):
            mine.update("a", TABLE[start : start + 20])

    children = [forked(lambda first=first: work(first)) for first in (0, 20)]
    reader = IncrementalLabeler(memory, rule=RULE)
    while os.waitpid(children[0], os.WNOHANG) == (0, 0):
        if reader.cached_hash("a") is not None:
            assert reader.load_cache("a").index.is_monotonic_increasing
    os.waitpid(children[1], 0)
    assert_same_bytes(reader.load_cache("a"), labelled(TABLE, RULE))


def test_the_second_process_gives_up_clearly(memory):
    mine = IncrementalLabeler(memory, rule=RULE, lock_timeout=0.05)
    mine.update("a", TABLE[:50])
    ready, done = os.pipe(), os.pipe()

    def hold():
        with mine._store("a").locked(1.0):
            os.write(ready[1], b"1")
            os.read(done[0], 1)

    child = forked(hold)
    os.read(ready[0], 1)
    with pytest.raises(DataError, match=r"another process; gave up after 0\.05 s"):
        mine.update("a", TABLE)
    os.kill(child, signal.SIGKILL)
    assert killed(child)
    assert mine.update("a", TABLE).new == 550  # the lock died with its process
