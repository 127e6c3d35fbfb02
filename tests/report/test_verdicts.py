"""Gate, calibrated intervals, events and confidence intervals as a run's page tells them."""

import json
from pathlib import Path
from typing import Any

import pytest

from regimecast.report import tables, tiles, verdicts
from regimecast.report.html import run_figures, write_run_report
from regimecast.report.run_files import RunFiles
from tests.report.lifelike import MakeRun
from tests.report.lifelike_study import add_sections
from tests.report.parsed import Parsed


def _metrics(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return content


def _changed(folder: Path, **sections: Any) -> RunFiles:
    (folder / "metrics.json").write_text(json.dumps(_metrics(folder) | sections))
    return RunFiles.read(folder)


@pytest.fixture
def folder(make_run: MakeRun) -> Path:
    folder = make_run(bars=400)
    add_sections(folder, paths=5)
    return folder


def test_the_page_holds_what_issue_five_adds(folder: Path) -> None:
    page = Parsed(write_run_report(folder))
    assert {"section-gate", "section-calibration", "section-events"} <= page.ids()
    assert {"coverage", "calibration-normal", "paths"} <= page.ids()
    assert {"coverage", "paths"} <= set(run_figures(folder))
    for text in (
        "Did not pass gate research: 1 of 2 rules do not hold. Sharpe ratio is 0.61, not above",
        "5 backtest paths",
        "Intervals that claim 90%, calibrated by aci",
        "one event: not testable",
        "No interval for forecasts in crash: one event cannot tell how another would end.",
        "lead −0.40 to 1.30",
    ):
        assert page.says(text), text


def test_a_run_of_before_has_none_of_it(make_run: MakeRun) -> None:
    run = RunFiles.read(make_run(bars=60))
    assert verdicts.conformal(run) is None
    assert verdicts.events(run) is None
    assert verdicts.not_testable(run) == []
    assert "section-events" not in Parsed(write_run_report(run.path)).ids()


@pytest.mark.parametrize("rule", ["max_drawdown < 0.3", "below 0.3", "max_drawdown below 3e-1"])
def test_a_rule_has_its_limit_in_the_unit_of_its_metric(folder: Path, rule: str) -> None:
    row = {"metric": "max_drawdown", "rule": rule, "value": 0.41, "passed": False, "reason": "x"}
    run = _changed(folder, gate={"profile": "p", "passed": False, "rules": [row]})
    (found,) = verdicts.gate(run).rules
    assert (found.value, found.limit, found.passed) == ("41.0%", "below 30.0%", False)
    assert found.interval == "7.0% to 31.0%"
    assert found.reason == "maximum drawdown is 41.0%, not below 30.0%"


def test_a_gate_that_is_passed_or_absent(folder: Path) -> None:
    row = {"metric": "sharpe", "rule": "sharpe > 0", "value": 1.0, "passed": True, "reason": None}
    run = _changed(folder, gate={"profile": "p", "passed": True, "rules": [row, row]})
    assert verdicts.gate(run).said == "Passed gate p: all of its 2 rules hold."
    run = _changed(folder, gate={"profile": "none", "passed": None, "rules": []})
    assert verdicts.gate(run).verdict == ""
    missing = {"metric": "calmar", "rule": "calmar > 0", "value": None, "passed": False}
    missing["reason"] = "calmar cannot be computed on 3 bars"
    run = _changed(folder, gate={"profile": "p", "passed": False, "rules": [missing]})
    assert "Calmar cannot be computed on 3 bars." in verdicts.gate(run).said


def test_intervals_stand_beside_their_numbers(folder: Path) -> None:
    run = RunFiles.read(folder)
    sharpe, *_ = tiles.tiles(run, "7 trials")
    low, high = run.intervals["trading"]["sharpe"]
    expected = f"{low:.2f} to {high:.2f}".replace("-", "−")
    assert sharpe.beside[0] == ("95% interval", expected)
    assert sharpe.note.endswith("; 7 trials")
    rows = dict(tables.trading_table(run))
    assert rows["Sharpe ratio"][0][1] == expected
    assert rows["Sharpe ratio"][1][1] == "lead −0.40 to 1.30"
    assert rows["bars"][0][1] == ""


def test_what_is_not_testable_is_said_in_words(folder: Path) -> None:
    found = _metrics(folder)["intervals"]
    found["trading"]["sharpe"] = "not testable"
    found["forecast"]["test/regime=crash/mae"] = "not testable"
    found["forecast"]["test/mae"] = [None, 3.0]
    run = _changed(folder, intervals=found)
    assert tiles.tiles(run, "7 trials")[0].beside[0] == ("95% interval", "not testable")
    assert run.interval("forecast", "test/mae") is None
    head, rows = tables.regime_table(run)
    place = head.index("MAE") - 1
    crash = next(row for row in rows if row["name"] == "crash")
    assert crash["cells"][place][1] == "not testable"


def test_coverage_stands_beside_what_the_model_said(folder: Path) -> None:
    table = verdicts.conformal(RunFiles.read(folder))
    assert table is not None
    assert table.rows[0][0] == "all regimes"
    assert table.rows[0][3:] == ("89.3%", "0.0520", "82.7%", "0.0520")
    section = _metrics(folder)["conformal"] | {"uncalibrated": None}
    table = verdicts.conformal(_changed(folder, conformal=section))
    assert table is not None
    assert len(table.head) == 5


def test_events_come_first_then_their_kinds_then_all(folder: Path) -> None:
    table = verdicts.events(RunFiles.read(folder))
    assert table is not None
    names = [row[0] for row in table.rows]
    assert names[:3] == ["dotcom", "gfc", "covid"]
    assert names[3:] == ["all high volatility events", "all crash events", "weighted mean"]
    assert table.rows[3][1] == "one event: not testable"
    assert len(table.colours) == len(table.rows)


@pytest.mark.parametrize("section", ["intervals", "conformal", "events", "paths", "gate"])
@pytest.mark.parametrize("content", [[], "x", {}, {"sharpe": "x", "level": None, "events": 3}])
def test_strange_sections_still_give_a_page(folder: Path, section: str, content: Any) -> None:
    assert write_run_report(_changed(folder, **{section: content}).path).is_file()
