"""Fixtures of the report's tests."""

from pathlib import Path
from typing import Any

import pytest

from tests.report.lifelike import MakeRun, write_run


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Function that writes ``tmp_path/<study>/<job>`` and returns the folder."""

    def make(job: str = "nhits", *, study: str = "demo", **options: Any) -> Path:
        return write_run(tmp_path / study / job, **options)

    return make
