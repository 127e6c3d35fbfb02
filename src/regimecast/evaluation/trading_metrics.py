"""Trading metrics: pure functions of per-bar simple returns, and all of them for a backtest.

Annualised figures take `bars_per_year`, measured on the data's calendar and never guessed. A metric
that does not exist (no bar, no variation, no loss to divide by) is None, never infinite. Signs and
conventions that differ between libraries are stated in each docstring; no risk-free rate is
deducted.
"""

import numpy as np
from jaxtyping import Bool, Float

from regimecast.core.types import REGIMES
from regimecast.evaluation.backtest import BacktestResult
from regimecast.evaluation.scoring import Metrics

__all__ = [
    "annual_return",
    "annual_volatility",
    "break_even_bps",
    "calmar",
    "drawdowns",
    "kurtosis",
    "max_drawdown",
    "max_drawdown_bars",
    "profit_factor",
    "sharpe",
    "skewness",
    "sortino",
    "total_return",
    "trading_metrics",
    "turnover",
    "ulcer_index",
    "win_rate",
]

_ROUNDING = 1e-12
"""Losses and variation below this come from the rounding of prices and are taken as none."""


def total_return(returns: Float[np.ndarray, " T"]) -> float | None:
    """Π (1 + r) - 1 over all bars; None where it is too large for a float."""
    return _growth(returns, 1.0)


def annual_return(returns: Float[np.ndarray, " T"], bars_per_year: float) -> float | None:
    """Compound growth a year, Π (1 + r)^(bars per year / T) - 1."""
    return _growth(returns, bars_per_year / len(returns)) if len(returns) else None


def annual_volatility(returns: Float[np.ndarray, " T"], bars_per_year: float) -> float | None:
    """Standard deviation (ddof 1) · √bars per year; needs two bars."""
    return float(returns.std(ddof=1) * np.sqrt(bars_per_year)) if len(returns) > 1 else None


def sharpe(returns: Float[np.ndarray, " T"], bars_per_year: float) -> float | None:
    """Mean / standard deviation (ddof 1) · √bars per year. Sharpe (1994), JPM 21.

    None where returns do not vary beyond rounding.
    """
    if not _varies(returns):
        return None
    return float(returns.mean() / returns.std(ddof=1) * np.sqrt(bars_per_year))


def sortino(returns: Float[np.ndarray, " T"], bars_per_year: float) -> float | None:
    """Mean / √(mean of min(r, 0)²) · √bars per year, all bars counted below the root.

    Sortino & van der Meer (1991), JPM 17, with a target of 0. None where no bar lost.
    """
    if not len(returns):
        return None
    downside = float(np.sqrt(np.mean(np.minimum(returns, 0) ** 2)))
    if downside <= _ROUNDING:
        return None
    return float(returns.mean() / downside * np.sqrt(bars_per_year))


def drawdowns(returns: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    """1 - equity / highest equity so far at each close, the start counted; 0 at a new high."""
    log_equity = np.cumsum(_log_growth(returns))
    highest = np.maximum(np.maximum.accumulate(log_equity), 0.0)
    return 0.0 - np.expm1(log_equity - highest)  # not -expm1, which is -0.0 at a high


def max_drawdown(returns: Float[np.ndarray, " T"]) -> float | None:
    """Largest drawdown, as a positive share; empyrical and quantstats report it negative."""
    return float(drawdowns(returns).max()) if len(returns) else None


def max_drawdown_bars(returns: Float[np.ndarray, " T"]) -> int | None:
    """Longest run of bars below an earlier high, the unrecovered one at the end included."""
    if not len(returns):
        return None
    at_high = np.flatnonzero(np.concatenate([[True], drawdowns(returns) <= 0, [True]]))
    return int(np.diff(at_high).max() - 1)


def calmar(returns: Float[np.ndarray, " T"], bars_per_year: float) -> float | None:
    """Annual return / largest drawdown over the whole sample. Young (1991), Futures 20."""
    growth, worst = annual_return(returns, bars_per_year), max_drawdown(returns)
    if growth is None or worst is None or worst <= _ROUNDING:
        return None
    ratio = growth / worst
    return ratio if np.isfinite(ratio) else None


def ulcer_index(returns: Float[np.ndarray, " T"]) -> float | None:
    """√(mean drawdown²), a share; quantstats divides by T - 1. Martin & McCann (1989)."""
    return float(np.sqrt(np.mean(drawdowns(returns) ** 2))) if len(returns) else None


def win_rate(returns: Float[np.ndarray, " T"]) -> float | None:
    """Share of returns above zero; give it bars with a position, or trades."""
    return float((returns > 0).mean()) if len(returns) else None


def profit_factor(returns: Float[np.ndarray, " T"]) -> float | None:
    """Sum of gains / sum of losses; None where nothing was lost."""
    lost = -float(np.minimum(returns, 0).sum())
    return float(np.maximum(returns, 0).sum()) / lost if lost > _ROUNDING else None


def skewness(returns: Float[np.ndarray, " T"]) -> float | None:
    """Third standardised moment, not corrected for bias, as the deflated Sharpe ratio wants it."""
    return _moment(returns, 3)


def kurtosis(returns: Float[np.ndarray, " T"]) -> float | None:
    """Fourth standardised moment, not corrected for bias; 3 for a normal distribution."""
    return _moment(returns, 4)


def turnover(traded: Float[np.ndarray, " T"], bars_per_year: float) -> float | None:
    """Capital traded in a year, as a multiple of it: mean of what each bar trades · bars a year."""
    return _mean(traded, bars_per_year)


def break_even_bps(result: BacktestResult) -> float | None:
    """Cost per side, in basis points, at which the sum of net returns is zero; None if idle.

    Linear: what was charged per side plus Σ net / Σ turnover, with borrowing fees left as they are.
    Negative where the strategy loses without any trading cost.
    """
    traded = float(result.turnover.sum())
    return 1e4 * (result.cost.per_side + float(result.net.sum()) / traded) if traded > 0 else None


def trading_metrics(result: BacktestResult) -> Metrics:
    """Every trading metric of a backtest after costs, overall and as ``regime=crash/sharpe``.

    A regime's bars are those whose decisions were made in it, put one after another.
    """
    metrics = {
        **_risk(result.net, result.bars_per_year),
        "skew": skewness(result.net),
        "kurtosis": kurtosis(result.net),
        "ulcer_index": ulcer_index(result.net),
        "max_drawdown_bars": max_drawdown_bars(result.net),
        "win_rate": win_rate(result.net[result.invested]),
        "trade_win_rate": win_rate(result.trades.net),
        "profit_factor": profit_factor(result.net),
        "turnover": turnover(result.turnover, result.bars_per_year),
        "exposure": _mean(result.exposure),
        "break_even_bps": break_even_bps(result),
        "gross_return": total_return(result.gross),
        "n_trades": len(result.trades),
        "fills_at_close": result.fills_at_close,
        "bars_per_year": result.bars_per_year,
    }
    for code, name in enumerate(REGIMES):
        bars: Bool[np.ndarray, " T"] = result.regime == code
        of_regime = _risk(result.net[bars], result.bars_per_year)
        metrics |= {f"regime={name}/{key}": value for key, value in of_regime.items()}
    return metrics


def _risk(returns: Float[np.ndarray, " T"], bars_per_year: float) -> Metrics:
    return {
        "sharpe": sharpe(returns, bars_per_year),
        "sortino": sortino(returns, bars_per_year),
        "calmar": calmar(returns, bars_per_year),
        "max_drawdown": max_drawdown(returns),
        "total_return": total_return(returns),
        "annual_return": annual_return(returns, bars_per_year),
        "annual_volatility": annual_volatility(returns, bars_per_year),
        "n_bars": len(returns),
    }


def _log_growth(returns: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    """ln(1 + r), -inf where all is lost. Equity itself overflows where foresight leaks into it."""
    with np.errstate(divide="ignore"):
        return np.log1p(returns)


def _growth(returns: Float[np.ndarray, " T"], power: float) -> float | None:
    if not len(returns):
        return None
    with np.errstate(over="ignore"):
        growth = float(np.expm1(_log_growth(returns).sum() * power))
    return growth if np.isfinite(growth) else None


def _mean(values: Float[np.ndarray, " T"], factor: float = 1.0) -> float | None:
    return float(values.mean() * factor) if len(values) else None


def _varies(returns: Float[np.ndarray, " T"]) -> bool:
    """Whether returns vary by more than the rounding of prices does."""
    if len(returns) < 2:
        return False
    return float(returns.std(ddof=1)) > _ROUNDING * max(1.0, float(np.abs(returns).max()))


def _moment(returns: Float[np.ndarray, " T"], order: int) -> float | None:
    if not _varies(returns):
        return None
    standardised = (returns - returns.mean()) / returns.std()
    return float(np.mean(standardised**order))
