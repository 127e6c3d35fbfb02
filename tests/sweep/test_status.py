import math
from pathlib import Path

import pytest

from regimecast.core.files import read_json
from regimecast.sweep import status as module
from regimecast.sweep.live import LiveTable, duration
from regimecast.sweep.status import FILENAME, SweepStatus


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_a_sweep_tells_how_far_it_is(tmp_path: Path, clock: list[float]):
    status = SweepStatus(tmp_path, total=5, at_a_time=2)
    assert status.seconds_left is None
    assert status.best is None
    status.update(0, title="seed=0", status="finished", folder="000", before=True, objective=0.5)
    for number in (1, 2):
        status.update(number, title=f"seed={number}", status="running")
    clock[0] += 10
    status.update(1, objective=0.3, step=7)
    status.update(1, status="finished", folder="001")
    status.update(2, objective=math.inf)
    status.update(3, title="seed=3", status="failed")
    # One that runs has made 10 of 10 seconds; one waits.
    assert status.seconds_left == pytest.approx((10 + 0) / 2)
    status.write()
    said = read_json(tmp_path / FILENAME)
    assert said["jobs"] == {
        "total": 5, "done": 2, "running": 1, "pruned": 0, "failed": 1, "interrupted": 0,
    }  # fmt: skip
    assert said["best"] == {"number": 1, "folder": "001", "objective": 0.3}
    assert said["seconds"] == 10
    assert [job["number"] for job in said["each"]] == [0, 1, 2, 3]
    assert said["each"][1] == {
        "number": 1, "title": "seed=1", "status": "finished", "folder": "001", "objective": 0.3,
        "step": 7, "before": False,
    }  # fmt: skip
    assert said["each"][2]["objective"] is None


def test_the_best_may_be_the_highest(tmp_path: Path):
    status = SweepStatus(tmp_path, total=None, at_a_time=1, objectives={"validation/ic": "max"})
    for number, objective in enumerate((1.0, 3.0, 2.0)):
        status.update(number, status="finished", objective=objective)
    assert status.best is not None
    assert status.best.number == 1


def test_it_names_what_is_searched_for(tmp_path: Path):
    objectives = {"validation/sharpe": "max", "parameters": "min"}
    status = SweepStatus(tmp_path, total=None, at_a_time=1, objectives=objectives)
    for number, objective in enumerate((1.0, 3.0, 2.0)):
        status.update(number, status="finished", objective=objective)
    status.write()
    said = read_json(tmp_path / FILENAME)
    assert list(said["objectives"].items()) == list(objectives.items())
    assert said["best"] == {"number": 1, "folder": None, "objective": 3.0}
    SweepStatus(tmp_path, total=None, at_a_time=1).write()
    assert read_json(tmp_path / FILENAME)["objectives"] is None


def test_it_is_written_once_a_second_at_most(tmp_path: Path, clock: list[float]):
    status = SweepStatus(tmp_path, total=2, at_a_time=1)
    status.update(0, title="a", status="running")
    status.update(0, step=1)
    assert read_json(tmp_path / FILENAME)["each"][0]["step"] is None
    clock[0] += 1.5
    status.update(0, step=2)
    assert read_json(tmp_path / FILENAME)["each"][0]["step"] == 2


def test_a_study_that_cannot_be_written_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "study").write_text("a file")
    SweepStatus(tmp_path / "study", total=1, at_a_time=1).write()
    assert "sweep.json cannot be written" in caplog.text


def test_the_table_shows_what_runs(tmp_path: Path, clock: list[float]):
    from rich.console import Console

    status = SweepStatus(tmp_path, total=20, at_a_time=15)
    status.update(0, title="seed=0", status="finished", objective=0.25)
    for number in range(1, 15):
        status.update(number, title=f"seed={number}", status="running", objective=1.5, step=3)
    status.update(15, title="seed=15", status="pruned")
    status.update(16, title="seed=16", status="failed")
    console = Console(width=100, record=True)
    with LiveTable(status) as live:  # no terminal: nothing is drawn
        console.print(live.table())
    text = console.export_text()
    assert "1 of 20 done, 14 running, 1 pruned, 1 failed, best 0.25 (seed=0)" in text
    assert "seed=12" in text
    assert "and 2 more" in text


def test_times_read_well():
    assert [duration(x) for x in (0.4, 59.4, 60.0, 185.0, 7620.0)] == [
        "0 s", "59 s", "1 min 00 s", "3 min 05 s", "2 h 07 min",
    ]  # fmt: skip
