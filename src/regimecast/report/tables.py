"""A run's tables and key numbers, as rows of text that a template only has to lay out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from regimecast.core.types import REGIMES
from regimecast.report.charts import ERRORS
from regimecast.report.numbers import (
    bars,
    date,
    duration,
    lookup,
    metric_title,
    metric_value,
    number,
    percent,
    plain,
    title,
)
from regimecast.report.palette import REGIME_COLOURS
from regimecast.report.run_folder import RunFolder
from regimecast.report.series import drawdown, equity

__all__ = ["Tile", "facts", "folds_table", "regime_table", "tiles", "trading_table", "warnings"]

_FEW = 30
"""Fewer forecasts than this in a regime say little."""

_COMPARED = {"buy_and_hold": "buy and hold", "naive": "naive rule"}


@dataclass(frozen=True)
class Tile:
    """A key number."""

    label: str
    value: str
    note: str = ""
    beside: tuple[tuple[str, str], ...] = ()
    """What to compare it with, as (name, value)."""


def tiles(run: RunFolder) -> list[Tile]:
    """Key numbers, each beside buy and hold and the naive rule where they have one."""
    own = run.trading()
    found = []
    n_bars = len(run.returns) if run.returns is not None else 0
    if (sharpe := lookup(own, "sharpe")) is not None:
        note = f"a year, after costs, over {bars(n_bars)} bars" if n_bars else "a year, after costs"
        found.append(Tile("Sharpe ratio", metric_value("sharpe", sharpe), note, _beside(run, "sharpe")))
    if run.returns is not None:
        found += [
            Tile("Total return", percent(_growth(run.returns, "strategy")), "after costs",
                 _measured(run.returns, _growth)),
            Tile("Maximum drawdown", percent(_worst(run.returns, "strategy")), "after costs",
                 _measured(run.returns, _worst)),
        ]
    for metric, note in (("turnover", ""), ("break_even_cost", "cost at which the profit is gone")):
        if metric in own:
            label = metric_title(metric).capitalize()
            found.append(Tile(label, metric_value(metric, own[metric]), note, _beside(run, metric)))
    found += _forecast_tiles(run)
    return found


def trading_table(run: RunFolder) -> list[tuple[str, list[str]]]:
    """Rows of (metric, [strategy, buy and hold, naive])."""
    series = [run.trading(name) for name in ("strategy", *_COMPARED)]
    names = dict.fromkeys(name for values in series for name in values)
    return [
        (metric_title(name), [metric_value(name, values.get(name)) for values in series])
        for name in names
        if any(plain(values.get(name)) is not None for values in series)
    ]


def regime_table(run: RunFolder) -> tuple[list[str], list[dict[str, Any]]]:
    """Column titles, and per regime its colour, counts, forecast metrics and returns."""
    keys = [key.split("/") for key in run.forecast if key.startswith("test/regime=")]
    found = dict.fromkeys(parts[2] for parts in keys if len(parts) == 3)
    metrics = [name for name in (*ERRORS, *found) if name in found and name != "n"]
    metrics = list(dict.fromkeys(metrics))
    returns = run.returns
    head = ["regime", "share of bars", "forecast steps", *map(metric_title, metrics)]
    head += ["return, strategy", "return, buy and hold"] if returns is not None else []
    rows = []
    for code, name in enumerate(REGIMES):
        n = plain(run.by_regime("n").get(name))
        cells = [bars(n), *(metric_value(m, run.by_regime(m).get(name)) for m in metrics)]
        share = "–"
        if returns is not None:
            own = returns.loc[returns["regime"] == code]
            share = percent(len(own) / len(returns))
            cells += [
                percent(_growth(own, s)) if s in own and len(own) else "–"
                for s in ("strategy", "buy_and_hold")
            ]
            if not len(own) and not n:
                continue
        elif not n:
            continue
        rows.append(
            {
                "name": title(name),
                "colour": REGIME_COLOURS[name],
                "cells": [share, *cells],
                "few": n is not None and n < _FEW,
            }
        )
    return head, rows


def folds_table(run: RunFolder) -> list[dict[str, str]]:
    """Per fold: sizes, test dates and what training did."""
    dates: Mapping[Any, pd.DataFrame] = {}
    if run.predictions is not None:
        dates = dict(iter(run.predictions.groupby("fold")["origin"]))
    rows = []
    for fold in run.folds:
        fit = fold.get("fit") or {}
        origins = dates.get(fold.get("fold"))
        rows.append(
            {
                "fold": bars(fold.get("fold")),
                "training": bars(fold.get("train")),
                "purged": bars(fold.get("purged")),
                "validation": bars(fold.get("validation")),
                "test": bars(fold.get("test")),
                "test period": "–"
                if origins is None
                else f"{date(origins.min())} to {date(origins.max())}",
                "epochs": bars(fit.get("epochs")),
                "kept epoch": bars(fit.get("best_epoch")),
                "validation loss": number(fit.get("best_score"), 4),
                "parameters": bars(fit.get("parameters")),
                "time": duration(fit.get("seconds")),
            }
        )
    return rows


def facts(run: RunFolder) -> list[tuple[str, str]]:
    """What the run is: model, loss, weighting, span, size, time."""
    found = [
        ("model", str(run.metrics.get("model") or "–")),
        ("loss", str(run.metrics.get("loss") or "–")),
        ("weighting", ", ".join(map(str, run.metrics.get("weighting") or ())) or "none"),
        ("task", str(run.metrics.get("task") or "–")),
    ]
    if run.returns is not None:
        time = run.returns["time"]
        found.append(
            ("out of sample", f"{date(time.iloc[0])} to {date(time.iloc[-1])}, {len(time):,} bars")
        )
    if run.predictions is not None:
        assets = run.predictions["asset"].unique()
        found.append(("assets", f"{len(assets):,}" if len(assets) > 3 else ", ".join(map(str, assets))))
    found += [
        ("folds", str(len(run.folds)) if run.folds else "–"),
        ("time taken", duration(run.metrics.get("seconds"))),
    ]
    return found


def warnings(run: RunFolder) -> list[str]:
    """Sentences that a reader should know before believing a number."""
    found = [str(text) for text in run.metrics.get("warnings") or ()]
    unused = sorted({str(name) for fold in run.folds for name in (fold.get("fit") or {}).get("unused") or ()})
    if unused:
        shown = ", ".join(unused[:6]) + (f" and {len(unused) - 6} more" if len(unused) > 6 else "")
        found.append(f"The model cannot use {len(unused)} of the inputs: {shown}.")
    few = [
        f"{title(name)} ({int(n)})"
        for name, value in run.by_regime("n").items()
        if (n := plain(value)) is not None and n < _FEW
    ]
    if few:
        found.append(f"Too few forecasts to judge in: {', '.join(few)}.")
    return found


def _forecast_tiles(run: RunFolder) -> list[Tile]:
    found = []
    main = next((m for m in ERRORS if plain(run.forecast.get(f"test/{m}")) is not None), None)
    n = plain(run.forecast.get("test/n"))
    if main is not None:
        note = f"over {bars(n)} forecast steps" if n else "over all test forecasts"
        found.append(Tile(metric_title(main).capitalize() if len(main) > 4 else metric_title(main),
                          metric_value(main, run.forecast[f"test/{main}"]), note, _versus(run, main)))
    second = "mae" if "mae" in {k.rsplit("/", 1)[-1] for k in run.forecast} else main
    crash = plain(run.by_regime(second).get("crash")) if second else None
    if second is not None and crash is not None:
        n = plain(run.by_regime("n").get("crash"))
        beside = (("all regimes", metric_value(second, run.forecast.get(f"test/{second}"))),)
        note = f"over {bars(n)} forecast steps" if n else ""
        found.append(Tile(f"{metric_title(second)} in crashes", metric_value(second, crash), note, beside))
    return found


def _beside(run: RunFolder, metric: str) -> tuple[tuple[str, str], ...]:
    return tuple(
        (label, metric_value(metric, run.trading(name).get(metric)))
        for name, label in _COMPARED.items()
    )


def _versus(run: RunFolder, metric: str) -> tuple[tuple[str, str], ...]:
    naive = plain(run.forecast.get(f"test/naive/{metric}"))
    return () if naive is None else (("naive forecast", metric_value(metric, naive)),)


def _measured(returns: pd.DataFrame, measure: Any) -> tuple[tuple[str, str], ...]:
    return tuple(
        (label, percent(measure(returns, name)))
        for name, label in _COMPARED.items()
        if name in returns
    )


def _growth(returns: pd.DataFrame, series: str) -> float:
    return float(equity(returns[series].to_numpy(np.float64))[-1] - 1.0)


def _worst(returns: pd.DataFrame, series: str) -> float:
    return float(drawdown(equity(returns[series].to_numpy(np.float64))).min())
