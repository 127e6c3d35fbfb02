"""How a run did in each event that a fold left out of its training."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from regimecast.core.forecast import Forecast, Outcomes
from regimecast.core.types import REGIMES, ForecastKind
from regimecast.evaluation.scoring import evaluate
from regimecast.evaluation.trading_metrics import total_return
from regimecast.splits.base import Event

__all__ = ["ONE_EVENT", "event_metrics"]

ONE_EVENT = "one event: not testable"

_ERROR = {ForecastKind.QUANTILES: "mae", ForecastKind.PROBABILITIES: "log_loss"}
"""What an event's error is; positions have none."""

_AVERAGED = ("error", "return", "buy_and_hold")


def event_metrics(
    events: Sequence[Event],
    forecasts: Sequence[Forecast],
    outcomes: Sequence[Outcomes],
    returns: pd.DataFrame | None,
) -> dict[str, Any]:
    """Section ``events`` of ``metrics.json``: each event, their weighted mean, and kinds of events.

    ``error`` is the metric that ``metric`` names; ``return`` and ``buy_and_hold`` are what the
    run's portfolio earned in the bars within the event's dates, compounded. The first of them is
    before the first trade, or still held from an event that ended the day before. Means are by the
    events' weights, over those that have a value. One event of a kind says nothing about its kind,
    and its ``note`` says that.

    Args:
        events: what each fold left out.
        forecasts: of each event's fold.
        outcomes: what happened, row by row beside them.
        returns: content of ``returns.parquet``; None where nothing is traded.
    """
    metric = _ERROR.get(forecasts[0].kind)
    rows = [
        {
            "name": event.name,
            "start": str(event.start)[:10],
            "end": str(event.end)[:10],
            "regime": event.regime.label,
            "weight": event.weight,
            "n": len(forecast),
            "error": None
            if metric is None
            else evaluate(forecast, happened, direction=False)[f"test/{metric}"],
            **_earned(event, returns),
        }
        for event, forecast, happened in zip(events, forecasts, outcomes, strict=True)
    ]
    kinds = {name: [row for row in rows if row["regime"] == name] for name in REGIMES}
    return {
        "metric": metric,
        "events": rows,
        "weighted_mean": _mean(rows),
        "kinds": {name: _kind(own) for name, own in kinds.items() if own},
    }


def _earned(event: Event, returns: pd.DataFrame | None) -> dict[str, float | None]:
    if returns is None:
        return {"return": None, "buy_and_hold": None}
    time = returns["time"].to_numpy()
    within = returns.loc[(time >= event.start) & (time <= event.end)]
    series = {"return": "strategy", "buy_and_hold": "buy_and_hold"}
    return {key: total_return(within[name].to_numpy()) for key, name in series.items()}


def _kind(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    alone = {"note": ONE_EVENT} if len(rows) == 1 else {}
    return {"events": len(rows), **_mean(rows), **alone}


def _mean(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    means: dict[str, Any] = {"weight": sum(row["weight"] for row in rows)}
    for key in _AVERAGED:
        known = [row for row in rows if row[key] is not None]
        weight = sum(row["weight"] for row in known)
        means[key] = sum(row[key] * row["weight"] for row in known) / weight if known else None
    return means
