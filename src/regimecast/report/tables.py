"""A run's tables, as rows of text that a template only has to lay out."""

from typing import Any

import numpy as np
import pandas as pd

from regimecast.core.types import REGIMES
from regimecast.evaluation.run_parts import is_fast_dev_run
from regimecast.report.numbers import (
    MISSING,
    bars,
    date,
    duration,
    fixed,
    interval,
    metric_title,
    metric_value,
    number,
    percent,
    plain,
    prose,
)
from regimecast.report.palette import REGIME_COLOURS
from regimecast.report.run_files import RunFiles
from regimecast.report.series import equity
from regimecast.report.tiles import COMPARED

__all__ = [
    "facts",
    "folds_table",
    "regime_table",
    "trading_table",
    "warnings",
]

_FEW = 30
"""Fewer forecasts than this in a regime say little."""


def trading_table(run: RunFiles) -> list[tuple[str, list[tuple[str, str]]]]:
    """Rows of (metric, [strategy, buy and hold, naive]), each with what stands below it.

    Below the strategy's value that is its interval, below the others' the interval of the
    strategy's lead.
    """
    series = {name: run.trading(name) for name in ("strategy", *COMPARED)}
    names = dict.fromkeys(
        name for values in series.values() for name in values if not name.startswith("regime=")
    )
    return [
        (
            metric_title(metric),
            [
                (metric_value(metric, values.get(metric)), _below(run, name, metric))
                for name, values in series.items()
            ],
        )
        for metric in names
        if any(plain(values.get(metric)) is not None for values in series.values())
    ]


def regime_table(run: RunFiles) -> tuple[list[str], list[dict[str, Any]]]:
    """Column titles, and per regime its colour, counts, forecast metrics and trading results."""
    keys = [key.split("/") for key in run.forecast if key.startswith("test/regime=")]
    found = dict.fromkeys(parts[2] for parts in keys if len(parts) == 3)
    metrics = [name for name in found if name not in {"n", "episodes"}]
    trading = run.trading()
    risks = [
        n for n in ("sharpe", "total_return") if any(f"regime={r}/{n}" in trading for r in REGIMES)
    ]
    emphasis = _emphasis(run)
    head = ["regime", "share of bars", *(["emphasis in training"] if emphasis else [])]
    head += ["forecast steps", "spells", *map(metric_title, metrics)]
    head += [f"{metric_title(name)}, strategy" for name in risks]
    if run.returns is not None:
        head.append("total return, buy and hold")
    rows = []
    for code, name in enumerate(REGIMES):
        n = plain(run.by_regime("n").get(name))
        present, share, held = bool(n), MISSING, []
        if run.returns is not None:
            own = run.returns.loc[run.returns["regime"] == code]
            present = present or len(own) > 0
            share = percent(len(own) / len(run.returns))
            held = [_growth(own["buy_and_hold"]) if len(own) and "buy_and_hold" in own else MISSING]
        if present:
            counts = [share, *([emphasis.get(name, MISSING)] if emphasis else [])]
            counts += [bars(n), bars(run.by_regime("episodes").get(name))]
            cells = [(text, "") for text in counts]
            for sections, wanted in ((("forecast", "test/"), metrics), (("trading", ""), risks)):
                section, prefix = sections
                for m in wanted:
                    key = f"{prefix}regime={name}/{m}"
                    value = (run.forecast if section == "forecast" else trading).get(key)
                    below = interval(m, run.interval(section, key))
                    cells.append((metric_value(m, value), below))
            few = n is not None and n < _FEW
            colour = REGIME_COLOURS[name]
            rows.append(
                {
                    "name": prose(name),
                    "colour": colour,
                    "cells": [*cells, *((text, "") for text in held)],
                    "few": few,
                }
            )
    return head, rows


def folds_table(run: RunFiles) -> list[dict[str, str]]:
    """Per fold: sizes, periods of the origins and what training did."""
    parts = {(row.get("fold"), row.get("part")): row for row in run.preflight}
    rows = []
    for fold in run.folds:
        number_ = fold.get("fold")
        fit, weights = fold.get("fit") or {}, fold.get("weights") or {}
        training, validation, test = (
            parts.get((number_, name), {}) for name in ("train", "validation", "test")
        )
        rows.append(
            {
                "fold": bars(number_),
                "training": bars(fold.get("train")),
                "effective": bars(weights.get("effective_size")),
                "purged from training": bars(training.get("purged")),
                "training period": _period(training),
                "validation": bars(fold.get("validation")),
                "purged from validation": bars(validation.get("purged")),
                "test": bars(fold.get("test")),
                "test period": _period(test),
                "epochs": bars(fit.get("epochs")),
                "kept": bars(fit.get("best_epoch")),
                "validation loss": number(fit.get("best_score"), 4),
                "parameters": bars(fit.get("parameters")),
                "time": duration(fit.get("seconds")),
            }
        )
    filled = [key for key in rows[0] if any(row[key] != MISSING for row in rows)] if rows else []
    return [{key: row[key] for key in filled} for row in rows]


def facts(run: RunFiles) -> list[tuple[str, str]]:
    """What the run is: model, loss, weighting, span, size, time."""
    found = [
        ("model", run.part("model") or MISSING),
        ("loss", run.part("loss") or MISSING),
        ("weighting", run.part("weighting") or MISSING),
        *((group, found) for group in ("sampling", "seed") if (found := run.part(group))),
        ("task", str(run.metrics.get("task") or MISSING)),
    ]
    if run.returns is not None:
        time = run.returns["time"]
        found.append(
            ("out of sample", f"{date(time.iloc[0])} to {date(time.iloc[-1])}, {len(time):,} bars")
        )
    if run.untraded:
        found.append(("trading", "no backtest: the target does not say which way to trade"))
    if run.predictions is not None:
        assets = run.predictions["asset"].unique()
        found.append(
            ("assets", f"{len(assets):,}" if len(assets) > 3 else ", ".join(map(str, assets)))
        )
    found += [
        ("folds", str(len(run.folds)) if run.folds else "–"),
        ("time taken", duration(run.metrics.get("seconds"))),
    ]
    return found


def warnings(run: RunFiles) -> list[str]:
    """Sentences that a reader should know before believing a number."""
    found = [str(text) for text in run.metrics.get("warnings") or ()]
    if is_fast_dev_run(run.settings):
        found.insert(
            0,
            "This was a fast dev run (trainer.fast_dev_run, which debug=fast sets): training broke "
            "off after a batch or so. It shows that everything runs, and nothing about the model.",
        )
    unused = sorted(
        {str(name) for fold in run.folds for name in (fold.get("fit") or {}).get("unused") or ()}
    )
    if unused:
        shown = ", ".join(unused[:6]) + (f" and {len(unused) - 6} more" if len(unused) > 6 else "")
        found.append(f"The model cannot use {len(unused)} of the inputs: {shown}.")
    if run.status == "finished":
        found += run.problems
    counts = {name: n for name, v in run.by_regime("n").items() if (n := plain(v)) is not None}
    none = [prose(name) for name, n in counts.items() if n == 0]
    if len(none) < len(counts):  # with regime=none there are no regimes to miss
        found += [f"The test period holds no forecasts in: {', '.join(none)}."] if none else []
    few = [f"{prose(name)} ({n:.0f})" for name, n in counts.items() if 0 < n < _FEW]
    if few:
        found.append(f"Too few forecasts to judge in: {', '.join(few)}.")
    once = [
        prose(n) for n, value in run.by_regime("episodes").items() if plain(value) in (1.0, 2.0)
    ]
    if once:
        found.append(
            f"Forecasts come from only one or two separate spells of: {', '.join(once)}. However "
            "many they are, they tell of one or two events."
        )
    return found


def _below(run: RunFiles, series: str, metric: str) -> str:
    if series == "strategy":
        return interval(metric, run.interval("trading", metric))
    lead = interval(metric, run.difference(series, metric))
    return f"lead {lead}" if lead else ""


def _emphasis(run: RunFiles) -> dict[str, str]:
    """How many times its natural share each regime weighed in training, averaged over folds."""
    found: dict[str, list[float]] = {}
    for fold in run.folds:
        for name, share in ((fold.get("weights") or {}).get("regimes") or {}).items():
            if (value := plain(share.get("emphasis"))) is not None:
                found.setdefault(name, []).append(value)
    return {name: f"{fixed(sum(values) / len(values))}×" for name, values in found.items()}


def _period(part: dict[str, Any]) -> str:
    """First and last origin, one above the other, as a fold has many columns."""
    return f"{date(part.get('first'))} to\n{date(part.get('last'))}" if part else MISSING


def _growth(returns: pd.Series) -> str:
    return percent(float(equity(returns.to_numpy(np.float64))[-1] - 1.0))
