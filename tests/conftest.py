"""Fixtures shared by every test."""

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

# Workers run side by side: one thread each, or they fight for the cores. Set before torch loads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from coverage import Coverage

# A suite that was started in the background (by `nohup`, or `&` in a script) inherits an ignored
# Ctrl-C, and so would every process that the tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parents[1]
NOT_COUNTED = (
    "tests/audit/",
    "tests/bench/",
    "tests/contracts/",
    "tests/e2e/",
    "tests/report/test_pages_in_a_browser.py",
    "tests/report/test_study.py::test_two_hundred_runs",
    "tests/report/test_study_in_a_browser.py",
    "tests/splits/test_purging_oracle.py",
)
"""Tests in which coverage is not measured: it would take them two to six times as long.

What counts is what the tests of a part itself touch, not what a whole run happens to pass through.
"""
COUNTED = pytest.StashKey[bool]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts whole runs before the rest, and chooses the tests that count for coverage.

    Whole runs take half of all the time: last, they would keep one worker only. Of the cases of a
    test the first counts; the others walk the same lines with other numbers.
    """
    items.sort(key=lambda item: not item.nodeid.startswith("tests/e2e/"))
    seen: set[str] = set()
    for item in items:
        test = item.nodeid.partition("[")[0]
        item.stash[COUNTED] = test not in seen and not test.startswith(NOT_COUNTED)
        seen.add(test)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Pauses the measuring of coverage for a test that does not count, and for its fixtures."""
    measuring = Coverage.current()
    if measuring is None or item.stash[COUNTED]:
        return (yield)
    measuring.stop()
    try:
        return (yield)
    finally:
        measuring.start()


@pytest.fixture(autouse=True)
def quiet_process() -> Iterator[None]:
    """A command sets up its process's log; after a test it is pytest's again."""
    logger = logging.getLogger("regimecast")
    before = (list(logger.handlers), logger.level, logger.propagate)
    yield
    logger.handlers[:], logger.level, logger.propagate = before


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real market data; see README. Tests that need it skip where it is missing."""
    folder = Path(os.environ.get("REGIMECAST_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data not found at {folder}; set REGIMECAST_SHARED_DATA")
    return folder
