"""The page of a search: its figure, and how it looks in a browser."""

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from regimecast.core.types import Interval
from regimecast.search.barriers import SearchResult
from regimecast.search.page import front_figure, write_page
from regimecast.search.table import HEADINGS, result_table, rows
from tests.data.panels import random_panel
from tests.report.visits import Visit, browser  # noqa: F401  # a fixture
from tests.search.markets import search, target
from tests.search.test_barriers import cost


@pytest.fixture(scope="module")
def result() -> SearchResult:
    panel = random_panel(700, 700, 100)
    interval = Interval(panel.time.min(), panel.time.max())
    return search(generations=5).run(
        panel, target(volatility_window=20), interval=interval, cost=cost(), seed=0
    )


def test_the_figure_shows_one_asset_at_a_time(result: SearchResult):
    chart = front_figure(result.assets, unit="volatility", tolerance=0.03)
    assert {trace.meta for trace in chart.data} == {"A0", "A1"}
    for trace in chart.data:
        assert trace.visible == (trace.meta == "A0")
    for found in result.assets:
        own = {trace.name: trace for trace in chart.data if trace.meta == found.asset}
        assert list(own) == ["judged", "front", "default", "chosen"]
        assert (np.diff(own["front"].x) > 0).all()
        assert (np.diff(own["front"].y) > 0).all()
        (chosen,) = own["chosen"].x
        assert chosen == pytest.approx(found.chosen.merit.imbalance, abs=1e-5)
        assert str(found.chosen.setting.horizon) in own["chosen"].text[0]


def test_the_table_has_two_rows_per_asset(result: SearchResult):
    assert result.short == ("A2",)
    for found in result.assets:
        before, after = rows(found)
        assert len(before) == len(after) == len(HEADINGS)
        assert before[:2] == (found.asset, "default")
        assert before[2:5] == ("10", "2", "2")
        assert after[-1] == f"{found.chosen.merit.edge:.3f}"
    assert result_table(result).row_count == 4


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_draws_and_switches_assets(
    result: SearchResult,
    tmp_path: Path,
    browser: Browser,  # noqa: F811  # a fixture
    scheme: str,
):
    page = tmp_path / "barriers.html"
    facts = [("settings judged", f"{result.trials:,}")]
    write_page(page, result, unit="<b>volatility", facts=facts, tolerance=0.03)
    visit = Visit(browser, scheme)
    tab = visit.open(page)
    assert "too few bars in the interval, default kept: A2" in tab.inner_text("main")
    assert tab.locator("tbody tr").count() == 4

    def shown() -> list[str]:
        return tab.evaluate(
            "document.querySelector('.plot').data.filter((t) => t.visible).map((t) => t.meta)"
        )

    assert set(shown()) == {"A0"}
    tab.select_option("select.choice", "A1")
    tab.wait_for_function(
        "document.querySelector('.plot').data.some((t) => t.visible && t.meta === 'A1')"
    )
    assert set(shown()) == {"A1"}
    assert visit.complaints == []
    visit.context.close()
