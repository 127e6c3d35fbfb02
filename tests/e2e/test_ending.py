"""Runs that do not finish: whatever ends them, their folders can be read and say what happened."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from regimecast.core.files import read_json
from regimecast.evaluation.leaderboard import Leaderboard
from regimecast.report.html import write_run_report
from regimecast.tracking.folder import read_status
from tests.e2e.command import ENDLESS, TINY, Ended, Started, run_folders, trains

STUDY = Path("runs/study")


def the_run() -> Path:
    (run,) = run_folders(STUDY)
    return run


def check_readable(run: Path, *, killed: bool = False) -> None:
    """The log and config are there, the page and the leaderboard can be made, no litter lies.

    A process that is killed leaves at most the one file that it was writing, under its temporary
    name.
    """
    assert (run / "config.yaml").is_file()
    assert write_run_report(run).is_file()
    board = Leaderboard.read(run.parent).frame
    assert board["status"].tolist() == [read_status(run)]
    assert pd.read_csv(run / "metrics.csv")["key"].str.startswith("fold=0/").all()
    litter = [path for path in run.rglob(".*") if path.is_file()]
    assert len(litter) <= (1 if killed else 0)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "sigterm"]
)
def test_a_stopped_run_says_interrupted(
    start: Callable[..., Started], number: signal.Signals, code: int
):
    started = start("train", *ENDLESS)
    started.wait_for(trains(STUDY), "first epoch")
    started.signal(number, group=number == signal.SIGINT)
    ended = started.end()
    assert ended.code == code, ended.err
    assert "error: interrupted" in ended.err
    assert "Traceback" not in ended.err
    manifest = read_json(the_run() / "manifest.json")
    assert manifest["status"] == "interrupted"
    assert manifest["error"].startswith("KeyboardInterrupt")
    assert "interrupted" in (the_run() / "train.log").read_text()
    check_readable(the_run())


def test_a_killed_run_says_running_but_is_known_to_be_gone(start: Callable[..., Started]):
    started = start("train", *ENDLESS)
    started.wait_for(trains(STUDY), "first epoch")
    assert read_status(the_run()) == "running"
    started.signal(signal.SIGKILL)
    assert started.end().code == -signal.SIGKILL
    assert read_json(the_run() / "manifest.json")["status"] == "running"
    assert read_status(the_run()) == "interrupted"
    check_readable(the_run(), killed=True)


def test_an_error_is_kept_with_its_traceback(
    command: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
):
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a slip")

    monkeypatch.setattr("regimecast.models.neural.NeuralModel.predict", broken)
    ended = command("train", *TINY)
    assert ended.code == 1
    manifest = read_json(the_run() / "manifest.json")
    assert manifest["status"] == "failed"
    assert manifest["error"] == "ZeroDivisionError: a slip"
    assert 'raise ZeroDivisionError("a slip")' in "".join(manifest["traceback"])
    assert "ZeroDivisionError" in (the_run() / "train.log").read_text()
    check_readable(the_run())
    assert "ZeroDivisionError: a slip" in command("leaderboard", str(STUDY)).out


def test_an_evaluation_of_a_run_that_failed_is_refused(
    command: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("regimecast.models.neural.NeuralModel.predict", lambda *_, **__: 1 / 0)
    command("train", *TINY)
    ended = command("evaluate", str(the_run()))
    assert ended.code == 2
    assert "is failed; only a finished run" in ended.err


def test_two_runs_at_once_get_folders_of_their_own(start: Callable[..., Started]):
    started = [start("train", *TINY) for _ in range(2)]
    for one in started:
        ended = one.end()
        assert ended.code == 0, ended.err
    runs = run_folders(STUDY)
    assert len(runs) == 2
    assert [read_status(run) for run in runs] == ["finished", "finished"]
    manifests = [read_json(run / "manifest.json") for run in runs]
    assert manifests[0]["process"]["id"] != manifests[1]["process"]["id"]
    assert manifests[0]["stages"] == manifests[1]["stages"]


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    place = folder / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root can mount a small file system")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True, text=True
    )
    if done.returncode != 0:
        pytest.skip(f"cannot mount a small file system here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_forecasts_are_kept_when_their_judgement_fails(
    command: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("regimecast.job.judge_folds", lambda *_, **__: 1 / 0)
    assert command("train", *TINY).code == 1
    assert len(pd.read_parquet(the_run() / "predictions.parquet")) > 0


@pytest.mark.parametrize("tracker", ["csv", "wandb", "mlflow"])
def test_a_full_disk_is_said_and_the_folder_stays_readable(
    command: Callable[..., Ended], small_disk: Path, tracker: str
):
    # The report alone is larger than the disk.
    ended = command("train", *TINY, f"runs={small_disk}", f"tracker={tracker}")
    assert ended.code == 1, ended.err
    (run,) = run_folders(small_disk / "study")
    message = ended.err.rpartition("error: ")[2]
    assert message.startswith(f"the disk of {run} is full, the run is interrupted: ")
    assert message.count("\n") == 1
    assert "Traceback" not in ended.err
    manifest = read_json(run / "manifest.json")
    assert manifest["status"] == "interrupted"
    if tracker == "mlflow":  # its database fills the disk first
        assert "database or disk is full" in manifest["error"]
        return
    assert "No space left on device" in manifest["error"]
    assert read_json(run / "metrics.json")["status"] == "interrupted"
    assert pd.read_parquet(run / "predictions.parquet").shape[0] > 0
    assert not (run / "report.html").exists()
    assert not [path for path in run.iterdir() if path.name.startswith(".")]


def test_a_disk_that_is_full_to_the_brim_is_an_interruption_too(
    command: Callable[..., Ended], small_disk: Path, monkeypatch: pytest.MonkeyPatch
):
    from regimecast.data.sources.synthetic import SyntheticSource

    load = SyntheticSource.load

    def fill(self: SyntheticSource) -> object:
        with (small_disk / "ballast").open("wb") as file:
            try:
                while True:
                    file.write(b"x" * 4096)
                    file.flush()
            except OSError:
                pass
        return load(self)

    monkeypatch.setattr(SyntheticSource, "load", fill)
    ended = command("train", *TINY, f"runs={small_disk}")
    assert ended.code == 1, ended.err
    assert "No space left on device" in ended.err
    assert "Traceback" not in ended.err
    (run,) = run_folders(small_disk / "study")
    manifest = read_json(run / "manifest.json")
    assert manifest["status"] == "interrupted"
    assert "No space left on device" in manifest["error"]
    assert manifest["seed"] == 0
    assert (run / "config.yaml").stat().st_size > 0


def test_a_folder_that_cannot_be_written_is_named(command: Callable[..., Ended], folder: Path):
    (folder / "runs").write_text("a file where the folder should be")
    ended = command("train", *TINY)
    assert ended.code == 1
    assert "runs/study" in ended.err
    assert "Traceback" not in ended.err
