"""Hydra multirun: jobs in processes of their own, side by side in one study."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from regimecast.core.files import read_json
from regimecast.tracking.folder import read_status
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
    assert made[2]["hashes"] != made[3]["hashes"]
    assert (STUDY / "report.html").is_file()
    page = (STUDY / "report.html").read_text()
    for run in runs:
        assert run.name in page
        assert run.name in ended.out
        assert f"done: {run}" in ended.err
    assert "report: runs/study/report.html" in ended.out
    # A job of a sweep is bit for bit the run by itself.
    assert command("train", *TINY, "model=lstm", "seed=2", "study=alone").code == 0
    alone = read_json(run_folders(Path("runs/alone"))[0] / "manifest.json")
    assert alone["environment"]["threads"] == made[3]["environment"]["threads"]
    assert alone["hashes"] == made[3]["hashes"]
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
    started = start("train", "-m", *ENDLESS, "trainer.max_epochs=1000000,1")
    started.wait_for(trains(STUDY), "first epoch")
    (run,) = run_folders(STUDY)
    os.kill(read_json(run / "manifest.json")["process"]["id"], signal.SIGKILL)
    ended = started.end()
    assert ended.code == 1
    assert "the process died with signal SIGKILL" in ended.err
    assert [read_status(run) for run in run_folders(STUDY)] == ["interrupted", "finished"]
    assert "interrupted" in ended.out
