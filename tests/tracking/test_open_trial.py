import json
import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regimecast.core.files import read_json
from regimecast.tracking.ledger import Ledger
from regimecast.tracking.open_trial import OpenTrial, record_ended, running

PRICES = "a" * 64
SPAWN = multiprocessing.get_context("spawn")


def begun(folder: Path, job: str = "000_model=lstm") -> tuple[OpenTrial, Path]:
    """A trial that has begun, and its run folder."""
    run = folder / "runs" / "study" / job
    run.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(folder / "ledger")
    trial = OpenTrial(ledger, run=run, config={"seed": 0}, study="study", split="holdout")
    manifest = {"status": "running", "job": job, "trial": trial.begin(), "code": {"commit": "c"}}
    (run / "manifest.json").write_text(json.dumps(manifest))
    return trial, run


def finish(run: Path, status: str = "finished") -> None:
    """Files of a run that came to its end."""
    manifest = read_json(run / "manifest.json")
    (run / "manifest.json").write_text(json.dumps({**manifest, "status": status}))
    metrics = {"trading": {"strategy": {"sharpe": 1.0}}, "folds": [1], "forecast": {"mae": 2.0}}
    (run / "metrics.json").write_text(json.dumps(metrics))
    time_ = np.datetime64("2020-01-01", "ns") + np.arange(9) * np.timedelta64(1, "D")
    table = pd.DataFrame({"time": time_, "strategy": np.arange(9) / 100, "naive": 0.0})
    table.to_parquet(run / "returns.parquet")


def test_a_job_records_itself_at_its_end(tmp_path):
    trial, run = begun(tmp_path)
    assert set(running(trial.ledger)) == {trial.name}
    assert len(trial.ledger) == 0
    trial.judged_on(PRICES, 252.0)
    finish(run)
    trial.close()
    assert running(trial.ledger) == {}
    assert [path.name for path in (tmp_path / "ledger" / "running").iterdir()] == []
    (record,) = trial.ledger.trials(PRICES)
    assert record.trial == trial.name
    assert (record.status, record.study, record.job) == ("finished", "study", run.name)
    assert (record.commit, record.split, record.bars_per_year) == ("c", "holdout", 252.0)
    assert record.config == {"seed": 0}
    assert record.metrics.keys() == {"trading", "forecast"}
    assert record.returns.tolist() == (np.arange(9) / 100).tolist()
    said = read_json(run / "manifest.json")["trial"]
    assert said["id"] == trial.name
    assert (run / said["ledger"]).resolve() == (tmp_path / "ledger").resolve()
    trial.close()  # nothing more
    assert len(trial.ledger) == 1
    assert trial.ledger.verify() == []


def test_a_job_that_read_no_prices_is_a_trial_of_none(tmp_path):
    trial, run = begun(tmp_path)
    manifest = read_json(run / "manifest.json")
    (run / "manifest.json").write_text(json.dumps({**manifest, "status": "failed"}))
    trial.close()
    (record,) = trial.ledger.trials("")
    assert record.status == "failed"
    assert len(record.returns) == 0
    assert np.isnan(record.bars_per_year)


def test_a_job_that_never_began_is_none(tmp_path):
    trial = OpenTrial(Ledger(tmp_path), run=tmp_path, config={}, study="s", split="x")
    trial.close()
    assert list(tmp_path.iterdir()) == []


def test_one_that_runs_is_left_alone(tmp_path):
    trial, _ = begun(tmp_path)
    record_ended(trial.ledger)
    assert (len(trial.ledger), len(running(trial.ledger))) == (0, 1)
    trial.close()


def hang(folder: Path, reads: bool) -> None:
    trial, _ = begun(folder)
    if reads:
        trial.judged_on(PRICES, 252.0)
    (folder / "ready").touch()
    time.sleep(60)


def killed(folder: Path, *, reads: bool = True) -> None:
    process = SPAWN.Process(target=hang, args=(folder, reads))
    process.start()
    deadline = time.monotonic() + 60
    while not (folder / "ready").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()


@pytest.mark.parametrize("run_is", ["there", "deleted", "another's", "damaged"])
def test_a_killed_job_is_recorded_by_the_next_who_looks(tmp_path, run_is):
    killed(tmp_path)
    ledger = Ledger(tmp_path / "ledger")
    assert (len(ledger), len(running(ledger))) == (0, 1)
    run = tmp_path / "runs" / "study" / "000_model=lstm"
    if run_is == "deleted":
        shutil.rmtree(tmp_path / "runs")
    if run_is == "another's":
        other, _ = begun(tmp_path)
        finish(run)
    if run_is == "damaged":
        (run / "manifest.json").write_text("{")
        (run / "returns.parquet").write_text("x")
    record_ended(ledger)
    record_ended(ledger)
    (record,) = ledger.trials(PRICES)
    assert record.status == "interrupted"
    assert record.job == "000_model=lstm"
    assert record.commit == ("c" if run_is == "there" else None)
    assert len(record.returns) == 0
    if run_is == "another's":
        other.close()
        assert len(ledger) == 2
    assert running(ledger) == {}
    assert ledger.verify() == []


def test_a_job_killed_after_its_result_keeps_it(tmp_path):
    killed(tmp_path)
    finish(tmp_path / "runs" / "study" / "000_model=lstm", status="running")
    ledger = Ledger(tmp_path / "ledger")
    record_ended(ledger)
    (record,) = ledger.trials(PRICES)
    assert record.status == "interrupted"
    assert len(record.returns) == 9


def look(folder: Path) -> None:
    for _ in range(20):
        record_ended(Ledger(folder / "ledger"))


def test_many_look_at_once_and_record_once(tmp_path):
    for number in range(3):
        (tmp_path / "ready").unlink(missing_ok=True)
        killed(tmp_path, reads=number > 0)
    # Runs go on and end meanwhile.
    trials = [begun(tmp_path, f"{n}")[0] for n in range(20)]
    lookers = [SPAWN.Process(target=look, args=(tmp_path,)) for _ in range(3)]
    for looker in lookers:
        looker.start()
    for trial in trials:
        trial.close()
    for looker in lookers:
        looker.join()
        assert looker.exitcode == 0
    ledger = Ledger(tmp_path / "ledger")
    record_ended(ledger)
    assert (len(ledger), len(running(ledger))) == (23, 0)
    assert ledger.table()["trial"].is_unique
    assert ledger.verify() == []
    assert list((tmp_path / "ledger" / "running").iterdir()) == []


def test_what_cannot_be_recorded_now_is_recorded_later(tmp_path, monkeypatch, caplog):
    trial, run = begun(tmp_path)
    trial.judged_on(PRICES, 252.0)
    finish(run)

    def full(*_: object) -> Path:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "append", full)
        trial.close()
    assert "could not be recorded" in caplog.text
    assert "the disk is full" in caplog.text
    assert "the run itself is complete" in caplog.text
    assert (len(trial.ledger), len(running(trial.ledger))) == (0, 1)
    record_ended(trial.ledger)
    (record,) = trial.ledger.trials(PRICES)
    assert record.status == "finished"
    assert len(record.returns) == 9


def test_a_job_whose_prices_cannot_be_noted_goes_on(tmp_path, monkeypatch, caplog):
    trial, run = begun(tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patched:
        patched.setattr("regimecast.tracking.open_trial.write_json", full)
        trial.judged_on(PRICES, 252.0)
    assert "could not be updated" in caplog.text
    manifest = read_json(run / "manifest.json")
    manifest["data"] = {"fingerprint": PRICES, "spec": {"bars_per_year": 252.0}}
    (run / "manifest.json").write_text(json.dumps(manifest))
    trial.close()
    (record,) = trial.ledger.trials(PRICES)
    assert record.bars_per_year == 252.0


def test_a_note_that_is_damaged_is_named_and_kept(tmp_path, caplog):
    place = tmp_path / "ledger" / "running" / "x.json"
    place.parent.mkdir(parents=True)
    place.write_text("{")
    record_ended(Ledger(tmp_path / "ledger"))
    assert "x.json is damaged" in caplog.text
    assert place.exists()


@pytest.mark.parametrize("content", ["{}", "[]", "{", '{"run": 3}'])
def test_a_damaged_marker_stops_nobody(tmp_path, content, caplog):
    ledger = Ledger(tmp_path / "ledger")
    trial, run = begun(tmp_path)
    place = ledger.folder / "running" / "20200101T000000-0.json"
    place.write_text(content)
    record_ended(ledger)
    assert "cannot be recorded" in caplog.text
    finish(run)
    trial.close()
    assert len(ledger) == 1
    assert running(ledger) == {place.stem: ""}


def test_a_job_of_another_machine_is_left_to_it(tmp_path, monkeypatch):
    killed(tmp_path)
    ledger = Ledger(tmp_path / "ledger")
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("socket.gethostname", lambda: "elsewhere")
        record_ended(ledger)
    assert (len(ledger), list(running(ledger).values())) == (0, [PRICES])
    record_ended(ledger)
    assert len(ledger) == 1


def resumed(run: Path, ledger: Ledger) -> OpenTrial:
    """The trial of a run folder's next attempt, begun."""
    manifest = read_json(run / "manifest.json")
    manifest = {**manifest, "status": "running", "attempts": [{}]}
    trial = OpenTrial(
        ledger, run=run, config={"seed": 0}, study="study", split="holdout", manifest=manifest
    )
    (run / "manifest.json").write_text(json.dumps({**manifest, "trial": trial.begin()}))
    return trial


def test_a_job_that_goes_on_is_the_same_trial(tmp_path):
    first, run = begun(tmp_path)
    first.judged_on(PRICES, 252.0)
    finish(run, "interrupted")
    first.close()
    data = {"fingerprint": PRICES, "spec": {"bars_per_year": 252.0}}
    manifest = read_json(run / "manifest.json")
    (run / "manifest.json").write_text(json.dumps({**manifest, "data": data}))
    ledger = first.ledger
    second = resumed(run, ledger)
    assert second.name == first.name
    # It is known what it is judged on, also if it is killed before it has read it again.
    assert running(ledger) == {first.name: PRICES}
    assert read_json(run / "manifest.json")["trial"]["attempt"] == 2
    finish(run)
    second.close()
    assert ledger.attempts(first.name) == [1, 2]
    assert len(ledger) == 1
    (record,) = ledger.trials(PRICES)
    assert (record.trial, record.attempt, record.status) == (first.name, 2, "finished")
    assert ledger.verify() == []
    assert running(ledger) == {}


def test_an_attempt_that_was_killed_is_recorded_before_the_next(tmp_path):
    first, run = begun(tmp_path)
    first._lock.release()  # as the system does when its process dies
    second = resumed(run, first.ledger)
    assert first.ledger.attempts(first.name) == [1]
    finish(run)
    second.close()
    assert first.ledger.table()["status"].tolist() == ["finished"]
    (two, one) = sorted(first.ledger.folder.glob("*.parquet"))
    assert pd.read_parquet(one)["status"].tolist() == ["interrupted"]
    assert pd.read_parquet(two)["status"].tolist() == ["finished"]


def test_what_a_later_attempt_did_is_not_told_of_an_earlier_one(tmp_path):
    first, run = begun(tmp_path)
    second = resumed(run, first.ledger)  # its record waits: the first still holds its lock
    assert {*running(first.ledger)} == {first.name}
    finish(run)
    second.close()
    first.close()
    (two, one) = sorted(first.ledger.folder.glob("*.parquet"))
    assert pd.read_parquet(one)["status"].tolist() == ["interrupted"]
    assert pd.read_parquet(two)["status"].tolist() == ["finished"]
    assert first.ledger.verify() == []


def test_an_attempt_of_a_machine_that_is_gone_is_recorded_by_the_next(tmp_path):
    first, run = begun(tmp_path)
    place = next((tmp_path / "ledger" / "running").glob("*.json"))
    place.write_text(json.dumps({**read_json(place), "host": "gone"}))
    first._lock.release()
    record_ended(first.ledger)
    assert len(first.ledger) == 0
    second = resumed(run, first.ledger)
    assert first.ledger.attempts(first.name) == [1]
    second.close()


def test_a_pruned_job_is_recorded_as_such(tmp_path):
    trial, run = begun(tmp_path)
    finish(run, "pruned")
    trial.close()
    assert trial.ledger.table()["status"].tolist() == ["pruned"]
