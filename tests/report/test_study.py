"""A study's page says what its best run is worth, and survives every odd study."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regimecast.evaluation.leaderboard import Leaderboard
from regimecast.report.html import write_multirun_report, write_run_report
from tests.report.lifelike import MakeRun, write_failed_run
from tests.report.lifelike_study import write_study
from tests.report.parsed import Parsed

EVIL = '</script><img src=x onerror="alert(1)">&{{7*7}}'


def test_the_page_holds_everything(study: Path) -> None:
    page = Parsed(study / "report.html")
    wanted = {"filters", "leaderboard", "equity", "sharpe", "pbo", "path-sharpes", "path-fan"}
    assert wanted | {"section-significance", "parallel", "heat"} <= page.ids()
    for text in (
        "24 finished",
        "24 trials were made on these prices",
        "were that its true one, it would look this good with probability",
        "Probability of backtest overfitting (PBO)",
        "Trials are counted on disk, 24 runs",
        "deflated Sharpe (DSR)",
        "Better than buy and hold at 5%, all runs tested at once: nhits · uniform · walk_forward",
        "In crash: not testable: one episode; at least 5 are needed.",
    ):
        assert page.says(text), text


def test_every_number_of_the_selection_is_the_selections(study: Path) -> None:
    (selection,) = Leaderboard.read(study).selections
    page = Parsed(study / "report.html")
    best = max(selection.runs, key=lambda label: selection.runs[label].sharpe)
    assert page.says(f"The best Sharpe ratio here is {selection.runs[best].sharpe:.2f}, of")
    assert page.says(f"effectively {selection.effective}.")
    assert page.says(f"this good with probability {100 * (1 - selection.runs[best].dsr):.1f}%")
    assert selection.pbo is not None
    assert page.says(f"Probability of backtest overfitting: {100 * selection.pbo.pbo:.1f}%")
    deflated = [selection.runs[label].dsr for label in page.rows()]
    assert deflated == sorted(deflated, reverse=True)
    assert page.says(f"Sharpe, best of 24 trials, {selection.effective} different")


def test_a_sharpe_ratio_stands_with_its_interval(study: Path) -> None:
    source = (study / "report.html").read_text()
    metrics = json.loads((study / Parsed(study / "report.html").rows()[0]).joinpath(
        "metrics.json").read_text())  # fmt: skip
    sharpe = metrics["trading"]["strategy"]["sharpe"]
    low, high = (f"{bound:.2f}".replace("-", "−") for bound in (sharpe - 0.9, sharpe + 0.85))
    assert f"{sharpe:.2f}<small>{low} to {high}</small>" in source


def test_a_comparison_that_is_missing_or_damaged_is_said(study: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    for run in sorted(study.iterdir())[:3]:
        if run.is_dir():
            shutil.copytree(run, folder / run.name)
    assert Parsed(write_multirun_report(folder)).says("regimecast compare ")
    (folder / "comparison.json").write_text("{")
    assert Parsed(write_multirun_report(folder)).says("comparison.json cannot be read")
    (folder / "comparison.json").write_text('{"groups": [{}], "left_out": {}}')
    assert Parsed(write_multirun_report(folder)).says("of another version or damaged")
    shutil.copy(study / "comparison.json", folder)
    page = Parsed(write_multirun_report(folder))
    assert page.says("took part in the comparison and is no longer here")


def test_a_leaderboard_lists_every_run_best_first(make_run: MakeRun, tmp_path: Path) -> None:
    write_run_report(make_run("model=lstm,seed=1", seed=1, skill=0.0))
    make_run("model=tft", seed=2, skill=0.3)
    write_failed_run(tmp_path / "demo" / "bad")
    page = Parsed(write_multirun_report(tmp_path / "demo"))
    assert page.rows() == ["model=tft", "model=lstm,seed=1", "bad"]
    links = [a["href"] for t, a in page.elements if t == "a"]
    assert links == ["model%3Dlstm%2Cseed%3D1/report.html"]  # only where there is a report
    assert page.says("best of 2 trials")  # the third ended before it read any prices
    assert page.says("1 failed")
    assert page.says("ConfigError: model.layers=-1")
    assert sum(tag == "polyline" for tag, _ in page.elements) == 2


def _configure(folder: Path, horizon: int, crps: float, *, traded: bool = True) -> None:
    """Gives a run data and a target, and an error."""
    text = f"data: {{name: sp500}}\ntarget: {{name: forward_return, horizon: {horizon}}}\n"
    (folder / "config.yaml").write_text(text)
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["forecast"] |= {"test/crps": crps, "test/regime=normal/crps": crps}
    if not traded:
        metrics["trading"] = {}
        (folder / "returns.parquet").unlink()
    (folder / "metrics.json").write_text(json.dumps(metrics))


def test_runs_of_other_targets_are_not_ranked_together(make_run: MakeRun, tmp_path: Path) -> None:
    for name, horizon, crps in (("a", 5, 3.0), ("b", 1, 1.0), ("c", 5, 2.0), ("d", 1, 1.5)):
        _configure(make_run(name, bars=60), horizon, crps, traded=False)
    path = write_multirun_report(tmp_path / "demo")
    page = Parsed(path)
    assert page.rows() == ["b", "d", "c", "a"]
    assert page.says("forward_return(horizon=5)")
    assert page.says("sp500")
    assert page.says("cannot be ranked")
    assert not any("aria-sort" in a for _, a in page.elements)
    shades = [
        a["style"] for t, a in page.elements if t == "td" and "--heat" in (a.get("style") or "")
    ]
    assert shades[::2] == ["--heat: 0.0", "--heat: 1.0", "--heat: 0.0", "--heat: 1.0"]


def test_runs_of_one_target_are_ranked(make_run: MakeRun, tmp_path: Path) -> None:
    for name, crps in (("a", 3.0), ("b", 1.0)):
        _configure(make_run(name, bars=60), 5, crps, traded=False)
    page = Parsed(write_multirun_report(tmp_path / "demo"))
    assert page.rows() == ["b", "a"]
    assert {a.get("aria-sort") for t, a in page.elements if t == "th"} == {None, "ascending"}
    assert not page.says("cannot be ranked")
    assert page.says("target, in every run")
    assert page.says("Nothing is traded on this target.")
    assert not page.says("status")  # the badge above says that both are finished


def test_studies_below_a_folder_are_told_apart(make_run: MakeRun, tmp_path: Path) -> None:
    make_run("same", study="one", bars=60)
    make_run("same", study="two", bars=60)
    assert set(Parsed(write_multirun_report(tmp_path)).rows()) == {"one/same", "two/same"}


def test_copies_that_a_tracker_keeps_are_no_runs(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run(bars=60)
    copies = folder / "wandb" / "offline-run-1" / "files"
    copies.mkdir(parents=True)
    shutil.copy(folder / "metrics.json", copies)
    assert Parsed(write_multirun_report(tmp_path / "demo")).rows() == ["nhits"]


def test_a_study_in_which_everything_failed(tmp_path: Path) -> None:
    for name in ("bad", "worse"):
        write_failed_run(tmp_path / "demo" / name)
    page = Parsed(write_multirun_report(tmp_path / "demo"))
    assert page.says("2 failed")
    assert page.says("None of 2 runs left returns")
    assert "figure" not in {tag for tag, _ in page.elements}


def test_a_study_of_one_run(make_run: MakeRun, tmp_path: Path) -> None:
    make_run(bars=60)
    page = Parsed(write_multirun_report(tmp_path / "demo"))
    assert page.says("1 trial was made on these prices")
    assert "equity" in page.ids()
    assert not {"filters", "pbo", "parallel", "section-significance"} & page.ids()


def test_a_study_of_classes(make_run: MakeRun, tmp_path: Path) -> None:
    for seed in (0, 1):
        make_run(f"run{seed}", kind="probabilities", bars=120, seed=seed)
    page = Parsed(write_multirun_report(tmp_path / "demo"))
    assert page.says("Log loss: lower is better.")
    assert page.says("Accuracy")


@pytest.mark.parametrize("damage", ["constant", "nan", "short", "garbage"])
def test_returns_that_tell_nothing(make_run: MakeRun, tmp_path: Path, damage: str) -> None:
    make_run("good", bars=120)
    path = make_run("odd", bars=120, seed=1) / "returns.parquet"
    table = pd.read_parquet(path)
    if damage == "constant":
        table["strategy"] = 0.0
    elif damage == "nan":
        table.loc[3, "strategy"] = np.nan
    else:
        table = table.iloc[:5]
    table.to_parquet(path)
    if damage == "garbage":
        path.write_bytes(b"PAR1 garbage")
    page = Parsed(write_multirun_report(tmp_path / "demo"))
    assert set(page.rows()) == {"good", "odd"}
    assert not page.says("nan")
    assert page.says("Before you believe a number")


def test_names_that_hold_html(tmp_path: Path) -> None:
    folder = write_study(
        tmp_path / "sweep", models=(EVIL.replace("/", "|"), "b"), seeds=(0,), full=False, bars=60
    )
    path = write_multirun_report(folder)
    page = Parsed(path)
    assert "<img" not in page.source
    assert "&{{" not in page.source
    assert len(page.rows()) == 8
    data = page.source.partition('id="study-data">')[2].partition("</script>")[0]
    choices = {choice for axis in json.loads(data)["axes"] for choice in axis["choices"]}
    assert EVIL.replace("/", "|") in choices


def test_two_hundred_runs_stay_a_small_page(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "sweep", bars=200, seeds=tuple(range(17)), full=False)
    path = write_multirun_report(folder)
    assert len(Parsed(path).rows()) == 204
    assert path.stat().st_size < 6_000_000


def test_a_study_over_sampling_and_seeds_tells_them_apart(
    make_run: MakeRun, tmp_path: Path
) -> None:
    for seed in (0, 1):
        config = make_run(f"job{seed}", bars=60) / "config.yaml"
        config.write_text(f"model: {{name: nhits}}\nseed: {seed}\nsampling: {{name: natural}}")
    page = Parsed(write_multirun_report(tmp_path / "demo"))
    assert page.says("sampling, in every run")
    assert not page.says("seed, in every run")


def test_seeds_of_a_config_are_one_row_that_names_each(study: Path) -> None:
    source = (study / "report.html").read_text()
    assert "Over seeds" in source
    rows = source.split('id="section-seeds"')[1].split("</section>")[0].split("<tr>")[2:]
    assert len(rows) == 12
    first = rows[0].split('data-value="')[1].split('"')[0]
    assert "seed" not in first
    labels = [path.name for path in study.iterdir() if f"_{first},seed=" in path.name]
    assert len(labels) == 2
    values = [
        json.loads((study / label / "metrics.json").read_text())["trading"]["strategy"]["sharpe"]
        for label in labels
    ]
    assert f"{np.mean(values):.2f}<small>" in rows[0]
    assert f">{min(values):.2f}<" in rows[0].replace("−", "-")
    assert all(f"seed={seed}/report.html" in rows[0].replace("%3D", "=") for seed in (0, 1))


def test_a_study_of_one_seed_has_no_such_table(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "one", bars=60, seeds=(0,), full=False)
    assert "Over seeds" not in write_multirun_report(folder).read_text()
