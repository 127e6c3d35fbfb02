"""Fixtures of the report's tests."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from regimecast.report.html import write_multirun_report
from tests.report.lifelike import MakeRun, write_run
from tests.report.lifelike_study import write_comparison, write_study
from tests.report.visits import Visit, browser

__all__ = ["browser", "make_run", "study", "visit"]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Function that writes ``tmp_path/<study>/<job>`` and returns the folder."""

    def make(job: str = "nhits", *, study: str = "demo", **options: Any) -> Path:
        return write_run(tmp_path / study / job, **options)

    return make


@pytest.fixture(scope="package")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a study of 24 runs with its page and a comparison; not to be changed."""
    folder = write_study(tmp_path_factory.mktemp("runs") / "sweep", full=False)
    write_comparison(folder)
    write_multirun_report(folder)
    return folder


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """A visit that must end without a complaint."""
    visit = Visit(browser)
    yield visit
    visit.context.close()
    assert visit.complaints == []
