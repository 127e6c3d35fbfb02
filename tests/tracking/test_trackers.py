"""What every tracker does, and what each keeps."""

import csv
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from regimecast.core.errors import ConfigError
from regimecast.tracking.base import INTERRUPTED, Tracker, TrackerRegistry
from regimecast.tracking.lightning import TrackerLogger
from regimecast.tracking.study_table import track_table
from tests.tracking.wandb_log import end_service, of_kind

CONFIG = {"model": {"name": "nhits", "blocks": [1, 2]}, "seed": 3, "long": "x" * 9000, "none": None}


def make(name: str, folder: Path) -> Tracker:
    parameters: dict[str, dict[str, Any]] = {
        "csv": {},
        "wandb": {"mode": "offline", "project": "p", "entity": None, "tags": ["a"]},
        "mlflow": {
            "uri": f"sqlite:///{folder}/store/mlflow.db",
            "artifacts": str(folder / "artifacts"),
            "experiment": "e",
        },
    }
    return TrackerRegistry.create(name, **parameters[name])


@pytest.fixture(scope="module", autouse=True)
def no_service_is_left() -> Iterator[None]:
    yield
    end_service()


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "study" / "job"
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text("{}")
    return folder


def track(tracker: Tracker, folder: Path, *, exit_code: int = 0, job: str = "job") -> None:
    tracker.start(study="study", job=job, config=CONFIG, folder=folder)
    logger = TrackerLogger(tracker, fold=2)
    logger.log_metrics({"train/loss": 0.5, "val/loss": math.nan, "epoch": 0.0}, step=7)
    logger.log_metrics({"train/loss": 0.25, "val/loss": 0.75, "epoch": 1.0}, step=14)
    tracker.log_metrics({"trading/sharpe": 1.5, "trading/nothing": math.nan})
    tracker.log_files([folder / "metrics.json"])
    tracker.finish(exit_code)


def test_every_tracker_is_tested_here():
    assert set(TrackerRegistry.available()) == {"csv", "mlflow", "wandb"}


def test_csv_is_a_long_table(run_folder: Path):
    track(make("csv", run_folder), run_folder)
    rows = list(csv.reader((run_folder / "metrics.csv").read_text().splitlines()))
    assert rows == [
        ["step", "key", "value"],
        ["0", "fold=2/train/loss", "0.5"],
        ["1", "fold=2/train/loss", "0.25"],
        ["1", "fold=2/val/loss", "0.75"],
        ["", "trading/sharpe", "1.5"],
    ]


def test_csv_can_be_read_while_it_is_written(run_folder: Path):
    tracker = make("csv", run_folder)
    tracker.start(study="s", job="j", config={}, folder=run_folder)
    tracker.log_metrics({"a": 1.0}, step=0)
    assert "a,1.0" in (run_folder / "metrics.csv").read_text()
    tracker.finish(1)


def test_csv_goes_on_after_what_still_holds(run_folder: Path):
    path = run_folder / "metrics.csv"
    tracker = make("csv", run_folder)
    tracker.start(study="s", job="j", config={}, folder=run_folder)
    tracker.log_metrics({"a": 1.0, "b": math.nan, "c, d": 2.0}, step=0)
    assert TrackerLogger(tracker, fold=0).place == tracker.place == 2
    tracker.log_metrics({"a": 3.0}, step=1)
    tracker.finish(INTERRUPTED)
    with path.open("a") as file:  # its process is killed while it writes
        file.write("1,c")
    again = make("csv", run_folder)
    again.resume(study="s", job="j", config={}, folder=run_folder)
    assert again.place == 3
    again.rewind(2)
    again.rewind(2)
    again.log_metrics({"a": 4.0}, step=1)
    again.finish(0)
    rows = list(csv.reader(path.read_text().splitlines()))[1:]
    assert rows == [["0", "a", "1.0"], ["0", "c, d", "2.0"], ["1", "a", "4.0"]]


def test_csv_that_a_power_cut_has_broken_goes_on_with_its_whole_rows(run_folder: Path):
    path = run_folder / "metrics.csv"
    path.write_bytes(b"step,key,value\n0,a,1.0\n0,b,2" + bytes(30) + b"\n1,a,3.0\n")
    tracker = make("csv", run_folder)
    tracker.resume(study="s", job="j", config={}, folder=run_folder)
    assert tracker.place == 1
    tracker.finish(0)
    assert path.read_text().splitlines() == ["step,key,value", "0,a,1.0"]


def test_csv_of_an_attempt_that_had_not_begun_is_new(run_folder: Path):
    tracker = make("csv", run_folder)
    tracker.resume(study="s", job="j", config={}, folder=run_folder)
    assert tracker.place == 0
    tracker.finish(0)


def test_wandb_goes_on_as_the_same_run(run_folder: Path):
    first, again = make("wandb", run_folder), make("wandb", run_folder)
    track(first, run_folder, exit_code=INTERRUPTED)
    time.sleep(1)  # the folder's name holds the second
    again.resume(study="study", job="job", config=CONFIG, folder=run_folder)
    assert again.place is None
    again.rewind(0)
    again.log_metrics({"a": 1.0}, step=0)
    again.finish(0)
    folders = sorted((run_folder / "wandb").glob("offline-run-*"))
    assert len(folders) == 2
    assert len({folder.name.rpartition("-")[2] for folder in folders}) == 1


@pytest.mark.parametrize("exit_code", [0, 1, INTERRUPTED])
def test_wandb_keeps_config_epochs_summary_and_exit_code(run_folder: Path, exit_code: int):
    track(make("wandb", run_folder), run_folder, exit_code=exit_code)
    (run,) = of_kind(run_folder, "run")
    assert (run.project, run.run_group, run.display_name) == ("p", "study", "job")
    assert list(run.tags) == ["a"]
    config = {update.key: json.loads(update.value_json) for update in run.config.update}
    assert {key: config[key] for key in CONFIG} == CONFIG
    epochs = [
        {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in row.item}
        for row in of_kind(run_folder, "history")
    ]
    kept = [{key: row.get(f"fold=2/{key}") for key in ("train/loss", "val/loss")} for row in epochs]
    assert kept == [
        {"train/loss": 0.5, "val/loss": None},
        {"train/loss": 0.25, "val/loss": 0.75},
    ]
    summary = {u.key: u.value_json for s in of_kind(run_folder, "summary") for u in s.update}
    assert summary["trading/sharpe"] == "1.5"
    assert "trading/nothing" not in summary
    (end,) = of_kind(run_folder, "exit")
    assert end.exit_code == exit_code
    assert list((run_folder / "wandb").glob("offline-run-*/files/metrics.json"))


def test_two_wandb_runs_of_one_process_stay_two(tmp_path: Path):
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
        (folder / "metrics.json").write_text("{}")
        track(make("wandb", folder), folder, job=folder.name)
    runs = [of_kind(folder, "run")[0] for folder in folders]
    assert runs[0].run_id != runs[1].run_id
    assert [run.display_name for run in runs] == ["one", "two"]


def test_wandb_that_is_disabled_leaves_nothing(run_folder: Path):
    tracker = TrackerRegistry.create("wandb", mode="disabled", project="p", entity=None, tags=[])
    track(tracker, run_folder)
    assert [path.name for path in run_folder.iterdir()] == ["metrics.json"]


def test_wandb_online_without_a_login_says_so(run_folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(run_folder))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    tracker = TrackerRegistry.create("wandb", mode="online", project="p", entity=None, tags=[])
    with pytest.raises(ConfigError, match=r"tracker\.mode=online.*wandb login"):
        tracker.start(study="s", job="j", config={}, folder=run_folder)


def test_wandb_refuses_another_mode():
    with pytest.raises(ConfigError, match="mode='of' must be one of offline, online, disabled"):
        TrackerRegistry.create("wandb", mode="of", project="p", entity=None, tags=[])


# MLflow's own tables under SQLAlchemy 2.1: https://github.com/mlflow/mlflow/issues
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")
def test_mlflow_can_be_read_back(tmp_path: Path):
    from mlflow.tracking import MlflowClient

    for job, exit_code in (("good", 0), ("bad", 1), ("stopped", INTERRUPTED)):
        folder = tmp_path / job
        folder.mkdir()
        (folder / "metrics.json").write_text("{}")
        track(make("mlflow", tmp_path), folder, exit_code=exit_code, job=job)
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/store/mlflow.db")
    experiment = client.get_experiment_by_name("e")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    status = {name: run.info.status for name, run in runs.items()}
    assert status == {"good": "FINISHED", "bad": "FAILED", "stopped": "KILLED"}
    run = runs["good"]
    assert run.data.params["model.name"] == "nhits"
    assert run.data.params["model.blocks"] == "[1, 2]"
    assert run.data.params["none"] == "None"
    assert len(run.data.params["long"]) == 500
    assert run.data.tags["study"] == "study"
    assert run.data.metrics == {
        "fold-2/train/loss": 0.25, "fold-2/val/loss": 0.75, "trading/sharpe": 1.5,
    }  # fmt: skip
    losses = client.get_metric_history(run.info.run_id, "fold-2/train/loss")
    assert [(m.step, m.value) for m in losses] == [(0, 0.5), (1, 0.25)]
    assert [f.path for f in client.list_artifacts(run.info.run_id)] == ["metrics.json"]
    assert (tmp_path / "artifacts").is_dir()


PLACE = {"project": "p", "entity": None, "tags": []}


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")
def test_mlflow_goes_on_as_the_same_run(run_folder: Path):
    from mlflow.tracking import MlflowClient

    track(make("mlflow", run_folder), run_folder, exit_code=INTERRUPTED)
    client = MlflowClient(tracking_uri=f"sqlite:///{run_folder}/store/mlflow.db")
    experiment = client.get_experiment_by_name("e").experiment_id
    again = make("mlflow", run_folder)
    again.resume(study="study", job="job", config=CONFIG, folder=run_folder)
    (run,) = client.search_runs([experiment])
    assert run.info.status == "RUNNING"
    again.log_metrics({"a": 1.0}, step=2)
    again.finish(0)
    (run,) = client.search_runs([experiment])
    assert run.info.status == "FINISHED"
    assert run.data.metrics["a"] == 1.0
    client.delete_run(run.info.run_id)
    (run_folder / "mlflow.json").write_text('{"run_id": "gone"}')
    lost = make("mlflow", run_folder)
    lost.resume(study="study", job="job", config=CONFIG, folder=run_folder)
    lost.finish(0)
    assert len(client.search_runs([experiment])) == 1


def test_wandb_shows_tables(run_folder: Path):
    frame = pd.DataFrame({"job": ["a", None], "sharpe": [1.5, np.nan], "mixed": ["x", 2]})
    frame["trials"] = pd.array([3, None], dtype="Int64")
    config = {"study": "s", "tracker": {"name": "wandb", "mode": "offline", **PLACE}}
    track_table("board", frame, folder=run_folder, configs=[config, {}, config])
    (run,) = of_kind(run_folder, "run")
    assert (run.run_group, run.display_name) == ("s", "board")
    (path,) = run_folder.glob("wandb/offline-run-*/files/media/table/board*.table.json")
    table = json.loads(path.read_text())
    assert table["columns"] == ["job", "sharpe", "mixed", "trials"]
    assert table["data"] == [["a", 1.5, "x", 3], [None, None, 2, None]]


@pytest.mark.parametrize(
    ("tracker", "said"),
    [
        ({"name": "csv"}, ""),
        ({"name": "wandb", "mode": "of", **PLACE}, "mode='of' must be"),
        (3, ""),
    ],
)
def test_a_table_that_cannot_be_shown_stops_nothing(run_folder: Path, caplog, tracker, said):
    config = {"study": "s", "tracker": tracker}
    track_table("board", pd.DataFrame({"a": [1]}), folder=run_folder, configs=[config])
    assert said in caplog.text
    assert bool(caplog.text) == bool(said)
    assert not (run_folder / "wandb").exists()
