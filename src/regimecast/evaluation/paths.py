"""Paths through the data: what folds that test every origin several times would each have earned.

With N groups of which k test at a time every origin is forecast by C(N - 1, k - 1) folds. Its
first forecast, in the order of the folds, belongs to the first path, its second one to the second,
and so on: each path is a whole out-of-sample history, made by models of which none had seen what it
forecasts. Lopez de Prado (2018), *Advances in Financial Machine Learning*, section 12.4.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int

from regimecast.core.errors import SpecError
from regimecast.core.forecast import Forecast, Outcomes
from regimecast.data.panel import Panel
from regimecast.evaluation.backtest import BacktestResult, backtest
from regimecast.evaluation.costs import CostModel
from regimecast.evaluation.origins import origin_rows
from regimecast.evaluation.strategies.base import Strategy
from regimecast.evaluation.trading_metrics import max_drawdown, sharpe, total_return

__all__ = ["Paths", "backtest_paths", "path_numbers"]


@dataclass(frozen=True, eq=False)
class Paths:
    """Backtests of every path, and the one that stands for the run."""

    rows: tuple[Int[np.ndarray, " _"], ...]
    """Rows of the folds' joint forecast that make each path, by asset and origin; of a single path
    in the order in which they come."""
    backtests: tuple[BacktestResult, ...]
    """One per path; none where nothing is traded."""

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def sharpe(self) -> list[float | None]:
        """Annualised Sharpe ratio of each path; None where nothing is traded or earned."""
        if not self.backtests:
            return [None] * len(self)
        return [sharpe(result.net, result.bars_per_year) for result in self.backtests]

    @property
    def chosen(self) -> int:
        """Path with the median Sharpe ratio, of two in the middle the lower one."""
        order = sorted(range(len(self)), key=lambda path: _or_lowest(self.sharpe[path]))
        return order[(len(self) - 1) // 2]

    def median(self, forecast: Forecast, outcomes: Outcomes) -> tuple[Forecast, Outcomes]:
        """Forecast and outcomes of the chosen path."""
        if len(self) == 1:
            return forecast, outcomes
        rows = self.rows[self.chosen]
        return forecast.take(rows), outcomes.take(rows)

    @property
    def metrics(self) -> dict[str, Any]:
        """Section ``paths`` of ``metrics.json``; nothing where there is only one path.

        ``sharpe``, ``total_return`` and ``max_drawdown`` of each path, the mean and the standard
        deviation of the first over the paths, and which path is ``chosen``. Paths share data and
        models, so that they are no independent trials.
        """
        if len(self) == 1:
            return {}
        ratios = self.sharpe
        known = [ratio for ratio in ratios if ratio is not None]
        return {
            "paths": {
                "n": len(self),
                "chosen": self.chosen,
                "sharpe": ratios,
                "sharpe_mean": float(np.mean(known)) if known else None,
                "sharpe_std": float(np.std(known, ddof=1)) if len(known) > 1 else None,
                "total_return": [total_return(result.net) for result in self.backtests],
                "max_drawdown": [max_drawdown(result.net) for result in self.backtests],
            }
        }

    def returns(self) -> pd.DataFrame | None:
        """Content of ``paths.parquet``: path, time and net return per bar; None for one path."""
        if len(self) == 1 or not self.backtests:
            return None
        return pd.concat(
            [
                pd.DataFrame({"path": path, "time": result.time, "strategy": result.net})
                for path, result in enumerate(self.backtests)
            ],
            ignore_index=True,
        )


def backtest_paths(
    forecast: Forecast,
    outcomes: Outcomes,
    panel: Panel,
    *,
    strategy: Strategy | None,
    cost: CostModel,
) -> Paths:
    """The paths of the joint forecast of all folds, each backtested after costs.

    Args:
        forecast: test samples of all folds, in the order of the folds.
        outcomes: what happened, row by row beside it.
        panel: bars to trade at.
        strategy: turns forecasts into positions; None for a target that is not tradable.
        cost: charged on every change of position.

    Raises:
        SpecError: origins are forecast by different numbers of folds, or the strategy cannot use
            the forecasts.
        DataError: an origin or a price is missing in the panel.
    """
    number = path_numbers(forecast)
    if not number.any():
        return Paths((np.arange(len(forecast)),), ())
    order = np.lexsort((forecast.origin, forecast.asset))
    rows = tuple(order[number[order] == path] for path in range(int(number.max()) + 1))
    if strategy is None:
        return Paths(rows, ())
    return Paths(
        rows,
        tuple(_backtest(forecast.take(r), outcomes.take(r), panel, strategy, cost) for r in rows),
    )


def path_numbers(forecast: Forecast) -> Int[np.ndarray, " N"]:
    """Path of each row, from 0: how many rows before it forecast the same asset and origin.

    Raises:
        SpecError: origins are forecast different numbers of times, which makes no whole paths.
    """
    times, code = np.unique(forecast.origin, return_inverse=True)
    key = forecast.asset.astype(np.int64) * len(times) + code
    order = np.argsort(key, kind="stable")
    first = np.flatnonzero(np.diff(key[order], prepend=-1))
    count = np.diff(np.append(first, len(key)))
    if len(count) and count.min() != count.max():
        raise SpecError(
            f"folds forecast some origins {count.min()} and others {count.max()} times; whole "
            "paths need as many forecasts of each"
        )
    number = np.empty(len(key), dtype=np.int64)
    number[order] = np.arange(len(key)) - np.repeat(first, count)
    return number


def _backtest(
    forecast: Forecast, outcomes: Outcomes, panel: Panel, strategy: Strategy, cost: CostModel
) -> BacktestResult:
    bars_per_year = panel.bars_per_year
    return backtest(
        strategy.positions(forecast, panel, bars_per_year=bars_per_year),
        origin_rows(forecast, panel),
        panel,
        cost=cost,
        bars_per_year=bars_per_year,
        regime=outcomes.regime,
    )


def _or_lowest(ratio: float | None) -> float:
    return -np.inf if ratio is None else ratio
