"""A study's page shows its search: objectives, what they depend on, learning curves."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regimecast.report import search_figures
from regimecast.report.html import write_multirun_report
from regimecast.report.importance import FEWEST, importances
from regimecast.report.run_files import RunFiles
from regimecast.report.search import objectives_of, search_charts
from tests.report.lifelike_study import add_search, write_study
from tests.report.parsed import Parsed
from tests.report.visits import Visit, becomes


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "search"
    parts = {"models": ("lstm", "nhits"), "weightings": ("uniform",), "splits": ("walk_forward",)}
    write_study(folder, **parts, seeds=range(8), full=False)
    add_search(folder)
    write_multirun_report(folder)
    return folder


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search for two things, the first of which is best where it is highest."""
    folder = tmp_path_factory.mktemp("runs") / "several"
    write_study(folder, models=("lstm",), weightings=("uniform",), seeds=range(8), full=False)
    add_search(folder, objectives={"validation/sharpe": "max", "parameters": "min"})
    write_multirun_report(folder)
    return folder


def _curve(objective: float, steps: int = 5) -> pd.DataFrame:
    step = np.arange(1, steps + 1)
    value = objective + 1.0 / step
    return pd.DataFrame({"step": step, "objective": value, "current": value})


def test_the_page_shows_the_search(search: Path) -> None:
    page = Parsed(search / "report.html")
    assert {"search-history", "search-importance", "search-curves"} <= page.ids()
    for text in ("The search", "12 hollow ones were cut short", "validation objective"):
        assert page.says(text), text
    assert page.says("after step 4, which all of them reached,")


def test_the_page_shows_what_was_searched_for(several: Path) -> None:
    page = Parsed(several / "report.html")
    for text in (
        "validation Sharpe ratio of each finished run, the first of 2 objectives",
        "higher is better",
        "differences in the validation Sharpe ratio that each",
        "Validation loss, not the validation Sharpe ratio, by step",
    ):
        assert page.says(text), text
    assert "search-front" in page.ids()


def test_history_is_in_the_order_of_first_attempts(several: Path) -> None:
    runs = {path.parent.name: RunFiles.read(path.parent) for path in several.glob("*/config.yaml")}
    resumed = list(runs)[-1]
    attempts = [{"status": "interrupted", "started": "2001-01-01T00:00:00+00:00"}]
    runs[resumed] = replace(runs[resumed], manifest=runs[resumed].manifest | {"attempts": attempts})
    charts = search_charts(runs, {label: label for label in runs}, [], dict.fromkeys(runs, 0))
    best_so_far = charts[0].figure.data[0].y
    scores = runs[resumed].metrics["validation"]
    assert scores is not None
    assert best_so_far[0] == scores["validation/sharpe"]


def test_the_front_is_what_no_other_run_beats(several: Path) -> None:
    runs = {path.parent.name: RunFiles.read(path.parent) for path in several.glob("*/config.yaml")}
    places = {label: place for place, label in enumerate(runs)}
    charts = search_charts(runs, {label: label for label in runs}, [], places)
    sharpe = {
        label: scores["validation/sharpe"]
        for label, run in runs.items()
        if (scores := run.metrics["validation"])
    }
    best = max(sharpe, key=lambda label: sharpe[label])
    assert charts[0].caption.endswith(f" The best is {best}.")
    chart = {one.key: one.figure for one in charts}
    layout, (beaten, unbeaten) = chart["search-front"].layout, chart["search-front"].data
    assert layout.xaxis.title.text == "validation Sharpe ratio (higher is better)"
    assert layout.yaxis.title.text == "parameters (lower is better)"
    reached = [
        (scores["validation/sharpe"], scores["parameters"])
        for run in runs.values()
        if (scores := run.metrics["validation"])
    ]
    expected = {
        place
        for place, (sharpe, size) in enumerate(reached)
        if not any(s >= sharpe and p <= size and (s, p) != (sharpe, size) for s, p in reached)
    }
    assert set(unbeaten.meta["runs"]) == expected
    assert 1 < len(expected) < len(reached)
    assert len(beaten.x) + len(unbeaten.x) == len(reached)
    line, finished = chart["search-history"].data
    assert line.y[-1] == max(finished.y) == max(sharpe for sharpe, _ in reached)
    (thick,) = [t for t in chart["search-curves"].data if t.name == "the best"]
    assert reached[thick.meta["runs"][0]][0] == line.y[-1]


@pytest.mark.parametrize(
    "text", ['{"objectives": null}', '{"objectives": {"a": "up"}}', "{}", "[]", '"text"', "{", ""]
)
def test_a_search_that_does_not_say_was_for_the_loss(tmp_path: Path, text: str) -> None:
    assert objectives_of(tmp_path) == {"val/loss": "min"}
    (tmp_path / "sweep.json").write_text(text)
    assert objectives_of(tmp_path) == {"val/loss": "min"}


def test_a_study_without_reports_has_no_search(study: Path) -> None:
    assert not Parsed(study / "report.html").says("The search")


def test_the_setting_that_decides_explains_most() -> None:
    rng = np.random.default_rng(0)
    rates = 10 ** rng.uniform(-4, -2, 40)
    values = (np.log10(rates) + 3) ** 2
    shares, step, runs = importances(
        {
            "lr": (True, [f"{rate:.6f}" for rate in rates]),
            "dropout": (True, [f"{x:.3f}" for x in rng.uniform(0, 0.5, 40)]),
            "loss": (False, [("huber", "quantile")[i % 2] for i in range(40)]),
        },
        values.tolist(),
        curves=[_curve(value) for value in values],
        statuses=["finished"] * 40,
    )
    assert (step, runs) == (None, 40)
    assert next(iter(shares)) == "lr"
    assert shares["lr"] > 0.7
    assert sum(shares.values()) == pytest.approx(1)


def test_runs_that_were_cut_are_compared_where_all_were() -> None:
    # At step 2 the second half is better; cut there, it would look worse than what went on.
    objectives = [0.1] * FEWEST + [0.0] * FEWEST
    long = [_curve(0.1, 50)] * FEWEST
    short = [_curve(0.0, 2)] * FEWEST
    shares, step, _ = importances(
        {"half": (False, ["a"] * FEWEST + ["b"] * FEWEST)},
        objectives,
        curves=[*long, *short],
        statuses=["finished"] * FEWEST + ["pruned"] * FEWEST,
    )
    assert step == 2
    assert shares == {"half": pytest.approx(1)}


@pytest.mark.parametrize("status", ["failed", "interrupted", "running"])
@pytest.mark.parametrize(("ended", "step"), [("finished", None), ("pruned", 5)])
def test_a_run_that_was_stopped_is_not_compared(status: str, ended: str, step: int | None) -> None:
    objectives = [0.1, 0.2] * FEWEST
    n = len(objectives)
    shares, compared, runs = importances(
        {"half": (False, [*["a", "b"] * FEWEST, ""])},
        [*objectives, 9.0],
        curves=[*(_curve(one) for one in objectives), _curve(9.0, 1)],
        statuses=[*[ended] * n, status],
    )
    assert (compared, runs) == (step, n)
    assert shares == {"half": pytest.approx(1)}


@pytest.mark.parametrize("texts", [["a"] * 20, ["a", ""] * 10, ["a", "b"]])
def test_too_little_says_nothing(texts: list[str]) -> None:
    n = len(texts)
    found = importances(
        {"loss": (False, texts)},
        [float(i) for i in range(n)],
        curves=[_curve(float(i)) for i in range(n)],
        statuses=["finished"] * n,
    )
    assert (found.shares, found.step) == ({}, None)


def test_a_line_that_was_cut_in_half_is_left_out(search: Path, tmp_path: Path) -> None:
    run = next(path.parent for path in search.glob("*/progress.csv"))
    whole = RunFiles.read(run).progress
    assert whole is not None
    (tmp_path / "config.yaml").write_text("seed: 0")
    text = (run / "progress.csv").read_text()
    (tmp_path / "progress.csv").write_text(f"{text}21,0,")
    cut = RunFiles.read(tmp_path).progress
    assert cut is not None
    pd.testing.assert_frame_equal(cut, whole, check_dtype=False)
    (tmp_path / "progress.csv").write_text("nonsense")
    assert RunFiles.read(tmp_path).progress is None


@pytest.mark.parametrize(("lower", "so_far"), [(True, (0.3, 0.1, 0.1)), (False, (0.3,) * 3)])
def test_the_best_so_far_never_gets_worse(lower: bool, so_far: tuple[float, ...]) -> None:
    chart = search_figures.history(
        ["a", "b", "c"],
        [0.3, 0.1, 0.2],
        ["finished", "pruned", "finished"],
        [2, 0, 1],
        title="loss",
        lower=lower,
    )
    best, finished, cut = chart.data
    assert best.y == so_far
    assert finished.x == (1, 3)
    assert cut.meta == {"runs": [0]}


def test_the_search_follows_the_filter(search: Path, visit: Visit) -> None:
    page = visit.open(search / "report.html")
    drawn = "document.querySelector('#search-history .plot').data.slice(1).flatMap(t => t.x).length"
    assert becomes(page, drawn, 16)
    page.locator('.chip[data-value="lstm"]').first.click()
    assert becomes(page, drawn, 8)
