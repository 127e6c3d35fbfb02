"""How a run did on its validation parts: what a search may choose by, beside the loss itself."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from regimecast.core.errors import SpecError
from regimecast.core.forecast import Forecast, Outcomes
from regimecast.core.types import ForecastKind
from regimecast.data.panel import Panel
from regimecast.evaluation.backtest import backtest, decision_spacing
from regimecast.evaluation.costs import CostModel
from regimecast.evaluation.origins import origin_rows
from regimecast.evaluation.scoring import Metrics, metric_names, overall
from regimecast.evaluation.strategies.base import Strategy
from regimecast.evaluation.trading_metrics import sharpe, turnover

__all__ = ["validation_names", "validation_scores", "validation_section"]


def validation_scores(
    forecast: Forecast,
    outcomes: Outcomes,
    panel: Panel,
    *,
    strategy: Strategy | None,
    cost: CostModel,
) -> Metrics:
    """Metrics of one fold's validation part, as ``validation/crps``.

    They are those of the test part, over all samples; ``sharpe`` after costs and ``turnover`` a
    year are those of the strategy on the model's own forecast, which is not calibrated, and left
    out where the strategy needs levels that only calibration adds.

    Args:
        forecast: of the validation part, by the model as it was kept.
        outcomes: what happened, row by row beside it.
        panel: bars to trade at.
        strategy: turns forecasts into positions; None for a target that is not tradable.
        cost: charged on every change of position.
    """
    scores = overall(forecast, outcomes, direction=strategy is not None)
    if strategy is not None:
        scores |= _traded(forecast, outcomes, panel, strategy, cost)
    return {f"validation/{key}": value for key, value in scores.items()}


def _traded(
    forecast: Forecast, outcomes: Outcomes, panel: Panel, strategy: Strategy, cost: CostModel
) -> Metrics:
    if not _trades(strategy, forecast.kind, forecast.levels, forecast.horizon):
        return {}
    row = origin_rows(forecast, panel)
    bars_per_year = panel.bars_per_year
    result = backtest(
        strategy.positions(forecast, panel, bars_per_year=bars_per_year),
        row,
        panel,
        cost=cost,
        bars_per_year=bars_per_year,
        regime=outcomes.regime,
        hold=decision_spacing(row, panel),
    )
    return {
        "sharpe": sharpe(result.net, bars_per_year),
        "turnover": turnover(result.turnover, bars_per_year),
    }


def _trades(
    strategy: Strategy, kind: ForecastKind, levels: tuple[float, ...], horizon: int
) -> bool:
    """Whether it can; of the calibrated levels that was asked before training."""
    try:
        strategy.check(kind, levels, horizon)
    except SpecError:
        return False
    return True


def validation_names(
    kind: ForecastKind, levels: tuple[float, ...], horizon: int, *, strategy: Strategy | None
) -> tuple[str, ...]:
    """What `validation_scores` has of every such forecast, and `validation_section` beside it.

    Args:
        kind: of the model's own forecast.
        levels: likewise.
        horizon: steps of a forecast.
        strategy: None for a target that is not tradable.
    """
    names = metric_names(kind, direction=strategy is not None)
    if strategy is not None and _trades(strategy, kind, levels, horizon):
        names = (*names, "sharpe", "turnover")
    return ("val/loss", "parameters", "seconds", *(f"validation/{name}" for name in names))


def validation_section(
    scores: Sequence[Mapping[str, Any]], fits: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Section ``validation`` of ``metrics.json``; nothing where a fold has no validation part.

    Scores are means over the folds, null where one of them lacks it; ``parameters`` are those of a
    fold's model and ``seconds`` those of all training.

    Args:
        scores: of each fold, empty where it has no validation part.
        fits: each fold's `FitReport` as plain values.
    """
    if not all(scores):
        return {}
    keys = list(dict.fromkeys(key for fold in scores for key in fold))
    columns = {
        key: [float(fold[key]) for fold in scores if fold.get(key) is not None] for key in keys
    }
    means = {
        key: float(np.mean(values)) if len(values) == len(scores) else None
        for key, values in columns.items()
    }
    effort = {
        "parameters": max(int(fit["parameters"]) for fit in fits),
        "seconds": sum(float(fit["seconds"]) for fit in fits),
    }
    return {"validation": {**means, **effort}}
