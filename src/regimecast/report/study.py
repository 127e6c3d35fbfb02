"""A study's page: rows of the leaderboard, equity of the best runs, errors by regime."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
from jaxtyping import Float

from regimecast.core.types import REGIMES
from regimecast.report import figures
from regimecast.report.charts import Chart
from regimecast.report.numbers import (
    MISSING,
    bars,
    duration,
    headline,
    metric_title,
    metric_value,
    percent,
    plain,
    prose,
)
from regimecast.report.ranking import KIND, Runs, by_kind, is_mixed, main_error
from regimecast.report.run_files import RunFiles
from regimecast.report.series import equity, evenly

__all__ = [
    "Cell",
    "Column",
    "columns",
    "heat",
    "overlay",
    "row",
    "shared",
    "sorting",
    "statuses",
    "trials",
]

_SHOWN = 10
"""Runs drawn in the overlay of equity curves."""

_TRADING = ("annual_return", "max_drawdown", "turnover", "break_even_bps")
_GROUPS = (*KIND, "model", "loss", "weighting", "sampling", "seed")


@dataclass(frozen=True)
class Column:
    """A column of the leaderboard: where its value comes from and how it reads."""

    key: str
    title: str
    words: bool = False
    """Whether its cells are words rather than numbers."""


@dataclass(frozen=True)
class Cell:
    """A cell of the leaderboard."""

    text: str
    value: float | str
    """What to sort by; empty where there is nothing, which always comes last."""
    kind: str
    """``number``, ``words`` or ``status``."""


def statuses(runs: Runs) -> dict[str, int]:
    """Number of runs per status, most frequent first."""
    return dict(Counter(run.status for run in runs.values()).most_common())


def trials(runs: Runs) -> str:
    """How many trials the best Sharpe ratio or error was chosen from, as a sentence."""
    count = len(runs)
    if all(run.untraded for run in runs.values()):
        return (
            f"The lowest error here is the best of {count} run{'' if count == 1 else 's'}: the "
            "more runs, the lower the best of them by luck alone. Nothing is traded on this target."
        )
    known = sum(plain(run.trading().get("sharpe")) is not None for run in runs.values())
    return (
        f"The best Sharpe ratio here is the best of {count} trial{'s' if count != 1 else ''}"
        f"{'' if known == count else f' ({known} with a result)'}: the more trials, the higher the "
        "best of them by luck alone. "
        "Earlier studies on the same data count as trials too."
    )


def columns(runs: Runs) -> list[Column]:
    """Columns that some run can fill; what all runs share is said above the table instead."""
    same = shared(runs)
    errors = dict.fromkeys(main_error(list(group.values())) for group in by_kind(runs))
    wanted = [
        *([Column("status", "status", words=True)] if len(statuses(runs)) > 1 else []),
        *(Column(group, group, words=True) for group in _GROUPS if group not in same),
        *(
            Column(f"forecast/test/{place}{error}", f"{metric_title(error)}{suffix}")
            for error in errors
            for place, suffix in (("", ""), ("regime=crash/", " in crashes"))
        ),
        Column("trading/sharpe", f"Sharpe ratio of {len(runs)} trials"),
        Column("trading/buy_and_hold", "Sharpe, buy and hold"),
        Column("trading/naive", "Sharpe, naive rule"),
        *(Column(f"trading/{name}", metric_title(name)) for name in _TRADING),
        Column("bars", "bars"),
        Column("gate", "gate", words=True),
        Column("seconds", "time"),
    ]
    return [c for c in wanted if any(_cell(run, c.key).text != MISSING for run in runs.values())]


def shared(runs: Runs) -> dict[str, str]:
    """Parts that are the same in every run of a study, such as one loss."""
    found = {}
    for group in _GROUPS:
        names = {run.part(group) for run in runs.values()}
        if len(names) == 1 and "" not in names:
            found[group] = names.pop()
    return found


def sorting(runs: Runs, shown: Sequence[Column]) -> tuple[int, str]:
    """Position of the column that rows arrive sorted by, and its direction as ``aria-sort``.

    There is none where rows stand by what they forecast first.
    """
    for position, column in enumerate([] if is_mixed(runs) else shown):
        if column.key.startswith("forecast/test/"):
            return position, "ascending"
        if column.key == "trading/sharpe":
            return position, "descending"
    return -1, "none"


def row(label: str, run: RunFiles, shown: Sequence[Column]) -> dict[str, Any]:
    """One run: its cells, a link to its report where there is one, and a small equity line."""
    linked = (run.path / "report.html").exists()
    return {
        "job": label,
        "link": f"{quote(label)}/report.html" if linked else "",
        "error": run.error,
        "cells": [_cell(run, column.key) for column in shown],
        **_spark(run),
    }


def overlay(runs: Runs) -> list[Chart]:
    """Equity curves on one chart, of the first runs in the order given where there are many."""
    curves = {label: run.returns for label, run in runs.items() if run.returns is not None}
    shown = dict(list(curves.items())[:_SHOWN])
    if not shown:
        return []
    which = (
        f"the first {len(shown)} of {len(curves)} runs in the leaderboard's order"
        if len(curves) > _SHOWN
        else "every run"
    )
    return [
        Chart(
            "equity",
            "Growth of 1",
            f"Equity after costs of {which}, and of buy and hold in the longest of them; click a "
            "name to hide its line.",
            figures.equity_overlay(shown),
            log_axis="yaxis",
        )
    ]


def heat(runs: Runs) -> dict[str, Any]:
    """Main forecast error per run and regime, with a shade within each column from 0 to 1.

    The shade compares runs of one kind only.
    """
    main = main_error(list(runs.values()))
    values = {
        label: [plain(run.forecast.get(f"test/{main}"))]
        + [plain(run.by_regime(main).get(name)) for name in REGIMES]
        for label, run in runs.items()
    }
    values = {job: cells for job, cells in values.items() if any(v is not None for v in cells)}
    table = np.array([[math.nan if v is None else v for v in cells] for cells in values.values()])
    if not table.size:
        return {"title": "", "head": [], "rows": []}
    used = [index for index in range(table.shape[1]) if np.isfinite(table[:, index]).any()]
    shade = np.zeros((len(table), len(used)))
    for group in by_kind({label: runs[label] for label in values}):
        own = [place for place, label in enumerate(values) if label in group]
        shade[own] = _shade(table[np.ix_(own, used)])
    names = ["all regimes", *map(prose, REGIMES)]
    rows = []
    for place, job in enumerate(values):
        counts = runs[job].by_regime("n")
        n = [runs[job].forecast.get("test/n"), *(counts.get(name) for name in REGIMES)]
        rows.append(
            {
                "job": job,
                "cells": [
                    {
                        "text": metric_value(main, values[job][index]),
                        "value": "" if values[job][index] is None else values[job][index],
                        "heat": f"{shade[place, position]:.2f}",
                        "n": bars(n[index]) if plain(n[index]) else "",
                    }
                    for position, index in enumerate(used)
                ],
            }
        )
    return {
        "title": headline(metric_title(main)),
        "head": [names[index] for index in used],
        "rows": rows,
    }


def _shade(table: Float[np.ndarray, "R C"]) -> Float[np.ndarray, "R C"]:
    """Place of each value between the lowest (0) and the highest (1) of its column, 0 for NaN."""
    known = np.isfinite(table)
    low = np.where(known, table, np.inf).min(axis=0)
    high = np.where(known, table, -np.inf).max(axis=0)
    return np.where(known, table - low, 0.0) / np.where(high > low, high - low, 1.0)


def _cell(run: RunFiles, key: str) -> Cell:
    if key == "status":
        return Cell(run.status, run.status, "status")
    if key in {*_GROUPS, "gate"}:
        text = _words(run, key)
        return Cell(text or MISSING, text, "words")
    value, text = _quantity(run, key)
    return Cell(text, "" if value is None else value, "number")


def _words(run: RunFiles, key: str) -> str:
    if key != "gate":
        return run.part(key)
    passed = run.gate.get("passed")
    return "" if passed is None else "passed" if passed else "failed"


def _quantity(run: RunFiles, key: str) -> tuple[float | None, str]:
    if key == "bars":
        value = None if run.returns is None else float(len(run.returns))
        return value, bars(value)
    if key == "seconds":
        value = plain(run.metrics.get("seconds"))
        return value, duration(value)
    place, _, name = key.partition("/")
    if place == "forecast":
        value = plain(run.forecast.get(name))
    elif name in {"buy_and_hold", "naive"}:
        value, name = plain(run.trading(name).get("sharpe")), "sharpe"
    else:
        value = plain(run.trading().get(name))
    return value, metric_value(name, value)


def _spark(run: RunFiles) -> dict[str, Any]:
    """Points of a small equity line in a box of 100 by 28, and the height of the starting 1."""
    if run.returns is None:
        return {"spark": "", "base": "0", "end": ""}
    curve = equity(run.returns["strategy"].to_numpy(np.float64))
    shown = np.concatenate(([1.0], curve[evenly(len(curve), 80)]))
    low, high = float(shown.min()), float(shown.max())
    y = 26 - 24 * (shown - low) / (high - low if high > low else 1.0)
    x = np.linspace(0, 100, len(shown))
    return {
        "spark": " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True)),
        "base": f"{y[0]:.1f}",
        "end": percent(curve[-1] - 1.0),
    }
