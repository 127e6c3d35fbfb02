"""Every number is written in its own unit, and what is no number is a dash."""

from typing import Any

import numpy as np
import pytest

from regimecast.report import numbers


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0123456, "0.0123"),
        (-1.5, "−1.50"),
        (12345.6, "12,346"),
        (7, "7"),
        (0.0, "0"),
        (0.00000123, "1.23e-06"),
        (None, "–"),
        (float("nan"), "–"),
        (float("inf"), "–"),
        (True, "–"),
        ("text", "–"),
    ],
)
def test_number(value: Any, expected: str) -> None:
    assert numbers.number(value) == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("sharpe", 1.234, "1.23"),
        ("regime=crash/sharpe", -0.5, "−0.50"),
        ("max_drawdown", 0.2134, "21.3%"),
        ("coverage_80", 0.7912, "79.1%"),
        ("break_even_bps", 3.4, "3.40 bp"),
        ("turnover", 105.2, "105×/year"),
        ("n", 12345, "12,345"),
        ("mae", 0.01684, "0.0168"),
        ("turnover", None, "–"),
        ("weighted_accuracy", 0.5, "50.0%"),
    ],
)
def test_metrics_have_units(name: str, value: float | None, expected: str) -> None:
    assert numbers.metric_value(name, value) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.44, "0.4 s"),
        (42.4, "42 s"),
        (59.7, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7800, "2 h 10 min"),
    ],
)
def test_duration(seconds: float, expected: str) -> None:
    assert numbers.duration(seconds) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2003-01-02T00:00:00.000000000", "2003-01-02"),
        (np.datetime64("2020-03-09T14:30", "ns"), "2020-03-09 14:30"),
        (None, "–"),
        ("not a date", "not a date"),
    ],
)
def test_date(value: Any, expected: str) -> None:
    assert numbers.date(value) == expected


def test_titles() -> None:
    assert numbers.metric_title("coverage_80") == "coverage of the 80% band"
    assert numbers.metric_title("mae") == "MAE"
    assert numbers.headline("pinball loss") == "Pinball loss"


def test_what_rounds_to_zero_has_no_sign() -> None:
    assert [numbers.percent(value) for value in (-0.0, -1e-5, -0.001)] == ["0.0%", "0.0%", "−0.1%"]
    assert [numbers.fixed(value) for value in (-0.004, -0.006)] == ["0.00", "−0.01"]
