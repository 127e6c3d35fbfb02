"""Trackers behind real runs: one W&B run per job, no network, MLflow side by side."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.command import TINY, Ended, run_folders
from tests.tracking.wandb_log import of_kind

STUDY = Path("runs/study")


def test_every_job_of_a_sweep_is_a_wandb_run_of_its_own(command: Callable[..., Ended]):
    # The second has no windows.
    ended = command("train", "-m", *TINY, "tracker=wandb", "target.horizon=2,400")
    assert ended.code == 1, ended.err
    good, bad = run_folders(STUDY)
    runs = [of_kind(folder, "run")[0] for folder in (good, bad)]
    assert runs[0].run_id != runs[1].run_id
    assert [run.run_group for run in runs] == ["study", "study"]
    assert [run.display_name for run in runs] == [good.name, bad.name]
    configs = [{u.key: json.loads(u.value_json) for u in run.config.update} for run in runs]
    assert [config["target"]["horizon"] for config in configs] == [2, 400]
    assert [of_kind(folder, "exit")[0].exit_code for folder in (good, bad)] == [0, 1]
    summary = {u.key for s in of_kind(good, "summary") for u in s.update}
    assert "trading/strategy/sharpe" in summary
    assert any(key.startswith("forecast/test/") for key in summary)
    logged = {"/".join(item.nested_key) for row in of_kind(good, "history") for item in row.item}
    assert {"fold=0/train/loss", "fold=0/val/loss"} <= logged
    (files,) = good.glob("wandb/offline-run-*/files")
    assert {"config.yaml", "metrics.json", "report.html"} <= {p.name for p in files.iterdir()}


# MLflow's own tables under SQLAlchemy 2.1: https://github.com/mlflow/mlflow/issues
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")
def test_mlflow_takes_jobs_that_start_at_the_same_time(command: Callable[..., Ended]):
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient

    ended = command(
        "train", "-m", *TINY, "tracker=mlflow", "target.horizon=2,400", "hydra.launcher.n_jobs=2"
    )
    assert ended.code == 1, ended.err
    assert ended.err.count("error:") == 1
    client = MlflowClient(tracking_uri="sqlite:///runs/mlflow.db")
    experiment = client.get_experiment_by_name("regimecast")
    runs = client.search_runs([experiment.experiment_id])
    status = {run.data.params["target.horizon"]: run.info.status for run in runs}
    assert status == {"2": "FINISHED", "400": "FAILED"}
    (good,) = (run for run in runs if run.info.status == "FINISHED")
    assert "trading/strategy/sharpe" in good.data.metrics
    assert "report.html" in [f.path for f in client.list_artifacts(good.info.run_id)]


@pytest.fixture
def listener() -> Iterator[tuple[str, list[str]]]:
    """Address of a server that notes who connects, and its notes."""
    notes: list[str] = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(1)
                notes.append(connection.recv(200).decode(errors="replace"))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}", notes
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


def offline(
    *prefix: str, words: tuple[str, ...] = (), **environment: str
) -> subprocess.CompletedProcess[str]:
    command = [*prefix, sys.executable, "-m", "regimecast", "train", *TINY, "tracker=wandb", *words]
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )


def test_a_run_asks_nobody_on_the_network(folder: Path, listener: tuple[str, list[str]]):
    address, notes = listener
    proxies = {
        name: address
        for key in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        for name in (key, key.lower())
    }
    # The listener notes what comes: else the test could not fail.
    probe = "import urllib.request as r; r.urlopen('http://api.wandb.ai', timeout=5)"
    subprocess.run(
        [sys.executable, "-c", probe], env={**os.environ, **proxies, "NO_PROXY": ""},
        capture_output=True, check=False,
    )  # fmt: skip
    assert len(notes) == 1
    done = offline(NO_PROXY="", no_proxy="", WANDB_API_KEY="0" * 40, **proxies)
    assert done.returncode == 0, done.stderr
    assert len(notes) == 1, notes
    assert of_kind(run_folders(STUDY)[0], "exit")[0].exit_code == 0


@pytest.fixture
def alone() -> tuple[str, ...]:
    """Beginning of a command that has no network."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-n", "true"], capture_output=True).returncode:
        pytest.skip("a network of one's own (unshare -n) is not permitted here")
    return unshare, "-n"


def test_jobs_beside_each_other_are_two_runs_where_there_is_no_network(
    folder: Path, alone: tuple[str, ...]
):
    done = offline(*alone, words=("-m", "target.horizon=2,400", "sweep.jobs=2"))
    assert done.returncode == 1, done.stderr
    good, bad = run_folders(STUDY)
    runs = [of_kind(run, "run")[0] for run in (good, bad)]
    assert runs[0].run_id != runs[1].run_id
    configs = [{u.key: json.loads(u.value_json) for u in run.config.update} for run in runs]
    assert [config["target"]["horizon"] for config in configs] == [2, 400]
    assert [of_kind(run, "exit")[0].exit_code for run in (good, bad)] == [0, 1]


def test_a_run_works_where_there_is_no_network(folder: Path, alone: tuple[str, ...]):
    done = offline(*alone)
    assert done.returncode == 0, done.stderr
    assert of_kind(run_folders(STUDY)[0], "exit")[0].exit_code == 0
