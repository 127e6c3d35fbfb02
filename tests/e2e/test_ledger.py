"""Every job is a trial, however it ends and whatever becomes of its folder."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from regimecast.core.files import read_json
from regimecast.evaluation.leaderboard import Leaderboard
from regimecast.tracking.ledger import Ledger
from tests.e2e.command import ENDLESS, TINY, Ended, Started, run_folders, trains
from tests.tracking.wandb_log import of_kind

STUDY = Path("runs/study")
LEDGER = Ledger(Path("ledger"))
NAIVE = tuple("model=naive" if one.startswith("model=") else one for one in TINY)


def statuses() -> list[str]:
    return LEDGER.table()["status"].tolist()


def test_every_job_of_a_sweep_is_a_trial_on_the_same_prices(command: Callable[..., Ended]):
    # Features, target and costs are choices tried on the same prices.
    ended = command("train", "-m", *NAIVE, "features=[calendar],[candles]", "target.horizon=2,400")
    assert ended.code == 1
    assert "4 trials on these prices" in ended.out
    assert command("train", *NAIVE, "cost=retail", "study=other").code == 0
    records = LEDGER.table()
    assert sorted(records["status"]) == ["failed"] * 2 + ["finished"] * 3
    assert records["data"].nunique() == 1
    assert LEDGER.verify() == []
    assert not list(Path("ledger/running").iterdir())
    runs = run_folders(STUDY)
    for run in runs:
        manifest = read_json(run / "manifest.json")
        row = records.set_index("trial").loc[manifest["trial"]["id"]]
        assert row["config_hash"] == manifest["config_sha256"]
        assert row["data"] == manifest["data"]["fingerprint"]
        assert (row["study"], row["job"], row["status"]) == ("study", run.name, manifest["status"])
        if manifest["status"] == "finished":
            stored = pd.read_parquet(run / "returns.parquet")
            assert row["returns"].tolist() == stored["strategy"].tolist()
            assert json.loads(row["metrics"])["forecast"]
    board = Leaderboard.read(STUDY).frame
    assert set(board["trials"]) == {5}
    shutil.rmtree("runs/other")
    shutil.rmtree(runs[0])
    assert set(Leaderboard.read(STUDY).frame["trials"]) == {5}


def test_a_killed_job_is_counted(command: Callable[..., Ended], start: Callable[..., Started]):
    started = start("train", *ENDLESS)
    started.wait_for(trains(STUDY), "first epoch")
    shown = command("ledger")
    assert "no trial is recorded yet; 1 running" in shown.out
    started.signal(signal.SIGKILL)
    started.end()
    shutil.rmtree("runs")
    shown = command("ledger")
    assert shown.code == 0, shown.err
    assert "interrupted" in shown.out
    assert statuses() == ["interrupted"]
    assert LEDGER.table()["data"].str.len().tolist() == [64]
    assert command("train", *TINY).code == 0
    assert statuses() == ["interrupted", "finished"]
    assert set(Leaderboard.read(STUDY).frame["trials"]) == {2}


def test_a_killed_job_of_a_sweep_is_counted_by_the_next(start: Callable[..., Started]):
    started = start("train", "-m", *ENDLESS, "trainer.max_epochs=1000000,1", "sweep.retries=0")
    started.wait_for(trains(STUDY), "first epoch")
    (run,) = run_folders(STUDY)
    os.kill(read_json(run / "manifest.json")["process"]["id"], signal.SIGKILL)
    started.end()
    assert statuses() == ["interrupted", "finished"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_stopped_job_is_counted_at_once(start: Callable[..., Started], number: signal.Signals):
    started = start("train", *ENDLESS)
    started.wait_for(trains(STUDY), "first epoch")
    started.signal(number, group=number == signal.SIGINT)
    started.end()
    assert statuses() == ["interrupted"]
    assert not list(Path("ledger/running").iterdir())


def test_a_config_that_cannot_be_is_a_trial_of_a_sweep_only(command: Callable[..., Ended]):
    assert command("train", *TINY, "target.horizon=0").code == 2
    assert not Path("ledger").exists()
    assert command("train", "-m", *NAIVE, "target.horizon=0,2").code == 1
    assert sorted(statuses()) == ["failed", "finished"]
    shown = command("ledger")
    assert "none read" in shown.out
    assert "1 ended before reading prices" in shown.out
    rows = Leaderboard.read(STUDY).frame.set_index("status")
    assert rows.loc["finished", "trials"] == 1
    assert pd.isna(rows.loc["failed", "trials"])


@pytest.mark.parametrize("place", ["file", "/proc/nothing", ""])
def test_a_ledger_that_cannot_be_written_is_said_before_anything_is_trained(
    command: Callable[..., Ended], place: str
):
    Path("file").write_text("")
    ended = command("train", *TINY, f"ledger='{place}'")
    assert ended.code == 2, ended.err
    assert "ledger" in ended.err
    assert not Path("runs").exists()


def test_a_ledger_that_cannot_take_the_record_costs_no_result(
    command: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> Path:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "append", full)
        ended = command("train", *TINY)
    assert ended.code == 0, ended.err
    assert "could not be recorded in ledger" in ended.err
    (run,) = run_folders(STUDY)
    assert read_json(run / "manifest.json")["status"] == "finished"
    assert command("ledger").code == 0
    assert statuses() == ["finished"]
    assert len(LEDGER.trials(LEDGER.table()["data"][0])[0].returns) > 0


def test_a_study_tells_wandb_its_leaderboard(command: Callable[..., Ended]):
    ended = command("train", "-m", *NAIVE, "tracker=wandb", "seed=1,2")
    assert ended.code == 0, ended.err
    (started,) = of_kind(STUDY, "run")
    assert (started.display_name, started.run_group) == ("leaderboard", "study")
    (path,) = STUDY.glob("wandb/offline-run-*/files/media/table/leaderboard*.table.json")
    table = json.loads(path.read_text())
    assert {"job", "sharpe", "trials", "effective_trials", "dsr", "pbo"} <= set(table["columns"])
    jobs = [row[table["columns"].index("job")] for row in table["data"]]
    assert sorted(jobs) == [run.name for run in run_folders(STUDY)]
    assert len(Leaderboard.read(STUDY).frame) == 2


def test_the_command_lists_filters_writes_and_verifies(command: Callable[..., Ended]):
    assert command("ledger").code == 2
    assert "ledger is no ledger" in command("ledger").err
    command("train", "-m", *NAIVE, "seed=1,2", "target.horizon=2,400")
    shown = command("ledger")
    assert shown.code == 0
    for text in ("trials: 4", "by luck", "finished", "failed", "holdout"):
        assert text in shown.out
    prices = LEDGER.table()["data"][0]
    assert "trials: 2" in command("ledger", "--status", "failed").out
    assert "trials: 4" in command("ledger", "--data", prices[:6], "--study", "study").out
    where = "job LIKE '%seed=1%' AND status = 'failed'"
    assert "trials: 1" in command("ledger", "--where", where).out
    assert "no trial of the ledger is such" in command("ledger", "--study", "none").out
    assert "the last 1 of 4" in command("ledger", "--last", "1").out
    wrong = command("ledger", "--where", "nothing = 1")
    assert wrong.code == 2
    assert "nothing" in wrong.err
    assert "Allowed: finished" in command("ledger", "--status", "done").err
    for suffix in ("csv", "json", "parquet"):
        assert command("ledger", "--status", "finished", "--output", f"out.{suffix}").code == 0
        read = {"csv": pd.read_csv, "json": pd.read_json, "parquet": pd.read_parquet}[suffix]
        frame = read(f"out.{suffix}")
        assert frame["trials"].tolist() == [4, 4]
        assert frame["effective_trials"].notna().all()
    assert command("ledger", "--output", "out.xlsx").code == 2
    whole = command("ledger", "--verify")
    assert whole.code == 0
    assert "4 records, all whole" in whole.out
    first = next(Path("ledger").glob("*.parquet"))
    first.write_bytes(first.read_bytes()[:100])
    damaged = command("ledger", "--verify")
    assert damaged.code == 1
    assert f"{first}: damaged" in damaged.err
    assert "4 records, 1 of them not as they were written" in damaged.out
    left = command("ledger")
    assert left.code == 0
    assert "trials: 3" in left.out


def test_a_leaderboard_of_another_ledger_and_of_none(command: Callable[..., Ended]):
    command("train", *TINY)
    assert "1 trial on these prices" in command("leaderboard", "runs").out
    Path("ledger").rename("elsewhere")
    missing = command("leaderboard", "runs")
    assert missing.code == 0
    assert "There is no trial ledger at" in missing.out
    assert "1 trial on disk, without a ledger" in missing.out
    there = command("leaderboard", "runs", "--ledger", "elsewhere")
    assert "1 trial on these prices" in there.out
    wrong = command("leaderboard", "runs", "--ledger", "nowhere")
    assert wrong.code == 2
    assert "--ledger nowhere is not a folder" in wrong.err
    assert command("leaderboard", "runs", "--top", "0").code == 2


def test_a_single_run_says_how_much_may_be_luck(command: Callable[..., Ended]):
    first = command("train", *TINY)
    assert "1 trial on these prices: the best" in first.out
    again = command("train", *TINY, "seed=1")
    assert "2 trials on these prices" in again.out
    assert "(dsr)" in again.out


def test_trading_the_same_forecasts_in_another_way_is_a_trial(command: Callable[..., Ended]):
    command("train", *TINY)
    (job,) = run_folders(STUDY)
    assert "counted as a trial" not in command("evaluate", str(job)).out
    assert "counted as a trial" not in command("evaluate", str(job), "gate=s3_deployment").out
    ended = command("evaluate", str(job), "cost=retail")
    assert ended.code == 0, ended.err
    assert "counted as a trial" in ended.out
    first, second = Ledger(Path("ledger")).table().to_dict("records")
    assert second["job"] == f"{job.name} evaluated cost=retail"
    assert second["data"] == first["data"]
    assert len(second["returns"]) == len(first["returns"])
    assert "2 trials on these prices" in command("leaderboard", "runs").out
