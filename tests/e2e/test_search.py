"""Searches over Ray Tune: jobs are judged, cut, counted once, and found again after a kill."""

import os
import shlex
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from local_cluster import cluster, processes_of

from regimecast.core.errors import ConfigError
from regimecast.core.files import read_json
from regimecast.sweep.cluster import check_address, check_room
from regimecast.tracking.folder import read_status
from tests.e2e.command import TINY, Ended, Started, counted, run_folders, search_end, trains

STUDY = Path("runs/study")
SEARCHED = ("optimizer.lr=tag(log,interval(1e-5,1e-2))", "model.hidden_size=8,16")
FIXED = ("model.layers=1", "model.dropout=0.0", "optimizer.weight_decay=0.0")
PATIENT = ("trainer.max_epochs=150", "callbacks.early_stopping.patience=1000")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Address of a cluster of two nodes with a core each."""
    with cluster() as nodes:
        nodes.begin(cpus=1)
        nodes.begin(cpus=1).wait()
        yield nodes.address


def statuses() -> list[str]:
    return [read_status(run) for run in run_folders(STUDY)]


def test_a_search_cuts_the_worse_jobs_and_goes_on_where_it_was(
    start: Callable[..., Started], address: str
):
    arguments = (
        "train", "-m", *TINY, "trainer.max_epochs=3", *SEARCHED, *FIXED, "sweep=asha",
        "sweep.scheduler.grace=1", f"sweep.address={address}",
    )  # fmt: skip
    ended = search_end(start(*arguments, "sweep.trials=4"))
    assert ended.code == 0, ended.err
    assert len(run_folders(STUDY)) == 4
    assert set(statuses()) <= {"finished", "pruned"}
    assert "finished" in statuses()
    assert counted() == 4
    status = read_json(STUDY / "sweep.json")
    assert status["jobs"]["total"] == 4
    assert status["jobs"]["done"] + status["jobs"]["pruned"] == 4
    hidden = [path.name for path in STUDY.iterdir() if path.name.startswith(".search-")]
    assert hidden == []
    best = read_json(STUDY / f"{status['each'][status['best']['number']]['folder']}/metrics.json")
    assert status["best"]["objective"] == pytest.approx(best["validation"]["val/loss"])
    # The line to copy names the best job's values.
    (line,) = [line for line in ended.out.splitlines() if line.strip().startswith("regimecast ")]
    for override in best["overrides"]:
        assert override in shlex.split(line) or override.startswith(("study=", "runs="))
    before = {run.name: (run / "manifest.json").read_bytes() for run in run_folders(STUDY)}
    again = search_end(start(*arguments, "sweep.trials=4"))
    assert again.code == 0, again.err
    assert "all 4 jobs have ended before" in again.err
    more = search_end(start(*arguments, "sweep.trials=5"))
    assert more.code == 0, more.err
    assert len(run_folders(STUDY)) == 5
    assert counted() == 5
    for name, content in before.items():
        assert (STUDY / name / "manifest.json").read_bytes() == content
    other = search_end(start(*arguments, "sweep.trials=5", "model.layers=2"))
    assert other.code == 2
    assert "model.layers was 1 and is 2" in other.err


@pytest.mark.parametrize(
    "way",
    [
        ("sweep=median", "sweep.scheduler.grace=1", "sweep.scheduler.samples=1", "sweep.jobs=1"),
        ("sweep=cmaes", "model.hidden_size=8", "model.layers=interval(1,2)"),
        ("sweep=nsga2", "sweep.population=4"),
        ("sweep=tpe", "split=walk_forward", "split.folds=2"),
    ],
    ids=lambda way: way[0][6:],
)
def test_every_way_of_searching_comes_to_its_end(
    start: Callable[..., Started], address: str, way: tuple[str, ...]
):
    arguments = (
        "train", "-m", *TINY, "trainer.max_epochs=3", *SEARCHED, *FIXED, *way, "sweep.trials=4",
        f"sweep.address={address}",
    )  # fmt: skip
    ended = search_end(start(*arguments))
    assert ended.code == 0, ended.err
    assert set(statuses()) <= {"finished", "pruned"}
    assert counted() == 4


@pytest.mark.parametrize(
    "number",
    [signal.SIGKILL, signal.SIGINT, signal.SIGTERM],
    ids=["killed", "ctrl-c", "sigterm"],
)
def test_a_search_that_was_ended_goes_on(start: Callable[..., Started], number: signal.Signals):
    arguments = (
        "train", "-m", *TINY, *PATIENT, *SEARCHED, *FIXED, "sweep=random", "sweep.trials=2",
        "sweep.jobs=1",
    )  # fmt: skip
    started = start(*arguments)
    started.wait_for(trains(STUDY), "first epoch")
    (run,) = run_folders(STUDY)
    started.signal(number, group=number == signal.SIGINT)
    ended = search_end(started)
    if number != signal.SIGKILL:
        assert ended.code == 128 + number
        assert "error: interrupted" in ended.err
        assert "Traceback" not in ended.err
        assert read_status(run) == "interrupted"
        (line,) = read_json(STUDY / "sweep.json")["each"]
        assert line["status"] == "interrupted"
    ended = search_end(start(*arguments))
    assert ended.code == 0, ended.err
    assert statuses() == ["finished", "finished"]
    assert run in run_folders(STUDY)
    assert len(read_json(run / "manifest.json")["attempts"]) == 1
    assert counted() == 2


def test_a_job_whose_worker_is_killed_goes_on(start: Callable[..., Started], address: str):
    started = start(
        "train", "-m", *TINY, *PATIENT, *SEARCHED, *FIXED, "sweep=random", "sweep.trials=1",
        f"sweep.address={address}",
    )  # fmt: skip
    started.wait_for(trains(STUDY), "first epoch")
    (run,) = run_folders(STUDY)
    server = parent(read_json(run / "manifest.json")["process"]["id"])
    os.kill(parent(server), signal.SIGKILL)
    ended = search_end(started)
    assert ended.code == 0, ended.err
    assert statuses() == ["finished"]
    assert len(read_json(run / "manifest.json")["attempts"]) == 1
    assert counted() == 1


def parent(process: int) -> int:
    """Number of the process that began another."""
    text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    return int(text.rpartition(")")[2].split()[1])


def test_jobs_that_report_no_objective_have_failed(start: Callable[..., Started], address: str):
    arguments = (
        "train", "-m", *TINY, *SEARCHED, *FIXED, "sweep=random", "sweep.trials=3", "sweep.jobs=1",
        "sweep.objectives=[{validation/sharpe:max}]", "sweep.fail_fast=true",
        "strategy=quantile_band", "strategy.margin_bps=100000",  # it never trades
        f"sweep.address={address}",
    )  # fmt: skip
    ended = search_end(start(*arguments))
    assert ended.code == 1
    assert "no number for validation/sharpe" in ended.err
    assert "1 failed, as many as sweep.fail_fast allows" in ended.err
    assert "there is no best one" in ended.out
    assert len(run_folders(STUDY)) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("model.hiden_size=8,16",), "Did you mean 'model.hidden_size'"),
        (("sweep.objectives=[{val/los:min}]",), "Did you mean 'val/loss'"),
        (("sweep.objectives=[{validation/accuracy:max}]",), "no job with target="),
        (("model=dlinear", "model.moving_avg_window=-3"), "moving_avg_window"),
        (("sweep=cmaes", "model=nlinear,dlinear"), "one model only"),
        (("sweep=cmaes",), "takes numbers"),
        (("sweep.searcher=grid", "sweep.trials=null"), "no end of values"),
        (("sweep.address=127.0.0.1:1",), "there is no Ray cluster"),
        (("sweep.address=ray://127.0.0.1:1",), "there is no Ray cluster"),
        # All else of a conditional space is right.
        (
            (
                "sweep=tpe",
                "model=nhits,lstm,lightgbm",
                "weighting=[uniform],[regime]",
                "loss=quantile,huber",
                "sweep.address=127.0.0.1:1",
            ),
            "there is no Ray cluster",
        ),
        (("sweep.address=nowhere",), "allowed: auto"),
        (("sweep.trails=3",), "sweep.trials"),
        (("sweep=pbt", "split=walk_forward"), "within one fold"),
        (("sweep=pbt", "trainer.max_epochs=5"), "nothing would ever be exchanged"),
        (("sweep=pbt", "trainer.max_epochs=50", "optimizer.lr=0.1"), "none is searched"),
        (("model=naive",), "nothing to search"),
        (("model=lstm,nhist",), "nhits"),
    ],
)
def test_what_cannot_be_searched_is_said_before_anything_runs(
    command: Callable[..., Ended], arguments: tuple[str, ...], said: str
):
    ended = command("train", "-m", *TINY, "sweep=random", *FIXED[2:], *arguments)
    assert ended.code == 2, ended.err
    assert said in ended.err
    assert not STUDY.exists() or not run_folders(STUDY)


def test_a_job_that_fits_nowhere_is_refused():
    check_room([{"CPU": 1.0}, {"CPU": 4.0, "GPU": 1.0}], {"CPU": 2.0, "GPU": 0.5})
    with pytest.raises(ConfigError, match="2 CPU and 1 GPU"):
        check_room([{"CPU": 4.0}, {"CPU": 1.0, "GPU": 1.0}], {"CPU": 2.0, "GPU": 1.0})
    check_address(None)


def test_two_searches_of_one_study_do_not_run_at_once(start: Callable[..., Started], address: str):
    arguments = (
        "train", "-m", *TINY, *PATIENT, *SEARCHED, *FIXED, "sweep=random", "sweep.trials=2",
        f"sweep.address={address}",
    )  # fmt: skip
    first = start(*arguments)
    first.wait_for((STUDY / "search.db").exists, "search")
    second = search_end(start(*arguments))
    assert second.code == 2
    assert "is being searched by another process" in second.err
    assert first.process.pid is not None
    os.kill(first.process.pid, signal.SIGINT)
    assert search_end(first).code == 130


def test_ray_on_this_machine_lets_nobody_in(start: Callable[..., Started]):
    started = start(
        "train", "-m", *TINY, *PATIENT, *FIXED, *SEARCHED, "sweep=random", "sweep.trials=1"
    )
    started.wait_for(trains(STUDY), "epoch")
    (server,) = (
        process
        for process in processes_of(os.getsid(started.process.pid or 0))
        if "/gcs_server " in process.command and process.parent == started.process.pid
    )
    given = Path(f"/proc/{server.id}/environ").read_bytes().split(b"\0")
    assert b"RAY_AUTH_MODE=token" in given
    (token,) = [one for one in given if one.startswith(b"RAY_AUTH_TOKEN=")]
    assert len(token) > 60
    started.signal(signal.SIGINT)
    assert search_end(started).code == 130
