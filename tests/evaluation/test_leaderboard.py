import io
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from rich.console import Console

from regimecast.core.errors import ConfigError, DataError
from regimecast.evaluation.comparable import parse_config
from regimecast.evaluation.leaderboard import Leaderboard
from regimecast.evaluation.leaderboard_row import METRICS
from regimecast.tracking.ledger import Ledger
from tests.evaluation.trials import PRICES, noise, record, run


def write_run(folder: Path, *, status: str = "finished", **metrics: object) -> None:
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"status": status}))
    if metrics:
        (folder / "metrics.json").write_text(json.dumps({"job": folder.name, **metrics}))


def forecast_run(folder: Path, crps: float | None, sharpe: float | None, **more: object) -> None:
    write_run(
        folder,
        task="forecast",
        model="nhits",
        loss="quantile",
        weighting=["regime", "recency"],
        forecast={"test/crps": crps, "test/regime=crash/mae": 0.04, "test/regime=crash/n": 12},
        trading={
            "strategy": {"sharpe": sharpe, "max_drawdown": 0.123, "break_even_bps": 4.0},
            "buy_and_hold": {"sharpe": 0.4},
            "naive": {"sharpe": -0.1},
        },
        gate={"profile": "x", "passed": crps == 1.0, "rules": []},
        seconds=3,
        **more,
    )


@pytest.fixture
def study(tmp_path: Path) -> Path:
    forecast_run(tmp_path / "s" / "1_good", 1.0, 0.2)
    forecast_run(tmp_path / "s" / "2_better", 0.5, None)
    forecast_run(tmp_path / "s" / "3_null", None, 0.9)
    write_run(
        tmp_path / "s" / "4_failed",
        status="failed",
        task="forecast",
        forecast={"test/crps": 0.1},
    )
    write_run(tmp_path / "s" / "5_running", status="running")
    write_run(tmp_path / "s" / "6_broken")
    (tmp_path / "s" / "6_broken" / "metrics.json").write_text('{"job": ')
    write_run(tmp_path / "s" / "7_list")
    (tmp_path / "s" / "7_list" / "metrics.json").write_text("[1]")
    write_run(
        tmp_path / "t" / "8_class",
        task="classification",
        forecast={"test/log_loss": 0.6, "test/accuracy": 0.55},
    )
    write_run(tmp_path / "t" / "9_class", task="classification", forecast={"test/log_loss": 0.5})
    hidden = tmp_path / "s" / "1_good" / ".hydra"
    write_run(hidden, task="forecast")
    (tmp_path / "s" / "notes").mkdir()
    return tmp_path


def test_rows_and_default_order(study):
    frame = Leaderboard.read(study).frame
    assert frame["job"].tolist() == [
        "9_class",
        "8_class",
        "2_better",
        "1_good",
        "3_null",
        "4_failed",
        "5_running",
        "6_broken",
        "7_list",
    ]
    assert frame["trials"].unique().tolist() == [9]
    rows = frame.set_index("job")
    good = rows.loc["1_good"]
    assert good[["study", "model", "loss", "weighting", "status", "gate"]].tolist() == [
        "s",
        "nhits",
        "quantile",
        "regime+recency",
        "finished",
        "passed",
    ]
    assert good[["crash_mae", "crash_n", "buy_and_hold_sharpe", "seconds"]].tolist() == [
        0.04,
        12,
        0.4,
        3,
    ]
    assert rows.loc["2_better", "gate"] == "failed"
    assert rows.loc[["4_failed", "5_running", "6_broken", "7_list"], "status"].tolist() == [
        "failed",
        "running",
        "broken",
        "broken",
    ]
    assert rows.loc["5_running", "note"] == "no metrics.json"
    assert rows.loc["6_broken", "note"].startswith("metrics.json: Expecting value")


def test_sorting_by_a_metric(study):
    board = Leaderboard.read(study)
    jobs = board.sort("sharpe").frame.query("task == 'forecast'")["job"].tolist()
    assert jobs == ["3_null", "1_good", "2_better", "4_failed"]
    with pytest.raises(ConfigError, match="Did you mean 'sharpe'"):
        board.sort("sharp")


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet"])
def test_files(study, tmp_path, suffix):
    board = Leaderboard.read(study)
    path = tmp_path / "out" / f"board.{suffix}"
    board.write(path)
    read = {"csv": pd.read_csv, "json": pd.read_json, "parquet": pd.read_parquet}[suffix]
    again = read(path)
    assert again["job"].tolist() == board.frame["job"].tolist()
    assert again["crps"].tolist()[2:4] == [0.5, 1.0]
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    if suffix == "json":
        assert json.loads(path.read_text())[0]["sharpe"] is None


def test_other_files_are_refused(study, tmp_path):
    with pytest.raises(ConfigError, match=r"\.csv, \.json, \.parquet"):
        Leaderboard.read(study).write(tmp_path / "board.xlsx")


def test_what_a_terminal_shows(study):
    console = Console(file=io.StringIO(), width=240)
    console.print(Leaderboard.read(study).to_table())
    text = console.file.getvalue()
    assert "classification: 2 of 9 jobs" in text
    assert "(of 9, 9 different)" in text
    assert "9 trials on disk, without a ledger" in text
    assert "12.3%" in text
    assert "naive" in text
    assert "pinball" not in text  # no run has it
    assert "running" in text


@pytest.mark.parametrize("width", [60, 75])
def test_a_narrow_terminal_shows_whole_columns_and_names_the_rest(study, width):
    console = Console(file=io.StringIO(), width=width)
    console.print(Leaderboard.read(study).to_table(width))
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert "crps" in text
    assert "metrics.json" in text.replace("│", "").split("unknown: 3 of 9 jobs")[1]
    assert "Too wide to show: " in text


def test_what_all_jobs_share_is_said_once(tmp_path):
    for name in "ab":
        forecast_run(tmp_path / name, 1.0, 0.5)
    console = Console(file=io.StringIO(), width=200)
    console.print(Leaderboard.read(tmp_path).to_table())
    text = console.file.getvalue()
    assert "In every job:" in text
    assert "status finished" in text
    assert text.count("finished") == 1


def configured_run(
    folder: Path, crps: float | None, *, horizon: int = 5, path: str = "a.csv", data: str = "csv"
) -> None:
    if crps is None:
        write_run(folder, status="failed")
    else:
        forecast_run(folder, crps, 0.5)
    config = f"""
data: {{name: {data}, path: {path}, columns: {{close: Close}}}}
target: {{name: forward_return, horizon: {horizon}, scale: volatility}}
"""
    (folder / "config.yaml").write_text(config)


def shown(board: Leaderboard, width: int = 240) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(board.to_table(width))
    return console.file.getvalue()


def test_only_runs_of_the_same_target_and_data_are_ranked(tmp_path):
    configured_run(tmp_path / "1", 0.4)
    configured_run(tmp_path / "2", 0.3)
    configured_run(tmp_path / "3", 0.1, horizon=1)
    configured_run(tmp_path / "4", 0.2, path="b.csv")
    configured_run(tmp_path / "5", None, horizon=1)
    configured_run(tmp_path / "6", 9.0, data="duckdb")
    board = Leaderboard.read(tmp_path)
    assert board.frame["job"].tolist() == ["3", "5", "2", "1", "4", "6"]
    assert board.frame["task"].unique().tolist() == ["forecast"]  # the failed one's too
    rows = board.frame.set_index("job")
    assert rows.loc["3", "target"] == "forward_return(horizon=1)"
    assert rows.loc["4", "data"] == "csv(path=b.csv)"
    assert rows.loc["6", ["target", "data"]].tolist() == ["forward_return(horizon=5)", "duckdb"]
    text = shown(board)
    assert "forecast of forward_return(horizon=5) on csv(path=a.csv): 2 of 6 jobs" in text
    assert "forecast of forward_return(horizon=1) on csv(path=a.csv): 2 of 6 jobs" in text
    assert "forecast of forward_return(horizon=5) on duckdb: 1 of 6 jobs" in text
    assert board.sort("crps").frame["job"].tolist() == board.frame["job"].tolist()


def test_long_names_of_jobs_leave_room_for_what_they_are_sorted_by(tmp_path):
    for number in range(2):
        forecast_run(tmp_path / f"00{number}_{'x' * 76}", 0.4, 0.5)
    text = shown(Leaderboard.read(tmp_path), width=80)
    above = text.partition("Too wide")[0]
    assert max(map(len, text.splitlines())) <= 80
    assert "crps" in above
    assert "sharpe" in above


def test_settings_that_all_runs_share_are_not_said(tmp_path):
    configured_run(tmp_path / "1", 0.4)
    configured_run(tmp_path / "2", 0.3)
    forecast_run(tmp_path / "3", 0.1, 0.2)
    for text in ("", "data: [", "data: 3\ntarget: {scale: 1}", "- 1", "data: 2020-13-45"):
        (tmp_path / "3" / "config.yaml").write_text(text)
        frame = Leaderboard.read(tmp_path).frame
        assert frame["job"].tolist() == ["3", "2", "1"]
        assert frame[["target", "data"]].drop_duplicates().to_numpy().tolist() == [
            ["forward_return", "csv"]
        ]
    (tmp_path / "3" / "config.yaml").write_bytes(b"\xff\x00")
    assert "forecast of forward_return on csv: 3 jobs" in shown(Leaderboard.read(tmp_path))


def test_square_brackets_are_shown_as_they_are(tmp_path):
    configured_run(tmp_path / "1", 0.4, path="'[/red]'")
    configured_run(tmp_path / "2", 0.4, path="b")
    write_run(tmp_path / "3", status="failed")
    error = "DataError: [/data/x.csv] is bad, weighting=[regime,recency] unknown :smile:"
    manifest = {"status": "failed", "job": "a=[b]", "error": error}
    (tmp_path / "3" / "manifest.json").write_text(json.dumps(manifest))
    text = shown(Leaderboard.read(tmp_path))
    assert error in text
    assert "a=[b]" in text
    assert "csv(path=[/red])" in text


def test_no_runs(tmp_path):
    with pytest.raises(DataError, match="is not a folder"):
        Leaderboard.read(tmp_path / "nowhere")
    with pytest.raises(DataError, match="holds no runs"):
        Leaderboard.read(tmp_path)


def test_nothing_but_failures(tmp_path):
    write_run(tmp_path / "a", status="failed")
    board = Leaderboard.read(tmp_path)
    assert board.frame["status"].tolist() == ["failed"]
    assert set(METRICS) <= set(board.frame)
    board.write(tmp_path / "board.parquet")
    Console(file=io.StringIO()).print(board.to_table())


def test_one_run_on_its_own(tmp_path):
    forecast_run(tmp_path / "run", 1.0, 0.5)
    board = Leaderboard.read(tmp_path / "run")
    assert board.frame[["study", "job"]].to_numpy().tolist() == [[".", "run"]]


def test_a_failed_job_stands_among_those_of_its_study(tmp_path):
    forecast_run(tmp_path / "good", 1.0, 0.5)
    (tmp_path / "bad").mkdir()
    manifest = {"status": "failed", "job": "model=x", "error": "SpecError: no such column"}
    (tmp_path / "bad" / "manifest.json").write_text(json.dumps(manifest))
    frame = Leaderboard.read(tmp_path).frame
    assert frame["task"].tolist() == ["forecast", "forecast"]
    assert frame["job"].tolist() == ["good", "model=x"]
    assert frame["note"].tolist()[1] == "SpecError: no such column"


def test_a_run_whose_process_died_is_interrupted(tmp_path):
    (tmp_path / "dead").mkdir()
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    manifest = {
        "status": "running",
        "process": {"host": socket.gethostname(), "id": process.pid},
    }
    (tmp_path / "dead" / "manifest.json").write_text(json.dumps(manifest))
    assert Leaderboard.read(tmp_path).frame["status"].tolist() == ["interrupted"]


def set_up(folder: Path, *, sampling: str = "natural", seed: int = 0, fast: object = False) -> None:
    (folder / "config.yaml").write_text(f"""
model: {{name: lstm}}
loss: {{name: huber}}
weighting: {{recency: {{half_life: 5}}, regime: {{}}}}
sampling: {{name: {sampling}}}
seed: {seed}
trainer: {{fast_dev_run: {fast}}}
""")


def test_sampling_seed_and_study_are_shown_where_they_vary(tmp_path):
    for study in "st":
        for seed in (0, 1):
            forecast_run(tmp_path / study / f"job{seed}", 0.1, 0.5, sampling="natural", seed=seed)
    board = Leaderboard.read(tmp_path)
    assert board.frame["seed"].tolist() == ["0", "1", "0", "1"]
    assert board.frame["sampling"].tolist() == ["natural"] * 4
    assert board.frame["study"].tolist() == ["s", "s", "t", "t"]
    text = shown(board)
    assert "study" in text
    assert "seed" in text
    assert "sampling" not in text
    alone = shown(Leaderboard.read(tmp_path / "s"))
    assert "study" not in alone
    assert "seed" in alone
    assert "study" not in shown(Leaderboard.read(tmp_path / "s" / "job0"))


def test_a_failed_job_keeps_what_its_config_says(tmp_path):
    forecast_run(tmp_path / "good", 1.0, 0.5, sampling="natural", seed=3)
    write_run(tmp_path / "bad", status="failed")
    set_up(tmp_path / "bad", sampling="balanced", seed=0)
    columns = ["model", "loss", "weighting", "sampling", "seed"]
    rows = Leaderboard.read(tmp_path).frame.set_index("job")[columns]
    assert rows.loc["bad"].tolist() == ["lstm", "huber", "recency+regime", "balanced", "0"]
    assert rows.loc["good"].tolist() == ["nhits", "quantile", "regime+recency", "natural", "3"]


@pytest.mark.parametrize("config", ["trainer: 3", "trainer: {}", "model: []\nseed: null", "[]"])
def test_a_strange_config_is_no_setup(tmp_path, config):
    write_run(tmp_path / "bad", status="failed")
    (tmp_path / "bad" / "config.yaml").write_text(config)
    row = Leaderboard.read(tmp_path).frame.iloc[0]
    assert not row["fast_dev_run"]
    assert row[["model", "sampling", "seed"]].isna().all()


@pytest.mark.parametrize("fast", ["true", 2])
def test_a_fast_dev_run_is_marked(tmp_path, fast):
    for name in ("tried", "trained"):
        forecast_run(tmp_path / name, 1.0, 0.5)
        set_up(tmp_path / name, fast=fast if name == "tried" else False)
    board = Leaderboard.read(tmp_path)
    assert board.frame.set_index("job")["fast_dev_run"].to_dict() == {
        "tried": True,
        "trained": False,
    }
    assert set(board.frame["status"]) == {"finished"}
    marked = [line for line in shown(board).splitlines() if "finished (fast dev run)" in line]
    assert len(marked) == 1
    assert "tried" in marked[0]
    assert "2 jobs" in shown(board)


def test_the_title_says_how_many_jobs_finished(tmp_path):
    forecast_run(tmp_path / "a", 1.0, 0.5)
    alone = shown(Leaderboard.read(tmp_path))
    assert alone.splitlines()[0].rstrip() == "forecast: 1 job"
    assert "1 trial on disk" in alone
    assert "Without skill" not in alone
    write_run(tmp_path / "b", status="failed")
    assert "forecast: 2 jobs, 1 finished" in shown(Leaderboard.read(tmp_path))


def test_the_benchmark_rule_is_not_called_as_the_model_naive(study):
    wide = shown(Leaderboard.read(study))
    assert "naive rule" in wide
    narrow = shown(Leaderboard.read(study), 60)
    assert "naive sharpe" not in wide + narrow


def traded(folder: Path, number: int, **more: Any) -> None:
    """Runs that are in the ledger, with a Sharpe ratio that falls with their number."""
    for n in range(number):
        returns = noise(120, n, 0.002 / (n + 1))
        record(Ledger(folder / "ledger"), f"r{n}", returns)
        run(
            folder / "runs",
            f"r{n}",
            returns,
            ledger=folder / "ledger",
            crps=1.0 + n % 2,
            **more,
        )


def test_the_default_order_is_that_of_the_deflated_sharpe_ratio(tmp_path):
    traded(tmp_path, 5)
    for n in range(20):
        record(Ledger(tmp_path / "ledger"), f"earlier {n}", noise(120, 50 + n))
    board = Leaderboard.read(tmp_path / "runs")
    frame = board.frame
    assert frame["dsr"].is_monotonic_decreasing
    assert frame["dsr"].notna().all()
    assert frame["trials"].unique().tolist() == [25]
    assert frame["effective_trials"].unique().tolist() == [25]
    assert frame["prices"].unique().tolist() == [PRICES]
    assert (frame["dsr"] < frame["psr"]).all()
    assert frame["pbo"].nunique() == 1
    assert frame["pbo_note"].isna().all()
    assert board.sort("crps").frame["crps"].is_monotonic_increasing
    assert board.sort("sharpe").frame["sharpe"].is_monotonic_decreasing
    assert board.sort("psr").selections == board.selections
    text = shown(board)
    assert "(of 25, 25 different)" in text
    assert "25 trials on these prices, 25 of them different." in text
    assert "PBO " in text
    narrow = shown(board, 60)
    assert "(of 25, 25" in narrow
    assert max(map(len, narrow.splitlines()[:-8])) <= 60


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet"])
def test_a_sharpe_ratio_in_a_file_stands_with_its_trials(tmp_path, suffix):
    traded(tmp_path, 3)
    path = tmp_path / f"board.{suffix}"
    Leaderboard.read(tmp_path / "runs").write(path)
    read = {"csv": pd.read_csv, "json": pd.read_json, "parquet": pd.read_parquet}[suffix](path)
    assert read["trials"].tolist() == [3, 3, 3]
    assert read["effective_trials"].tolist() == [3, 3, 3]
    assert read[["sharpe", "dsr", "psr", "pbo"]].notna().all(axis=None)


def test_runs_on_other_prices_have_other_trials(tmp_path):
    traded(tmp_path, 3)
    returns = noise(100, 9)
    run(tmp_path / "runs", "other", returns, ledger=tmp_path / "ledger", prices="b" * 64)
    board = Leaderboard.read(tmp_path / "runs")
    rows = board.frame.set_index("job")
    assert rows["trials"].to_dict() == {"r0": 3, "r1": 3, "r2": 3, "other": 1}
    assert rows.loc["other", "pbo_note"].startswith("No PBO: 1 run")
    text = shown(board)
    assert "(of 3, 3 different)" in text
    assert "(of 1, 1 different)" in text


def test_what_has_no_luck_says_why(tmp_path):
    traded(tmp_path, 2)
    run(tmp_path / "runs", "idle", np.zeros(120), ledger=tmp_path / "ledger")
    gone = run(tmp_path / "runs", "gone", noise(120, 5), ledger=tmp_path / "ledger")
    (gone / "returns.parquet").unlink()
    run(tmp_path / "runs", "early", None, ledger=tmp_path / "ledger", prices="", status="failed")
    rows = Leaderboard.read(tmp_path / "runs").frame.set_index("job")
    assert "do not vary" in rows.loc["idle", "note"]
    assert rows.loc["gone", "note"] == "no returns, so that nothing is known about luck"
    assert rows.loc["gone", "trials"] == 4
    assert pd.isna(rows.loc["early", "trials"])
    unknown = rows[rows["dsr"].isna()]
    assert unknown["note"].notna().all()


def test_only_the_best_rows_are_shown_where_there_are_many(tmp_path):
    for n in range(8):
        forecast_run(tmp_path / f"job{n}", 1.0 + n, None)
    board = Leaderboard.read(tmp_path)
    text = io.StringIO()
    Console(file=text, width=200).print(board.to_table(200, top=3))
    assert "job2" in text.getvalue()
    assert "job3" not in text.getvalue()
    assert "And 5 more: --top 8" in text.getvalue()
    assert "8 jobs" in text.getvalue()


def test_a_leaderboard_opens_without_torch():
    code = (
        "import sys, regimecast.cli, regimecast.summary, regimecast.ledger_view;"
        "print([m for m in ('torch', 'numba', 'scipy', 'plotly') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\nb:\n  c: [1, 2]\n  d: {e: null}\n_f: x\n",
        "a: &x {b: 1}\nc: *x\n",
        "a: {b: 1,\nc: 2}\n",
        "# comment\na: 1\n",
        "---\na: 1\n",
        "a: |\n  text\n  more: text\nb: 2\n",
        "'a': 1\nb: 2\n",
        "- 1\n- 2\n",
        "a\n",
        "",
        "a: [\nb: 1\n",
        "a: 1\na: 2\n",
    ],
)
def test_a_config_in_sections_is_the_config(text):
    try:
        expected = yaml.safe_load(text)
    except yaml.YAMLError:
        expected = {}
    assert parse_config(text) == (expected if isinstance(expected, dict) else {})


def test_intervals_coverage_split_and_calibration_stand_in_the_row(tmp_path):
    for name, ends, method in (("a", [-0.1, 0.9], "aci"), ("b", "not testable", "none")):
        forecast_run(
            tmp_path / name,
            1.0,
            0.4,
            intervals={"level": 0.95, "trading": {"sharpe": ends}},
            conformal={"method": "aci", "level": 0.9},
        )
        config = f"split: {{name: holdout}}\nconformal: {{name: {method}}}\n"
        (tmp_path / name / "config.yaml").write_text(config)
    metrics = json.loads((tmp_path / "a" / "metrics.json").read_text())
    metrics["forecast"] |= {"test/coverage_90": 0.91, "test/regime=crash/coverage_90": 0.7}
    (tmp_path / "a" / "metrics.json").write_text(json.dumps(metrics))
    board = Leaderboard.read(tmp_path)
    rows = board.frame.set_index("job")
    first = rows.loc["a"]
    assert (first["sharpe_low"], first["sharpe_high"]) == (-0.1, 0.9)
    assert (first["coverage_90"], first["crash_coverage_90"]) == (0.91, 0.7)
    assert rows["conformal"].to_dict() == {"a": "aci", "b": "none"}
    assert rows["split"].unique().tolist() == ["holdout"]
    assert rows.loc["b", ["sharpe_low", "coverage_90"]].isna().all()
    console = Console(file=io.StringIO(), width=240)
    console.print(board.to_table())
    shown = console.file.getvalue()
    assert "-0.10 to 0.90" in shown
    assert "91.0%" in shown
    assert "split holdout" in shown
