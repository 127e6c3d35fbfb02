"""Pages in a real browser: they draw, sort and toggle, say nothing on the console, fetch nothing.

Needs Chromium, found as ``chromium`` on the path or through ``REGIMECAST_CHROMIUM``.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from regimecast.report.html import write_multirun_report, write_run_report
from tests.report.lifelike import MakeRun, write_failed_run

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
_LOCAL = ("file:", "data:", "blob:")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = os.environ.get("REGIMECAST_CHROMIUM") or shutil.which("chromium")
    if executable is None:
        pytest.skip("no Chromium: install it, or name it in REGIMECAST_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=_ARGUMENTS)
        yield browser
        browser.close()


class Visit:
    """An open page and everything it said and asked for."""

    def __init__(self, browser: Browser, scheme: str = "light", width: int = 1280) -> None:
        self.context = browser.new_context(
            color_scheme=scheme, viewport={"width": width, "height": 900}
        )
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._check(request.url))

    def open(self, path: Path) -> Page:
        self.page.goto(path.as_uri())
        if self.page.locator("figure.chart").count():
            self.page.wait_for_selector("html[data-charts=drawn]")
        return self.page

    def _check(self, url: str) -> None:
        if not url.startswith(_LOCAL):
            self.complaints.append(f"request to {url}")


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """A visit that must end without a complaint."""
    visit = Visit(browser)
    yield visit
    visit.context.close()
    assert visit.complaints == []


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


def test_the_leaderboard_sorts(make_run: MakeRun, visit: Visit, tmp_path: Path) -> None:
    for seed, skill in enumerate((0.3, 0.0, 0.1)):
        make_run(f"run{seed}", seed=seed, skill=skill, bars=120 + 60 * seed)
    write_failed_run(tmp_path / "demo" / "bad")
    page = visit.open(write_multirun_report(tmp_path / "demo"))

    def order() -> list[str]:
        return page.locator("#leaderboard tbody th").evaluate_all(
            "all => all.map(t => t.dataset.value)"
        )

    def head(name: str) -> str | None:
        column = page.locator("#leaderboard thead th", has_text=name)
        column.get_by_role("button").focus()
        page.keyboard.press("Enter")
        return column.get_attribute("aria-sort")

    assert order() == ["run0", "run2", "run1", "bad"]
    arrived = page.locator("#leaderboard th[aria-sort]")
    assert arrived.inner_text().startswith("pinball loss")
    assert arrived.get_attribute("aria-sort") == "ascending"
    assert head("bars") == "descending"
    assert order() == ["run2", "run1", "run0", "bad"]
    assert head("bars") == "ascending"
    assert order() == ["run0", "run1", "run2", "bad"]  # no value stays last, both ways
    assert page.locator("#leaderboard th[aria-sort]").count() == 1
    head("run")
    assert order() == ["run2", "run1", "run0", "bad"]


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
    page = visit.open(write_run_report(tmp_path / "demo" / "nhits"))
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert _ink_becomes(page, "#e6eaee")
    page.emulate_media(color_scheme="light")
    assert _ink_becomes(page, "#1f2933")
    page.emulate_media(color_scheme="dark", media="print")
    assert _ink_becomes(page, "#1f2933")
    visit.context.close()
    assert visit.complaints == []


def _ink_becomes(page: Page, colour: str) -> bool:
    """Whether charts are soon drawn in a colour; its own policy forbids waiting inside it."""
    for _ in range(200):
        if page.evaluate("document.querySelector('#equity .plot').layout.font.color") == colour:
            return True
        page.wait_for_timeout(50)
    return False
