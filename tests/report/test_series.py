"""Equity, drawdown, thinning, spans and intervals, against plain loops and known values."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from regimecast.report import series


def _loop(returns: np.ndarray) -> tuple[list[float], list[float]]:
    """Equity and drawdown the slow way."""
    curve, falls, value, peak = [], [], 1.0, 1.0
    for r in returns:
        value *= 1 + r
        peak = max(peak, value)
        curve.append(value)
        falls.append(value / peak - 1)
    return curve, falls


@given(st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=60))
def test_equity_and_drawdown_match_a_loop(values: list[float]) -> None:
    curve, falls = _loop(np.array(values))
    found = series.equity(np.array(values))
    np.testing.assert_allclose(found, curve)
    np.testing.assert_allclose(series.drawdown(found), falls, atol=1e-12)


def test_a_loss_on_the_first_bar_is_a_drawdown() -> None:
    np.testing.assert_allclose(series.drawdown(series.equity(np.array([-0.1, 0.0]))), [-0.1, -0.1])


def test_missing_returns_are_flat() -> None:
    np.testing.assert_allclose(series.equity(np.array([0.1, np.nan, 0.1])), [1.1, 1.1, 1.21])


@given(st.integers(1, 500), st.integers(1, 100))
def test_evenly_spread_rows_end_at_the_last(length: int, at_most: int) -> None:
    rows = series.evenly(length, at_most)
    assert len(rows) <= at_most
    assert rows[-1] == length - 1
    assert len(np.unique(np.diff(rows))) <= 1
    assert rows[0] >= 0


def test_thinning_keeps_the_worst_drawdown_and_the_end() -> None:
    returns = np.full(1000, 0.001)
    returns[503], returns[504] = -0.5, 1.0  # a low of a single bar
    table = pd.DataFrame(
        {
            "time": pd.date_range("2020", periods=1000),
            "strategy": returns,
            "regime": np.zeros(1000, dtype=np.int8),
        }
    )
    thin = series.thin_equity(table, at_most=50)
    assert len(thin) <= 50
    assert thin["strategy/drawdown"].min() == pytest.approx(-0.5)
    assert thin["strategy"].iloc[-1] == pytest.approx(series.equity(returns)[-1])
    assert thin["time"].iloc[-1] == table["time"].iloc[-1]


def test_spans_cover_every_bar_once() -> None:
    time = np.arange("2020-01-01", "2020-01-08", dtype="datetime64[D]")
    spans = series.regime_spans(time, np.array([1, 1, 3, 3, -1, 0, 0]))
    assert [(name, bars) for name, _, _, bars in spans] == [
        ("normal", 2),
        ("crash", 2),
        ("unknown", 1),
        ("low_volatility", 2),
    ]
    assert spans[0][2] == spans[1][1] == np.datetime64("2020-01-03")
    assert series.regime_spans(time[:0], np.array([], dtype=int)) == []


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (3, 10), (10, 10), (50, 97)])
def test_wilson_matches_scipy(hits: int, n: int) -> None:
    expected = binomtest(hits, n).proportion_ci(method="wilson")
    assert series.wilson(hits / n, float(n)) == pytest.approx(
        (expected.low, expected.high), abs=1e-6
    )


def test_wilson_of_nothing_says_nothing() -> None:
    assert series.wilson(0.5, 0.0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (["2020-01-01", "2020-01-02"], "2020-01-02"),
        (["2020-01-01T00:00", "2020-01-01T10:30"], "2020-01-01T10:30"),
        (["2020-01-01T00:00:00.000", "2020-01-01T10:30:05.250"], "2020-01-01T10:30:05.250"),
    ],
)
def test_stamps_are_as_short_as_they_can_be(times: list[str], expected: str) -> None:
    assert series.stamps(np.array(times, dtype="datetime64[ns]"))[-1] == expected
