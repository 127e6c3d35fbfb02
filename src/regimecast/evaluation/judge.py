"""`judge`: everything that is said about an out-of-sample forecast, in one call."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from regimecast.core.forecast import Forecast, Outcomes
from regimecast.data.panel import Panel
from regimecast.evaluation import benchmarks
from regimecast.evaluation.backtest import BacktestResult, backtest, decision_spacing
from regimecast.evaluation.costs import CostModel
from regimecast.evaluation.gate import Gate
from regimecast.evaluation.origins import origin_rows
from regimecast.evaluation.scoring import evaluate
from regimecast.evaluation.significance.intervals import intervals
from regimecast.evaluation.strategies.base import Strategy
from regimecast.evaluation.trading_metrics import trading_metrics

__all__ = ["Judgement", "judge"]


@dataclass(frozen=True, eq=False)
class Judgement:
    """Verdict on the test samples of a run."""

    metrics: dict[str, Any]
    """Sections ``forecast``, ``trading``, ``gate`` and ``intervals`` of ``metrics.json``: plain
    values, no NaN."""
    returns: pd.DataFrame | None
    """Content of ``returns.parquet``: simple returns per bar and what stands beside them; None
    where nothing is traded."""
    backtests: dict[str, BacktestResult]
    """``strategy``, ``buy_and_hold`` and ``naive``, over the same bars and at the same costs."""


def judge(
    forecast: Forecast,
    outcomes: Outcomes,
    panel: Panel,
    *,
    strategy: Strategy | None,
    cost: CostModel,
    gate: Gate,
    traded: tuple[Forecast, Outcomes] | None = None,
    seed: int = 0,
) -> Judgement:
    """Forecast metrics, a backtest after costs beside two benchmarks, a gate's verdict, intervals.

    Args:
        forecast: test samples of all folds, see `join_folds`.
        outcomes: what happened, row by row beside it.
        panel: bars to trade at; its calendar gives the bars per year.
        strategy: turns forecasts into positions; None for a target that is not tradable, of which
            ``trading`` is empty and no gate is passed or failed.
        cost: charged on every change of position, of the benchmarks too.
        gate: rules to be passed.
        traded: the part that is traded, one forecast per asset and origin, where several folds
            forecast the same ones; all of it where left out.
        seed: of the resamples behind the intervals.

    Raises:
        SpecError: forecast and outcomes do not fit, overlap, or the strategy cannot use them.
        DataError: an origin or a price is missing in the panel.
    """
    metrics = evaluate(forecast, outcomes, direction=strategy is not None)
    if strategy is None:
        unjudged: dict[str, Any] = {"profile": gate.name, "passed": None, "rules": []}
        bounds = intervals(forecast, outcomes, {}, direction=False, seed=seed)
        sections = {"forecast": metrics, "trading": {}, "gate": unjudged, "intervals": bounds}
        return Judgement(sections, None, {})
    said, happened = traded or (forecast, outcomes)
    row = origin_rows(said, panel)
    bars_per_year = panel.bars_per_year
    positions = {
        "strategy": strategy.positions(said, panel, bars_per_year=bars_per_year),
        "buy_and_hold": benchmarks.buy_and_hold(row),
        "naive": benchmarks.naive(row, panel, bars=strategy.step_of(said)),
    }
    hold = decision_spacing(row, panel)
    results = {
        name: backtest(
            position,
            row,
            panel,
            cost=cost,
            bars_per_year=bars_per_year,
            regime=happened.regime,
            hold=hold,
        )
        for name, position in positions.items()
    }
    chosen = results["strategy"]
    return Judgement(
        metrics={
            "forecast": metrics,
            "trading": {name: trading_metrics(result) for name, result in results.items()},
            "gate": gate.verdict(chosen),
            "intervals": intervals(forecast, outcomes, results, direction=True, seed=seed),
        },
        returns=pd.DataFrame(
            {
                "time": chosen.time,
                "strategy": chosen.net,
                "gross": chosen.gross,
                "turnover": chosen.turnover,
                "exposure": chosen.exposure,
                "regime": chosen.regime,
                "buy_and_hold": results["buy_and_hold"].net,
                "naive": results["naive"].net,
            }
        ),
        backtests=results,
    )
