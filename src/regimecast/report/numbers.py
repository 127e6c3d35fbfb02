"""How numbers, dates and names are written on a page: one place for units and signs."""

import math
from typing import Any

import numpy as np

__all__ = [
    "MISSING",
    "bars",
    "date",
    "duration",
    "fixed",
    "headline",
    "interval",
    "metric_title",
    "metric_value",
    "number",
    "percent",
    "plain",
    "prose",
]

MISSING = "–"
"""What stands where there is no number."""

_PERCENT = frozenset(
    {"max_drawdown", "total_return", "gross_return", "annual_return", "annual_volatility"}
    | {"ulcer_index", "win_rate", "trade_win_rate", "exposure", "accuracy", "directional_accuracy"}
    | {"psr", "dsr", "pbo", "p_value", "fills_at_close"}
)
_RATIOS = frozenset(
    {
        "sharpe",
        "sortino",
        "calmar",
        "profit_factor",
        "skew",
        "kurtosis",
        "ic",
        "rank_ic",
        "macro_f1",
    }
)
_COUNTS = frozenset({"n", "episodes", "n_bars", "n_trades", "max_drawdown_bars"})
_SUFFIXES = {"break_even_bps": " bp", "turnover": "×/year"}
_TITLES = {
    "mae": "MAE",
    "mse": "MSE",
    "rmse": "RMSE",
    "crps": "CRPS",
    "pinball": "pinball loss",
    "log_loss": "log loss",
    "brier": "Brier score",
    "macro_f1": "macro F1",
    "ic": "information coefficient",
    "rank_ic": "rank information coefficient",
    "sharpe": "Sharpe ratio",
    "sortino": "Sortino ratio",
    "calmar": "Calmar ratio",
    "psr": "probability that Sharpe > 0 (PSR)",
    "dsr": "deflated Sharpe (DSR)",
    "pbo": "overfitting (PBO)",
    "net_return": "net return per bar",
    "max_drawdown": "maximum drawdown",
    "max_drawdown_bars": "longest drawdown, bars",
    "ulcer_index": "ulcer index",
    "win_rate": "winning bars",
    "trade_win_rate": "winning trades",
    "gross_return": "total return before costs",
    "break_even_bps": "break-even cost per side",
    "bars_per_year": "bars a year",
    "n": "forecast steps",
    "n_bars": "bars",
    "n_trades": "trades",
    "fills_at_close": "fills at a close (no open of its own)",
    "episodes": "spells",
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
    """A share as a percentage: 0.123 becomes ``12.3%``."""
    finite = plain(value)
    return MISSING if finite is None else _minus(f"{100 * finite:,.{decimals}f}%")


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
    """A day, with the time of day where there is one; what is no time is shown as it is."""
    try:
        moment = np.datetime64(value).astype("datetime64[m]")
    except (ValueError, TypeError):
        return str(value)
    if np.isnat(moment):
        return MISSING
    day = moment.astype("datetime64[D]")
    return str(day) if day == moment else str(moment).replace("T", " ")


def prose(name: str) -> str:
    """A key as prose: ``low_volatility`` becomes ``low volatility``."""
    return name.replace("_", " ")


def headline(text: str) -> str:
    """Text that starts with a capital letter, the rest as it is."""
    return text[:1].upper() + text[1:]


def metric_title(name: str) -> str:
    """What a metric is called on a page."""
    kind, _, level = name.rpartition("_")
    if kind in {"coverage", "width"} and level.replace(".", "").isdigit():
        return f"{kind} of the {level}% band"
    return _TITLES.get(name, prose(name))


def metric_value(name: str, value: Any) -> str:
    """A metric's value in its own unit."""
    last = name.rsplit("/", 1)[-1].removeprefix("weighted_")
    if plain(value) is None:
        return MISSING
    if last == "net_return":
        return percent(value, 4)
    if last in _PERCENT or last.startswith("coverage_"):
        return percent(value)
    if last in _RATIOS:
        return fixed(value)
    if last in _COUNTS:
        return bars(value)
    return number(value) + _SUFFIXES.get(last, "")


def interval(name: str, bounds: tuple[float, float] | str | None) -> str:
    """Bounds of a metric in its own unit, such as ``0.12 to 0.95``, or why there are none."""
    if bounds is None or isinstance(bounds, str):
        return bounds or ""
    return " to ".join(metric_value(name, bound) for bound in bounds)


def _minus(text: str) -> str:
    """The text with a real minus sign, or without one where it is rounded to zero."""
    if not text.startswith("-"):
        return text
    return text.replace("-", "−" if any(digit in text for digit in "123456789") else "", 1)
