"""Fixtures shared by every test."""

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

# Workers run side by side: one thread each, or they fight for the cores. Set before torch loads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

# A suite that was started in the background (by `nohup`, or `&` in a script) inherits an ignored
# Ctrl-C, and so would every process that the tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parents[1]
NOT_COUNTED = (
    "audit",
    "bench",
    "contracts",
    "e2e",
    "report/test_pages_in_a_browser.py",
    "report/test_study_in_a_browser.py",
    "splits/test_purging_oracle.py",
)
"""Tests in which coverage is not measured: it would take them 1.7 times as long.

What counts is what the tests of a part itself touch, not what a whole run happens to pass through.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests whose coverage is not measured, and puts whole runs before the rest.

    Whole runs take half of the time. In the middle they would come last to one worker of two;
    first, they keep it busy while the other one does what is left.
    """
    here = Path(__file__).parent
    for item in items:
        if any(item.path.is_relative_to(here / name) for name in NOT_COUNTED):
            item.add_marker("no_cover")
    items.sort(key=lambda item: not item.path.is_relative_to(here / "e2e"))


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
