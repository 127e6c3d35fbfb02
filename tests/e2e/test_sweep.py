"""Hydra multirun: jobs in processes of their own, side by side in one study."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from regimecast.core.files import read_json
from regimecast.tracking.folder import read_status
from regimecast.tracking.ledger import Ledger
from tests.e2e.command import ENDLESS, TINY, Ended, Started, run_folders, trains

STUDY = Path("runs/study")


def manifests() -> list[dict]:
    return [read_json(run / "manifest.json") for run in run_folders(STUDY)]


def test_a_sweep_runs_every_job_in_a_process_of_its_own(command: Callable[..., Ended]):
    ended = command("train", "-m", *TINY, "model=naive,lstm", "seed=1,2")
    assert ended.code == 0, ended.err
    runs = run_folders(STUDY)
    assert [run.name[:3] for run in runs] == ["000", "001", "002", "003"]
    made = manifests()
    assert len({one["process"]["id"] for one in made} | {os.getpid()}) == 5
    assert [one["seed"] for one in made] == [1, 2, 1, 2]
    assert {one["status"] for one in made} == {"finished"}
    # The first job's seed and model do not reach into the others.
    assert len({one["config_sha256"] for one in made}) == 4
    assert made[2]["stages"] != made[3]["stages"]
    assert (STUDY / "report.html").is_file()
    page = (STUDY / "report.html").read_text()
    for run in runs:
        assert run.name in page
        assert f"done: {run}" in ended.err
    for model in ("naive", "lstm"):  # seeds of one job are one row
        assert f"model={model} " in ended.out
    assert "report: runs/study/report.html" in ended.out
    # A job of a sweep is bit for bit the run by itself.
    assert command("train", *TINY, "model=lstm", "seed=2", "study=alone").code == 0
    alone = read_json(run_folders(Path("runs/alone"))[0] / "manifest.json")
    assert alone["environment"]["threads"] == made[3]["environment"]["threads"]
    assert alone["stages"] == made[3]["stages"]
    assert alone["config_sha256"] == made[3]["config_sha256"]


def test_jobs_beside_each_other_share_a_study_and_end_in_order(command: Callable[..., Ended]):
    without = [o for o in TINY if not o.startswith("study=")]
    ended = command("train", "-m", *without, "seed=1,2", "hydra.launcher.n_jobs=2")
    assert ended.code == 0, ended.err
    (study,) = (path for path in Path("runs").iterdir() if path.is_dir())
    assert [read_json(run / "manifest.json")["seed"] for run in run_folders(study)] == [1, 2]


def test_a_job_that_fails_does_not_stop_the_others(command: Callable[..., Ended]):
    # The first has a config that cannot be, the second a target without windows.
    ended = command("train", "-m", *TINY, "target.horizon=0,400,2", "hydra.launcher.n_jobs=2")
    assert ended.code == 1
    assert [m["status"] for m in manifests()] == ["failed", "failed", "finished"]
    assert "horizon" in manifests()[0]["error"]
    shown = ended.err.rpartition("report:")[2]
    for value in ("target.horizon=0", "target.horizon=400"):
        assert f"{value}" in shown.partition("error: ")[2]
    board = command("leaderboard", str(STUDY)).out
    for run in run_folders(STUDY):
        assert run.name in board or run.name[:3] in board
    assert board.count("failed") >= 2
    assert board.count("finished") >= 1


def test_a_typo_in_one_job_stops_the_sweep_before_the_first(command: Callable[..., Ended]):
    ended = command("train", "-m", *TINY, "model=nlinear,nlinaer")
    assert ended.code == 2
    assert "'nlinear'" in ended.err
    assert not Path("runs/study").exists() or not run_folders(STUDY)


@pytest.mark.parametrize("group", [True, False], ids=["terminal", "kill"])
def test_a_stopped_sweep_stops_its_jobs_and_starts_no_other(
    start: Callable[..., Started], group: bool
):
    started = start("train", "-m", *ENDLESS, "seed=1,2,3,4", "hydra.launcher.n_jobs=2")
    started.wait_for(trains(STUDY, 2), "first epoch of two jobs")
    started.signal(signal.SIGINT, group=group)
    ended = started.end()
    assert ended.code == 130
    assert "error: interrupted" in ended.err
    assert "Traceback" not in ended.err
    runs = run_folders(STUDY)
    assert [run.name[:3] for run in runs] == ["000", "001"]
    for run in runs:
        assert read_json(run / "manifest.json")["status"] == "interrupted"


def test_a_killed_job_is_reported_and_the_next_one_runs(start: Callable[..., Started]):
    started = start("train", "-m", *ENDLESS, "trainer.max_epochs=1000000,1", "sweep.retries=0")
    started.wait_for(trains(STUDY), "first epoch")
    (run,) = run_folders(STUDY)
    os.kill(read_json(run / "manifest.json")["process"]["id"], signal.SIGKILL)
    ended = started.end()
    assert ended.code == 1
    assert "the process died with signal SIGKILL" in ended.err
    assert [read_status(run) for run in run_folders(STUDY)] == ["interrupted", "finished"]
    assert "interrupted" in ended.out


SWEEP = ("train", "-m", *TINY, "model=naive,lstm", "seed=1,2")


def test_the_same_command_again_runs_nothing_and_says_so(command: Callable[..., Ended]):
    assert command(*SWEEP).code == 0
    before = manifests()
    # How it is run makes no other job.
    again = command(*SWEEP, "sweep.jobs=2", "ledger=another")
    assert again.code == 0, again.err
    assert manifests() == before
    for number, run in enumerate(run_folders(STUDY), 1):
        assert f"job {number} of 4: " in again.err
        assert f"finished before: {run}" in again.err
    assert "model=naive " in again.out  # the leaderboard has them all the same
    assert "4 of 4 jobs had ended before and are not run again" in again.err
    assert read_json(STUDY / "sweep.json")["jobs"]["done"] == 4
    # One job more is one job.
    more = command("train", "-m", *TINY, "model=naive,lstm", "seed=1,2,3")
    assert more.code == 0, more.err
    assert [one["seed"] for one in manifests()] != [one["seed"] for one in before]
    assert len(manifests()) == 6
    assert "4 of 6 jobs had ended before" in more.err


def test_the_same_jobs_by_another_way_are_found_and_are_the_same(command: Callable[..., Ended]):
    sweep = [word for word in TINY if not word.startswith("study=")]
    way = (
        "feature_cache=disk",
        f"feature_cache.folder={Path('kept').resolve()}",
        "window.num_workers=1",
        "window.placement=mapped",
        "callbacks.checkpoint.every_n_steps=2",
        "callbacks.progress=null",
    )
    assert command("train", "-m", *sweep, "seed=1,2").code == 0
    again = command("train", "-m", *sweep, *way, "seed=1,2")
    assert again.code == 0, again.err
    assert "2 of 2 jobs had ended before and are not run again" in again.err
    (study,) = [path for path in Path("runs").iterdir() if path.is_dir()]
    ended = command("train", *sweep, *way, "seed=2", "study=alone")
    assert ended.code == 0, ended.err
    one, alone = (
        read_json(run_folders(folder)[-1] / "manifest.json")
        for folder in (study, Path("runs/alone"))
    )
    assert alone["identity"] == one["identity"]
    assert alone["stages"] == one["stages"]


def test_a_sweep_without_a_name_is_found_again(command: Callable[..., Ended]):
    unnamed = [word for word in SWEEP if not word.startswith("study=")]
    assert command(*unnamed).code == 0
    again = command(*unnamed, "sweep.jobs=2")
    assert again.code == 0
    (study,) = [path for path in Path("runs").iterdir() if path.is_dir()]
    assert study.name.startswith("data=synthetic")
    assert len(run_folders(study)) == 4


def test_what_failed_is_run_again_only_when_asked(command: Callable[..., Ended]):
    sweep = ("train", "-m", *TINY, "target.horizon=2,400")
    assert command(*sweep).code == 1
    again = command(*sweep)
    assert again.code == 1
    assert "failed before" in again.err
    assert "sweep.retry_failed=true runs the failed ones" in again.err
    assert again.err.count("error: ") == 1
    assert "target.horizon=400" in again.err.partition("error: ")[2]
    assert len(run_folders(STUDY)) == 2
    assert command(*sweep, "sweep.retry_failed=true").code == 1
    names = [run.name for run in run_folders(STUDY)]
    assert [*names[:2], names[1] + "~2"] == names


def test_another_config_is_another_job_of_the_study(command: Callable[..., Ended]):
    assert command("train", "-m", *TINY, "seed=1,2").code == 0
    other = command("train", "-m", *TINY, "seed=1,2", "model.hidden_size=8")
    assert other.code == 0
    assert "had ended before" not in other.err
    assert len(run_folders(STUDY)) == 4


def test_a_sweep_whose_driver_was_killed_goes_on(start: Callable[..., Started]):
    sweep = ("train", "-m", *ENDLESS, "seed=1,2", "trainer.max_epochs=40")
    started = start(*sweep)
    started.wait_for(trains(STUDY), "first epoch")
    started.signal(signal.SIGKILL)
    started.end()
    ended = start(*sweep).end()
    assert ended.code == 0, ended.err
    made = manifests()
    assert [one["status"] for one in made] == ["finished", "finished"]
    assert [len(one.get("attempts", [])) for one in made] == [1, 0]
    ledger = Ledger(Path("ledger"))
    assert ledger.verify() == []
    assert len(ledger) == 2
    assert {*ledger.table()["status"]} == {"finished"}
    assert len(list(Path("ledger").glob("*.parquet"))) == 3
    # Nothing tells it from a sweep that nobody disturbed.
    assert start(*sweep, "study=whole").end().code == 0
    whole = [read_json(run / "manifest.json") for run in run_folders(Path("runs/whole"))]
    assert [one["stages"] for one in whole] == [one["stages"] for one in made]


def test_a_job_whose_process_was_killed_is_begun_again(start: Callable[..., Started]):
    started = start("train", "-m", *ENDLESS, "seed=1,2", "trainer.max_epochs=60")
    started.wait_for(trains(STUDY), "first epoch")
    (run,) = run_folders(STUDY)
    os.kill(read_json(run / "manifest.json")["process"]["id"], signal.SIGKILL)
    ended = started.end()
    assert ended.code == 0, ended.err
    assert "the process died with signal SIGKILL; it is begun again" in ended.err
    assert len(run_folders(STUDY)) == 2
    assert manifests()[0]["attempts"][0]["status"] == "interrupted"


def test_two_drivers_share_the_jobs_of_a_study(start: Callable[..., Started]):
    sweep = ("train", "-m", *TINY, "seed=range(6)", "trainer.max_epochs=20")
    both = [start(*sweep) for _ in range(2)]
    ended = [one.end() for one in both]
    assert [one.code for one in ended] == [0, 0], ended
    assert [run.name for run in run_folders(STUDY)] == [f"{n:03d}_seed={n}" for n in range(6)]
    assert all("attempts" not in one for one in manifests())
    assert len(Ledger(Path("ledger"))) == 6
    assert "another process works on" in ended[0].err + ended[1].err


def test_a_job_that_takes_too_long_ends_as_failed(command: Callable[..., Ended]):
    ended = command("train", "-m", *ENDLESS, "seed=1", "sweep.time_limit=20")
    assert ended.code == 1
    (one,) = manifests()
    assert one["status"] == "failed"
    assert one["error"] == "TimeLimitError: it has taken longer than the 20 seconds it may"
    assert Ledger(Path("ledger")).table()["status"].tolist() == ["failed"]


@pytest.mark.parametrize(
    ("setting", "left"), [("sweep.fail_fast=true", 3), ("sweep.max_failures=2", 2)]
)
def test_a_sweep_gives_up(command: Callable[..., Ended], setting: str, left: int):
    ended = command("train", "-m", *TINY, "target.horizon=400,401,2,3", setting)
    assert ended.code == 1
    assert f"allows: {left} jobs are not begun" in ended.err
    assert len(run_folders(STUDY)) == 4 - left


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-m", "sweep.jobs=0"), "sweep.jobs=0 must be 1 or more"),
        (("-m", "sweep.time_limit=-1"), "sweep.time_limit=-1"),
        (("-m", "sweep.retires=1"), "Did you mean 'sweep.retries'?"),
        (("-m", "sweep=gird"), "Did you mean 'grid'?"),
        (("sweep.jobs=2",), "sweep.jobs=2 is for a sweep: regimecast train -m"),
    ],
)
def test_a_setting_that_cannot_be_is_said(
    command: Callable[..., Ended], words: tuple[str, ...], said: str
):
    ended = command("train", *TINY, *words)
    assert ended.code == 2
    assert said in ended.err
    assert not Path("runs").exists()
