"""A study's page in a real browser: sorting, filtering, choosing, regimes, phone and dark."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from regimecast.report.html import write_multirun_report
from tests.report.lifelike import MakeRun, write_failed_run
from tests.report.lifelike_study import write_study
from tests.report.visits import Visit, becomes

EVIL = '</script><script>window.hit = 1</script><img src="x" onerror="window.hit = 1">'


def _shown(page: Page, table: str = "leaderboard") -> list[str]:
    found = page.locator(f"#{table} tbody tr:not([hidden]) th").evaluate_all(
        "all => all.map(t => t.dataset.value)"
    )
    return list(found)


def _names(page: Page, chart: str = "equity") -> list[str]:
    """Names in a chart's legend."""
    traces = page.evaluate(f"document.querySelector('#{chart} .plot').data.map((t) => t.name)")
    return [name for name in traces if name != "buy and hold"]


def _column(page: Page, name: str) -> list[str]:
    """Shown cells of a column, without what stands below their value."""
    index = page.locator("#leaderboard thead th").evaluate_all(
        "(all, name) => all.findIndex(t => t.innerText.startsWith(name))", name
    )
    cells = page.locator(f"#leaderboard tbody tr:not([hidden]) > :nth-child({index + 1})")
    return [text.split("\n")[0] for text in cells.all_inner_texts()]


def _head(page: Page, name: str) -> str | None:
    """Sorts by a column with the keyboard and gives its direction."""
    button = page.locator("#leaderboard thead").get_by_role("button", name=name)
    button.first.focus()
    page.keyboard.press("Enter")
    return button.first.locator("xpath=..").get_attribute("aria-sort")


def _metrics(study: Path, label: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((study / label / "metrics.json").read_text())
    return content


def test_the_leaderboard_sorts(make_run: MakeRun, visit: Visit, tmp_path: Path) -> None:
    for seed, skill in enumerate((0.3, 0.0, 0.1)):
        make_run(f"run{seed}", seed=seed, skill=skill, bars=120 + 60 * seed)
    write_failed_run(tmp_path / "demo" / "bad")
    page = visit.open(write_multirun_report(tmp_path / "demo"))
    arrived = page.locator("#leaderboard th[aria-sort]")
    assert arrived.inner_text().startswith("deflated Sharpe (DSR)")
    assert arrived.get_attribute("aria-sort") == "descending"
    assert _head(page, "bars") == "descending"
    assert _shown(page) == ["run2", "run1", "run0", "bad"]
    assert _head(page, "bars") == "ascending"
    assert _shown(page) == ["run0", "run1", "run2", "bad"]  # no value stays last, both ways
    assert page.locator("#leaderboard th[aria-sort]").count() == 1
    assert _head(page, "pinball loss") == "ascending"  # the best first
    assert _head(page, "run") == "ascending"
    assert _shown(page) == ["bad", "run0", "run1", "run2"]
    _head(page, "run")
    assert _shown(page) == ["run2", "run1", "run0", "bad"]


def test_every_chart_of_a_study_is_drawn(study: Path, visit: Visit) -> None:
    page = visit.open(study / "report.html")
    figures = page.locator("figure.chart")
    assert figures.count() == 5
    for index in range(figures.count()):
        figure = figures.nth(index)
        assert figure.locator(".plot .trace, .plot .bars .point").count() > 0
    assert page.locator("#parallel path.run").count() == 24
    assert page.locator("#parallel path.chosen").count() == 6


def test_a_filter_reaches_every_table_and_chart(study: Path, visit: Visit) -> None:
    page = visit.open(study / "report.html")
    page.locator("button.chip", has_text="nhits").click()
    page.locator("button.chip", has_text="combinatorial_purged").click()
    page.locator("button.chip", has_text="lstm").click()  # or, within one axis
    assert page.locator("#shown").inner_text() == "8 of 24 runs"
    shown = _shown(page)
    assert len(shown) == 8
    assert all("lightgbm" not in label and "combinatorial" in label for label in shown)
    assert set(_shown(page, "heat")) == set(shown)
    assert page.locator(".mcs:visible tbody tr:visible").count() == 8
    assert page.locator("#parallel path.run").count() == 8
    points = "document.querySelector('#sharpe .plot').data[0].x"
    assert page.evaluate(points) == list(range(1, 9))
    rows = page.evaluate("document.querySelector('#path-sharpes .plot').layout.yaxis.categoryarray")
    assert len(rows) == 8
    assert not any("lightgbm" in name for name in rows)
    assert "lightgbm" not in page.locator("#path-fan select").input_value()
    assert all("lightgbm" not in name for name in _names(page))
    # How many are left is told before a value is chosen.
    assert page.locator("button.chip", has_text="lightgbm").inner_text().endswith("4")
    pressed = page.locator("button.chip[aria-pressed=true]")
    assert pressed.count() == 3
    page.locator("#clear").focus()
    page.keyboard.press("Enter")
    assert page.locator("#shown").inner_text() == "24 of 24 runs"
    assert pressed.count() == 0
    assert page.locator("#clear").is_disabled()


def test_a_filter_that_leaves_nothing_says_so(study: Path, visit: Visit) -> None:
    page = visit.open(study / "report.html")
    page.locator("#seek").fill("no such run")
    assert page.locator("#shown").inner_text() == "0 of 24 runs"
    assert page.locator("#none").is_visible()
    assert "No run" in page.locator("#parallel-said").inner_text()
    page.locator("#seek").fill("LSTM")
    assert page.locator("#shown").inner_text() == "8 of 24 runs"
    assert not page.locator("#none").is_visible()


def test_ticked_runs_are_drawn_in_the_colour_of_their_box(study: Path, visit: Visit) -> None:
    page = visit.open(study / "report.html")
    assert len(_names(page)) == 6
    boxes = page.locator("input.pick")
    boxes.nth(0).uncheck()
    boxes.nth(9).focus()
    page.keyboard.press("Space")
    assert len(_names(page)) == 6
    run = page.locator("#leaderboard tbody tr").nth(9)
    name = run.locator("th a, th span[title]").first.inner_text().partition(" · ")[2]
    assert name in _names(page)
    colour = page.evaluate(
        "name => document.querySelector('#equity .plot').data"
        ".find(t => t.name === name).line.color",
        name,
    )
    assert run.evaluate("row => row.style.getPropertyValue('--own')") == colour
    page.locator("#pick-none").click()
    assert _names(page) == []
    page.locator("button.chip", has_text="nhits").click()
    page.locator("#pick-all").click()
    assert len(_names(page)) == 8
    page.locator("#clear").click()
    assert len(_names(page)) == 8  # a filter hides runs, it does not choose them
    page.locator("#pick-first").click()
    assert len(_names(page)) == 6


def test_the_leaderboard_shows_one_regime(study: Path, visit: Visit) -> None:
    page = visit.open(study / "report.html")
    before = _column(page, "pinball loss")
    assert len(set(before)) > 1
    _head(page, "pinball loss")
    page.locator("#regime").select_option("crash")
    labels = _shown(page)
    values = [_metrics(study, k)["forecast"]["test/regime=crash/pinball"] for k in labels]
    assert values == sorted(values)  # sorted anew
    assert [float(text) for text in _column(page, "pinball loss")] == pytest.approx(
        values, rel=5e-3
    )
    assert page.locator("#leaderboard th.fixed", has_text="turnover").count() == 1
    page.locator("#regime").select_option("all regimes")
    assert sorted(_column(page, "pinball loss")) == sorted(before)
    assert page.locator("#leaderboard th.fixed").count() == 0
    assert " to " in page.locator("#leaderboard tbody tr").first.inner_text()  # intervals are back


def test_the_heat_map_shows_another_metric(study: Path, visit: Visit) -> None:
    page = visit.open(study / "report.html")
    page.locator("#measure").select_option("trading/sharpe")
    assert "higher is better" in page.locator("#heat-better").inner_text()
    first = page.locator("#heat tbody tr").first
    label = first.locator("th").get_attribute("data-value")
    assert label is not None
    sharpe = _metrics(study, label)["trading"]["strategy"]["sharpe"]
    assert float(first.locator("td").first.get_attribute("data-value") or "") == pytest.approx(
        sharpe, rel=1e-5
    )
    regimes = sum(
        key.startswith("regime=") and key.endswith("/sharpe") and value is not None
        for key, value in _metrics(study, label)["trading"]["strategy"].items()
    )
    assert page.locator("#heat thead th:visible").count() == 2 + regimes
    best = page.locator("#heat tbody tr").evaluate_all(
        "all => all.filter(r => r.cells[1].style.getPropertyValue('--heat') === '0')"
        ".map(r => Number(r.cells[1].dataset.value))"
    )
    everyone = [_metrics(study, k)["trading"]["strategy"]["sharpe"] for k in _shown(page, "heat")]
    assert best == [pytest.approx(max(everyone), rel=1e-5)]


def test_the_confidence_set_of_another_metric(study: Path, visit: Visit) -> None:
    page = visit.open(study / "report.html")
    assert page.locator(".contest:visible thead").inner_text().count("CRPS") == 1
    page.locator("#contest").select_option(label="Net return per bar")
    assert "Net return per bar" in page.locator(".contest:visible thead").inner_text()
    assert page.locator(".contest:visible").count() == 1


def test_parallel_lines_follow_the_sorting(study: Path, visit: Visit) -> None:
    page = visit.open(study / "report.html")
    titles = page.locator("#parallel text.title")
    assert titles.all_text_contents()[:-1] == ["model", "weighting", "split", "seed"]
    assert titles.last.text_content() == "deflated Sharpe (DSR)"
    _head(page, "pinball loss")
    assert titles.last.text_content() == "pinball loss"
    page.locator("#parallel .named", has_text="lstm").click()
    assert page.locator("#shown").inner_text() == "8 of 24 runs"


def _widest(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth"))


def test_a_narrow_dark_screen(study: Path, browser: Browser) -> None:
    visit = Visit(browser, scheme="dark", width=360)
    page = visit.open(study / "report.html")
    assert _widest(page) <= 360
    assert not page.locator("#filters .facets").is_visible()
    page.locator("#filters summary").click()
    page.locator("button.chip", has_text="lightgbm").click()
    assert page.locator("#shown").inner_text() == "8 of 24 runs"
    assert _widest(page) <= 360
    tops = page.locator("#parallel line.axis").evaluate_all(
        "all => all.map(l => l.getAttribute('y1'))"
    )
    assert len(set(tops)) == 5  # one below the other
    ink = "document.querySelector('#equity .plot').layout.font.color"
    assert becomes(page, ink, "#e6eaee")
    own = (
        "document.querySelector('tr:not([hidden]) input.pick:checked').closest('tr')"
        ".style.getPropertyValue('--own')"
    )
    dark = page.evaluate(own)
    page.emulate_media(color_scheme="light")
    assert becomes(page, ink, "#1f2933")
    assert page.evaluate(own) != dark
    visit.context.close()
    assert visit.complaints == []


def _one(make_run: MakeRun, folder: Path) -> None:
    make_run(bars=80)


def _failed(make_run: MakeRun, folder: Path) -> None:
    for name in ("a", "b"):
        write_failed_run(folder / name)


def _classes(make_run: MakeRun, folder: Path) -> None:
    for seed in (0, 1):
        make_run(f"run{seed}", kind="probabilities", bars=120, seed=seed)


def _untraded(make_run: MakeRun, folder: Path) -> None:
    for seed in (0, 1):
        run = make_run(f"run{seed}", bars=120, seed=seed)
        metrics = json.loads((run / "metrics.json").read_text()) | {"trading": {}}
        (run / "metrics.json").write_text(json.dumps(metrics))
        (run / "returns.parquet").unlink()


def _evil(make_run: MakeRun, folder: Path) -> None:
    write_study(folder, models=(EVIL.replace("/", "|"), "b"), seeds=(0,), full=False, bars=60)


@pytest.mark.parametrize("kind", [_one, _failed, _classes, _untraded, _evil])
def test_odd_studies_open_and_stay_silent(
    make_run: MakeRun, visit: Visit, tmp_path: Path, kind: Callable[[MakeRun, Path], None]
) -> None:
    kind(make_run, tmp_path / "demo")
    page = visit.open(write_multirun_report(tmp_path / "demo"))
    assert page.locator("#leaderboard tbody tr").count() > 0
    assert page.evaluate("window.hit") is None
    for control in page.locator("button.chip").all()[:2]:
        control.click()
    for header in page.locator("#leaderboard thead button").all()[:3]:
        header.click()
    assert page.evaluate("window.hit") is None
