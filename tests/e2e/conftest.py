"""Fixtures of the end-to-end tests: an empty working folder, and the command line in it."""

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from regimecast import cli
from regimecast.experiment import RunResult, run
from tests.e2e.command import TINY, Ended, Started
from tests.tracking.wandb_log import end_service


@pytest.fixture(autouse=True)
def no_service() -> Iterator[None]:
    """W&B's service of one test does not serve the next."""
    yield
    end_service()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the working one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def command(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """The command line in this process."""
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")  # the command sets it; here it is put back

    def call(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["regimecast", *arguments])
        capfd.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        captured = capfd.readouterr()
        return Ended(code, captured.out, captured.err)

    return call


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., Started]]:
    """The command line in a process of its own, ended with the test."""
    started: list[Started] = []

    def call(*arguments: str) -> Started:
        place = folder / f"process {len(started)}"
        place.mkdir()
        started.append(Started(place, *arguments))
        return started[-1]

    yield call
    for one in started:
        if one.process.is_alive():
            one.process.kill()
        one.process.join()


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """A finished run, to be read; whatever writes beside it or in its ledger takes `copied`."""
    folder = tmp_path_factory.mktemp("finished")
    return run(*TINY, f"runs={folder / 'runs'}", f"ledger={folder / 'ledger'}")


@pytest.fixture
def copied(finished: RunResult, folder: Path) -> Path:
    """A finished run that may be changed, with the ledger that has it, in the working folder."""
    shutil.copytree(finished.folder.parents[1], folder / "runs")
    shutil.copytree(finished.folder.parents[2] / "ledger", folder / "ledger")
    return Path("runs/study") / finished.folder.name
