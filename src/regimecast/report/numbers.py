"""How numbers, dates and names are written on a page: one place for units and signs."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from regimecast.report.palette import regime_title

__all__ = [
    "MISSING",
    "bars",
    "date",
    "duration",
    "metric_title",
    "metric_value",
    "number",
    "percent",
    "plain",
    "title",
]

MISSING = "–"
"""What stands where there is no number."""

_PERCENT = (
    "max_drawdown drawdown total_return annual_return annual_volatility volatility cagr win_rate "
    "hit_rate accuracy balanced_accuracy coverage exposure var cvar expected_shortfall "
    "time_under_water excess_return psr dsr probabilistic_sharpe deflated_sharpe p_value"
).split()
_BASIS_POINTS = ("break_even_cost",)
_TITLES = {
    "mae": "MAE",
    "mse": "MSE",
    "rmse": "RMSE",
    "mase": "MASE",
    "crps": "CRPS",
    "psr": "probability that Sharpe > 0 (PSR)",
    "dsr": "deflated Sharpe (DSR)",
    "cagr": "annual growth",
    "pinball": "pinball loss",
    "log_loss": "log loss",
    "max_drawdown": "maximum drawdown",
    "annual_volatility": "annual volatility",
    "break_even_cost": "break-even cost",
    "n": "forecasts",
    "cvar": "expected shortfall (CVaR)",
    "var": "value at risk (VaR)",
}


def plain(value: Any) -> float | None:
    """Value as a finite float, or None where it is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def number(value: Any, digits: int = 3) -> str:
    """Significant digits without an exponent where that stays readable; a real minus sign."""
    finite = plain(value)
    if finite is None:
        return MISSING
    if finite == int(finite) and abs(finite) < 1e15:
        text = f"{int(finite):,}"
    elif abs(finite) >= 1000:
        text = f"{finite:,.0f}"
    elif abs(finite) < 1e-4:
        text = f"{finite:.{digits - 1}e}"
    else:
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(finite))))
        text = f"{finite:.{decimals}f}"
    return _minus(text)


def fixed(value: Any, decimals: int = 2) -> str:
    """A number with fixed decimals, so that a column lines up."""
    finite = plain(value)
    return MISSING if finite is None else _minus(f"{finite:,.{decimals}f}")


def percent(value: Any, decimals: int = 1) -> str:
    """A share as a percentage: 0.123 becomes ``12.3 %``."""
    finite = plain(value)
    return MISSING if finite is None else _minus(f"{100 * finite:,.{decimals}f} %")


def bars(value: Any) -> str:
    """A count with separators."""
    finite = plain(value)
    return MISSING if finite is None else f"{int(finite):,}"


def duration(seconds: Any) -> str:
    """Seconds as a person would say them: ``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    finite = plain(seconds)
    if finite is None:
        return MISSING
    if finite < 10:
        return f"{finite:.1f} s"
    whole = round(finite)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def date(value: Any) -> str:
    """A day, with the time of day where there is one."""
    if value is None or pd.isna(value):
        return MISSING
    stamp = pd.Timestamp(value)
    return f"{stamp:%Y-%m-%d}" if stamp == stamp.normalize() else f"{stamp:%Y-%m-%d %H:%M}"


def title(name: str) -> str:
    """A key as prose: ``buy_and_hold`` becomes ``buy and hold``."""
    return regime_title(name)


def metric_title(name: str) -> str:
    """What a metric is called on a page."""
    return _TITLES.get(name, title(name))


def metric_value(name: str, value: Any) -> str:
    """A metric's value in its own unit."""
    last = name.rsplit("/", 1)[-1]
    if last in _PERCENT:
        return percent(value)
    if last in _BASIS_POINTS:
        finite = plain(value)
        return MISSING if finite is None else f"{number(1e4 * finite)} bp"
    if last in ("sharpe", "sortino", "calmar"):
        return fixed(value)
    if last == "n":
        return bars(value)
    return number(value)


def lookup(values: Mapping[str, Any], *names: str) -> float | None:
    """First of these metrics that has a finite value."""
    for name in names:
        if (finite := plain(values.get(name))) is not None:
            return finite
    return None


def _minus(text: str) -> str:
    return text.replace("-", "−", 1) if text.startswith("-") else text
