import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from regimecast.labels.incremental import layout
from tests.labels.incremental.market import MEMORY


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory where the system has such."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files so small that a few hundred bars fill many."""
    monkeypatch.setattr(layout, "SEAL", 16)
    monkeypatch.setattr(layout, "PIECE", 40)
