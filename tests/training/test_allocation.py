"""Memory that is freed during training stays, and goes back to the system after it."""

import platform
import resource
from pathlib import Path

import numpy as np
import pytest

from regimecast.training import allocation
from regimecast.training.allocation import freed_memory_kept

BYTES = 64 * 2**20
PAGES = BYTES // resource.getpagesize()

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="asks glibc")


def faults(times: int) -> int:
    """Pages that the system had to provide while a block was made and dropped a few times."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        np.empty(BYTES, dtype=np.uint8).fill(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@glibc
def test_a_block_is_cleared_once_and_not_each_time():
    # Where the system has huge pages, a fault may provide 512 pages at once.
    assert faults(5) > 4 * PAGES / 512
    with freed_memory_kept():
        faults(1)
        assert faults(5) < PAGES / 512
    assert faults(5) > 4 * PAGES / 512


@glibc
def test_the_system_gets_it_back():
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1])

    before = resident()
    with freed_memory_kept():
        faults(1)
        assert resident() - before > PAGES / 2
    assert resident() - before < PAGES / 2


@glibc
@pytest.mark.parametrize("name", ["MALLOC_ARENA_MAX", "GLIBC_TUNABLES"])
def test_what_the_user_has_set_stays(name, monkeypatch):
    monkeypatch.setenv(name, "")
    allocation._glibc.cache_clear()
    try:
        with freed_memory_kept():
            faults(1)
            assert faults(5) > 4 * PAGES / 512
    finally:
        allocation._glibc.cache_clear()


def test_elsewhere_nothing_happens(monkeypatch):
    monkeypatch.setattr(allocation, "_glibc", lambda: None)
    with freed_memory_kept():
        assert faults(1) >= 0
