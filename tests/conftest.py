"""Fixtures shared by every test."""

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

# Workers run side by side: one thread each, or they fight for the cores. Set before torch loads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from tests.measured import measure

measure()

# A suite that was started in the background (by `nohup`, or `&` in a script) inherits an ignored
# Ctrl-C, and so would every process that the tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts whole runs, half of all the time, before the rest: last, they would keep one worker."""
    items.sort(key=lambda item: not item.nodeid.startswith("tests/e2e/"))


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
