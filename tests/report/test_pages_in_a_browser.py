"""Pages in a real browser: they draw and toggle, say nothing on the console, fetch nothing."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from regimecast.report.html import write_multirun_report, write_run_report
from tests.report.lifelike import MakeRun, write_failed_run
from tests.report.lifelike_study import add_sections
from tests.report.visits import Visit, becomes

_INK = "document.querySelector('#equity .plot').layout.font.color"


@pytest.mark.parametrize("kind", ["quantiles", "probabilities", "positions"])
def test_every_chart_is_drawn(make_run: MakeRun, visit: Visit, kind: str) -> None:
    page = visit.open(write_run_report(make_run(kind=kind, bars=300)))
    figures = page.locator("figure.chart")
    assert figures.count() >= 5
    for index in range(figures.count()):
        figure = figures.nth(index)
        marks = figure.locator(".plot .trace, .plot .bars .point")
        assert marks.count() > 0, figure.get_attribute("id")


def test_the_controls_of_a_run(make_run: MakeRun, visit: Visit) -> None:
    page = visit.open(write_run_report(make_run(assets=("AAPL", "MSFT"), bars=300)))
    kind = "document.querySelector('#equity .plot').layout.yaxis2.type"
    button = page.get_by_role("button", name="Log scale")
    assert page.evaluate(kind) != "log"
    button.click()
    assert page.evaluate(kind) == "log"
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    assert page.evaluate(kind) != "log"
    page.locator("#fan select").select_option("MSFT")
    seen = page.evaluate(
        "document.querySelector('#fan .plot').data.filter((t) => t.visible).map((t) => t.meta)"
    )
    assert set(seen) == {"MSFT"}


def test_nothing_that_a_user_named_runs(make_run: MakeRun, visit: Visit, tmp_path: Path) -> None:
    evil = '</script><script>window.hit = 1</script><img src="x" onerror="window.hit = 1">'
    folder = make_run(label=evil, assets=(evil, "B"), overrides=(evil,), bars=60)
    page = visit.open(write_run_report(folder))
    assert page.evaluate("window.hit") is None
    assert page.locator("h1").inner_text() == evil
    page = visit.open(write_run_report(write_failed_run(tmp_path / "demo" / "bad", evil)))
    assert page.evaluate("window.hit") is None
    assert evil in page.get_by_role("alert").inner_text()


@pytest.mark.parametrize("kind", ["quantiles", "probabilities"])
def test_the_folds_fit_a_common_screen(make_run: MakeRun, visit: Visit, kind: str) -> None:
    page = visit.open(write_run_report(make_run(kind=kind)))
    hidden = "e => e.parentElement.scrollWidth - e.parentElement.clientWidth"
    assert page.locator("#folds").evaluate(hidden) <= 0


def test_a_narrow_dark_screen_and_paper(
    make_run: MakeRun, browser: Browser, tmp_path: Path
) -> None:
    visit = Visit(browser, scheme="dark", width=360)
    page = visit.open(write_multirun_report(make_run(bars=200).parent))
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    add_sections(tmp_path / "demo" / "nhits", paths=5)
    page = visit.open(write_run_report(tmp_path / "demo" / "nhits"))
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert becomes(page, _INK, "#e6eaee")
    page.emulate_media(color_scheme="light")
    assert becomes(page, _INK, "#1f2933")
    page.emulate_media(color_scheme="dark", media="print")
    assert becomes(page, _INK, "#1f2933")
    visit.context.close()
    assert visit.complaints == []
