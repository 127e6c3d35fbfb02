"""One run from command or Python to its folder, and what can be done with the folder."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
import yaml

import regimecast
from regimecast.core.files import read_json, write_json
from regimecast.evaluation.predictions import read_predictions
from regimecast.experiment import RunResult, job_name
from regimecast.reload import evaluate_run
from regimecast.tracking.folder import read_status
from tests.e2e.command import TINY, Ended, run_folders


def test_a_finished_run_leaves_the_whole_record(finished: RunResult):
    folder = finished.folder
    assert read_status(folder) == "finished"
    manifest = read_json(folder / "manifest.json")
    for key in ("started", "ended", "seed", "config_sha256", "code", "environment", "data",
                "preflight", "stages", "parts", "checkpoints", "identity"):  # fmt: skip
        assert key in manifest, key
    assert manifest["stages"]["bars"]
    assert manifest["environment"]["packages"]["torch"]
    assert [row["part"] for row in manifest["preflight"]] == ["train", "validation", "test"]
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["window"]["context_length"] == 8
    assert "${" not in (folder / "config.yaml").read_text()
    metrics = read_json(folder / "metrics.json")
    assert metrics == json.loads(json.dumps(finished.metrics))
    assert set(metrics["trading"]) == {"strategy", "buy_and_hold", "naive"}
    assert "trained in" in (folder / "train.log").read_text()
    assert (folder / "report.html").stat().st_size > 10_000
    for name in manifest["checkpoints"]:
        assert (folder / name).is_file()
    assert sorted(path.name for path in (folder / "checkpoints" / "fold=0").iterdir()) == [
        "model.json", "preprocessing.json", "training-done.json", "validation.json",
        "weights.safetensors",
    ]  # fmt: skip
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} == {
        ".json", ".yaml", ".parquet", ".html", ".log", ".csv", ".safetensors",
    }  # fmt: skip


def test_python_gives_what_the_folder_holds(finished: RunResult):
    stored, happened = read_predictions(finished.folder / "predictions.parquet")
    np.testing.assert_array_equal(stored.values, finished.forecast.values)
    np.testing.assert_array_equal(happened.values, finished.outcomes.values)
    written = pd.read_parquet(finished.folder / "returns.parquet")
    pd.testing.assert_frame_equal(written, finished.returns)
    assert finished.report.is_file()
    assert finished.score == finished.metrics["folds"][0]["fit"]["best_score"]
    # It is what a search goes by, also where the best epoch is another measure's.
    assert replace(finished, metrics={"validation": {"val/loss": 0.5}}).score == 0.5
    assert replace(finished, metrics={}).score is None
    figures = finished.figures
    assert "equity" in figures
    assert all(isinstance(figure, go.Figure) and figure.data for figure in figures.values())


def test_two_names_are_all_that_python_needs():
    config = regimecast.compose(*TINY)
    assert config["model"]["name"] == "lstm"
    assert config["study"] == "study"
    assert regimecast.run.__name__ == "run"
    with pytest.raises(AttributeError, match="nothing"):
        _ = regimecast.nothing


def test_the_command_and_python_do_the_same(finished: RunResult, command: Callable[..., Ended]):
    ended = command("train", *TINY)
    assert ended.code == 0, ended.err
    assert "sharpe" in ended.out
    (folder,) = run_folders(Path("runs/study"))
    assert f"report: {Path('runs/study') / folder.name / 'report.html'}" in ended.out
    stored, _ = read_predictions(folder / "predictions.parquet")
    np.testing.assert_array_equal(stored.values, finished.forecast.values)
    one, other = (read_json(f / "manifest.json") for f in (folder, finished.folder))
    assert one["stages"] == other["stages"]
    assert one["config_sha256"] == other["config_sha256"]


def test_runs_of_one_name_in_one_study_get_folders_of_their_own(
    command: Callable[..., Ended],
):
    for _ in range(2):
        assert command("train", *TINY).code == 0
    first, second = run_folders(Path("runs/study"))
    assert second.name == f"{first.name}~2"
    assert read_json(second / "metrics.json")["job"] == second.name
    board = command("leaderboard", "runs/study").out
    assert first.name in board
    assert second.name in board


def test_log_lines_are_plain_where_there_is_no_terminal(
    command: Callable[..., Ended], folder: Path
):
    err = command("train", *TINY).err
    assert "\x1b" not in err
    assert any(len(line) > 80 for line in err.splitlines())
    assert all("INFO" in line for line in err.splitlines() if line[:2].isdigit())


@pytest.mark.parametrize(
    ("overrides", "number", "name"),
    [
        ([], None, "defaults"),
        (["model=nhits"], None, "model=nhits"),
        (["model=nhits", "seed=3"], 7, "007_model=nhits,seed=3"),
        (["runs=/a/b", "study=x", "tracker=csv", "tracker.mode=online"], 0, "000_defaults"),
        (["hydra.launcher.n_jobs=2", "hydra/launcher=basic", "+model.x=1"], None, "+model.x=1"),
        (["data.path=../../etc/passwd"], None, "data.path=.._.._etc_passwd"),
        (["weighting=[regime,recency]"], None, "weighting=_regime,recency"),
        (["data.path=" + "x" * 300], None, "data.path=" + "x" * 70),
    ],
)
def test_a_job_is_named_by_what_was_changed(overrides: list[str], number: int | None, name: str):
    assert job_name(overrides, number) == name


def test_evaluate_gives_the_same_forecasts(finished: RunResult, command: Callable[..., Ended]):
    before = {p: p.stat().st_mtime_ns for p in finished.folder.rglob("*")}
    ended = command("evaluate", str(finished.folder))
    assert ended.code == 0, ended.err
    assert "forecasts are identical to the stored ones" in ended.out
    assert {p: p.stat().st_mtime_ns for p in finished.folder.rglob("*")} == before


def test_evaluate_under_other_costs_changes_trading_only(finished: RunResult, copied: Path):
    free = evaluate_run(copied, ["cost=zero", "strategy.threshold=0"])
    assert free.identical
    assert free.metrics["forecast"] == finished.metrics["forecast"]
    gross, net = (m["trading"]["strategy"] for m in (free.metrics, finished.metrics))
    assert gross["turnover"] == net["turnover"] > 0
    assert gross["total_return"] > net["total_return"]
    dear = evaluate_run(copied, ["cost.slippage_bps=30"])
    assert dear.metrics["trading"]["strategy"]["total_return"] < net["total_return"]


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("window.context_length=9", "Allowed: strategy, cost, gate, data, and their keys"),
        ("features=[candles]", "does not change one key"),
        ("model=lightgbm", "does not change one key"),
        ("model.hidden_size=7", "does not change one key"),
        ("loss=huber", "does not change one key"),
        ("optimizer.lr=5", "does not change one key"),
        ("trainer.max_epochs=77", "does not change one key"),
        ("split.test=0.1", "does not change one key"),
        ("seed=3", "does not change one key"),
        ("data.assets=2", "was trained on other data"),
        ("data.seed=3", "training bars are not those of the run"),
        ("cost=zreo", "'zero'"),
        ("cst=zero", "'cost'"),
        ("cost.slipage_bps=1", "'cost.slippage_bps'"),
        ("+cost.more=1", "does not change one key"),
        ("cost=zero,default", "does not change one key"),
        ("zero", "cannot read override 'zero'"),
    ],
)
def test_evaluate_refuses_what_does_not_fit(
    finished: RunResult, command: Callable[..., Ended], override: str, expected: str
):
    ended = command("evaluate", str(finished.folder), override)
    assert ended.code == 2, ended.err
    assert expected in ended.err
    assert "Traceback" not in ended.err


def test_evaluate_refuses_a_checkpoint_of_another_spec(command: Callable[..., Ended], folder: Path):
    assert command("train", *TINY, "study=one").code == 0
    assert command("train", *TINY, "study=other", "window.context_length=9").code == 0
    (one,), (other,) = run_folders(Path("runs/one")), run_folders(Path("runs/other"))
    for name in ("model.json", "weights.safetensors", "preprocessing.json", "validation.json"):
        for path in (other / "checkpoints").rglob(name):
            (one / path.relative_to(other)).write_bytes(path.read_bytes())
    written = {"checkpoints": read_json(other / "manifest.json")["checkpoints"]}
    write_json(one / "manifest.json", {**read_json(one / "manifest.json"), **written})
    ended = command("evaluate", str(one))
    assert ended.code == 2
    assert "context_length" in ended.err


def test_evaluate_says_when_the_data_are_others(
    finished: RunResult, command: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
):
    from regimecast import reload

    again = evaluate_run(finished.folder)
    assert again.identical
    assert again.same_data
    for names, cause in (
        ((), "hardware or package versions"),
        (("bars", "features"), "other data: bars, features changed"),
    ):
        changed = replace(again, identical=False, changed_data=names)
        monkeypatch.setattr(reload, "evaluate_run", lambda *_, found=changed: found)
        assert cause in command("evaluate", str(finished.folder)).out


def test_evaluate_sees_that_test_bars_changed(folder: Path):
    bars = pd.DataFrame({"close": 100 + np.random.default_rng(0).standard_normal(500).cumsum()})
    bars.insert(0, "time", pd.bdate_range("2015-01-01", periods=500))
    bars.to_csv("bars.csv", index=False)
    csv = ("data=csv", f"data.path={folder / 'bars.csv'}")
    result = regimecast.run(*(o for o in TINY if not o.startswith("data")), *csv)
    bars.loc[490, "close"] *= 1.001
    (folder / "moved").mkdir()
    (folder / "bars.csv").rename(folder / "moved" / "bars.csv")
    moved = evaluate_run(result.folder, [f"data.path={folder / 'moved' / 'bars.csv'}"])
    bars.to_csv("bars.csv", index=False)
    changed = evaluate_run(result.folder)
    assert (moved.identical, moved.same_data) == (True, True)
    assert (changed.identical, changed.same_data) == (False, False)
    assert "bars" in changed.changed_data


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("config.yaml", b"a: [1", "config.yaml is damaged"),
        ("config.yaml", b"", "config.yaml is damaged"),
        ("config.yaml", b"\x80\xff", "config.yaml is damaged"),
        ("config.yaml", b"seed: 3\n", "it lacks callbacks"),
        ("manifest.json", b'{"status": "fin', "manifest.json is damaged"),
        ("manifest.json", b'{"status": "finished"}', "manifest.json is damaged"),
        ("manifest.json", b"[]", "manifest.json is damaged"),
        ("predictions.parquet", b"PAR1", "predictions.parquet is damaged"),
        ("checkpoints/fold=0/preprocessing.json", b"{", "is not the file that the run wrote"),
        ("checkpoints/fold=0/weights.safetensors", b"x", "is not the file that the run wrote"),
        ("checkpoints/fold=0/model.json", None, "is missing"),
    ],
)
def test_evaluate_names_the_file_that_is_damaged(
    finished: RunResult,
    command: Callable[..., Ended],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: bytes | None,
    expected: str,
):
    run = Path("run")
    shutil.copytree(finished.folder, run)
    (run / name).unlink()
    if content is not None:
        (run / name).write_bytes(content)
    # All of it is seen before any data are read.
    monkeypatch.setattr("regimecast.data.sources.synthetic.SyntheticSource.load", lambda _: 1 / 0)
    ended = command("evaluate", str(run))
    assert ended.code == 2, ended.err
    assert expected in ended.err
    assert Path(name).name in ended.err
    assert "--debug" not in ended.err


def test_a_model_may_do_without_features(folder: Path):
    result = regimecast.run(*(o for o in TINY if not o.startswith("features")), "features=[]")
    assert read_json(result.folder / "manifest.json")["data"]["spec"]["past"] == ["history"]
    assert evaluate_run(result.folder).identical


def test_checkpoints_that_lightning_writes_stay_in_the_run(
    command: Callable[..., Ended], folder: Path
):
    own = "+callbacks.resume={_target_: lightning.pytorch.callbacks.ModelCheckpoint}"
    assert command("train", *TINY, own).code == 0
    assert sorted(path.name for path in folder.iterdir()) == ["ledger", "runs"]
    (run,) = run_folders(Path("runs/study"))
    (checkpoint,) = run.rglob("*.ckpt")
    assert checkpoint.parent == run / "checkpoints" / "fold=0"


def test_leaderboard_sorts_and_writes(finished: RunResult, command: Callable[..., Ended]):
    study = str(finished.folder.parent)
    ended = command("leaderboard", study, "--sort", "sharpe", "--output", "board.csv")
    assert ended.code == 0
    assert finished.folder.name in ended.out
    assert pd.read_csv("board.csv")["model"].tolist() == ["lstm"]
    ended = command("leaderboard", study, "--sort", "shrpe")
    assert ended.code == 2
    assert "'sharpe'" in ended.err
    assert command("leaderboard", study, "--output", "board.doc").code == 2


def test_report_of_a_run_and_of_a_study(command: Callable[..., Ended], folder: Path):
    assert command("train", *TINY).code == 0
    (run,) = run_folders(Path("runs/study"))
    (run / "report.html").unlink()
    assert command("report", str(run)).out.strip() == str(run / "report.html")
    assert (run / "report.html").is_file()
    assert command("report", "runs/study").out.strip() == "runs/study/report.html"
    assert run.name in Path("runs/study/report.html").read_text()
