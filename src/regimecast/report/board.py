"""The leaderboard of a study: which columns it has, and each run's cells."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np

from regimecast.report.axes import PARTS, shared
from regimecast.report.by_regime import HIGHER_IS_BETTER
from regimecast.report.luck import Verdict
from regimecast.report.numbers import (
    MISSING,
    bars,
    duration,
    interval,
    metric_title,
    metric_value,
    percent,
    plain,
)
from regimecast.report.ranking import KIND, Runs, by_kind, is_mixed, main_error
from regimecast.report.run_files import RunFiles
from regimecast.report.series import equity, evenly

__all__ = ["Cell", "Column", "columns", "row", "sorting", "statuses"]

_TRADING = ("max_drawdown", "turnover", "annual_return", "break_even_bps")
_GROUPS = (*KIND, *PARTS)
_SELECTION = ("dsr", "pbo", "trials")


@dataclass(frozen=True)
class Column:
    """A column of the leaderboard: where its value comes from and how it reads."""

    key: str
    title: str
    words: bool = False
    """Whether its cells are words rather than numbers."""
    note: str = ""
    """What it means, where the title cannot say it."""

    @property
    def best(self) -> str:
        """Order that puts the best first, as ``aria-sort`` says it."""
        name = self.key.rsplit("/", 1)[-1]
        lowest = self.key.startswith("forecast/") and name not in HIGHER_IS_BETTER
        least = {"max_drawdown", "pbo", "objective"}
        return "ascending" if lowest or name in least else "descending"


@dataclass(frozen=True)
class Cell:
    """A cell of the leaderboard."""

    text: str
    value: float | str
    """What to sort by; empty where there is nothing, which always comes last."""
    kind: str
    """``number``, ``words`` or ``status``."""
    small: str = ""
    """What stands below it, such as its interval."""


_OBJECTIVE = Column(
    "objective",
    "validation objective",
    note="What a search goes by: the loss on the validation part at the best epoch, mean of folds.",
)


def statuses(runs: Runs) -> dict[str, int]:
    """Number of runs per status, most frequent first."""
    return dict(Counter(run.status for run in runs.values()).most_common())


def columns(runs: Runs, verdicts: Mapping[str, Verdict]) -> list[Column]:
    """Columns that some run can fill; what all runs share is said above the table instead."""
    same = shared(runs)
    groups = [list(group.values()) for group in by_kind(runs)]
    errors = dict.fromkeys(main_error(group) for group in groups)
    if len(errors) == 1 and any("test/pinball" in run.forecast for run in runs.values()):
        errors["pinball"] = None
    counts = {verdict.counted for verdict in verdicts.values()} or {f"best of {len(runs)} runs"}
    counted = counts.pop() if len(counts) == 1 else ""
    level = _coverage_level(runs)
    wanted = [
        *([Column("status", "status", words=True)] if len(statuses(runs)) > 1 else []),
        Column(
            "dsr",
            "deflated Sharpe (DSR)",
            note="Probability that the true Sharpe ratio is above what the best of so many trials "
            "without skill shows.",
        ),
        Column(
            "pbo",
            "PBO",
            note="Probability of backtest overfitting: how often the run that is best in one half "
            "of time is below the median in the other.",
        ),
        Column(
            "trading/sharpe",
            f"Sharpe, {counted}" if counted else "Sharpe ratio",
            note="A year, after costs; below it, its confidence interval. The best of several "
            "trials is high by luck too; different ones are those whose returns do not move "
            "together.",
        ),
        *(
            [Column("trials", "trials on its prices", note="Jobs of any study and status.")]
            if not counted
            else []
        ),
        *(Column(f"trading/{name}", metric_title(name)) for name in _TRADING[:2]),
        *(Column(f"forecast/{error}", metric_title(error)) for error in errors),
        Column(
            f"forecast/coverage_{level}",
            f"coverage of the {level}% band",
            note=f"Share of outcomes inside the band, calibrated where the run was; {level}% is "
            "right.",
        ),
        *(Column(f"crash/{error}", f"{metric_title(error)} in crashes") for error in [*errors][:1]),
        *([_OBJECTIVE] if {"loss", "weighting"} <= same.keys() else []),
        *(Column(group, group, words=True) for group in _GROUPS if group not in same),
        Column("buy_and_hold/sharpe", "Sharpe, buy and hold"),
        Column("naive/sharpe", "Sharpe, naive rule"),
        *(Column(f"trading/{name}", metric_title(name)) for name in _TRADING[2:]),
        Column("bars", "bars"),
        Column("gate", "gate", words=True),
        Column("seconds", "time"),
    ]
    return [
        column
        for column in wanted
        if any(
            _cell(run, column.key, verdicts.get(label)).text != MISSING
            for label, run in runs.items()
        )
    ]


def sorting(runs: Runs, shown: Sequence[Column]) -> tuple[int, str]:
    """Position of the column that rows arrive sorted by, and its direction as ``aria-sort``.

    There is none where rows stand by what they forecast first.
    """
    if not is_mixed(runs):
        keys = [column.key for column in shown]
        forecast = [key for key in keys if key.startswith("forecast/")]
        for key in ("dsr", *forecast[:1], "trading/sharpe"):
            if key in keys:
                return keys.index(key), shown[keys.index(key)].best
    return -1, "none"


def row(
    label: str, name: str, run: RunFiles, shown: Sequence[Column], verdict: Verdict | None
) -> dict[str, Any]:
    """One run: its cells, a link to its report where there is one, and a small equity line.

    Args:
        label: of the run.
        name: what tells it from the others; shown in place of the label, with the job's number.
        run: its files.
        shown: columns.
        verdict: what its Sharpe ratio is worth.
    """
    linked = (run.path / "report.html").exists()
    number = re.match(r"\d+(?=_)", run.path.name)
    return {
        "job": label,
        "name": label if name == label or not number else f"{number[0]} · {name}",
        "link": f"{quote(label)}/report.html" if linked else "",
        "error": run.error,
        "note": verdict.luck.note if verdict else "",
        "cells": [_cell(run, column.key, verdict) for column in shown],
        **_spark(run),
    }


def _coverage_level(runs: Runs) -> str:
    """Level in percent of the band whose coverage most runs know, the widest of several."""
    known = Counter(
        key.removeprefix("test/coverage_")
        for run in runs.values()
        for key, value in run.forecast.items()
        if key.startswith("test/coverage_") and plain(value) is not None
    )
    return max(known, key=lambda level: (known[level], float(level)), default="")


def _cell(run: RunFiles, key: str, verdict: Verdict | None) -> Cell:
    if key == "status":
        return Cell(run.status, run.status, "status")
    if key in {*_GROUPS, "gate"}:
        text = _words(run, key)
        return Cell(text or MISSING, text, "words")
    if key in _SELECTION:
        return MISSING_CELL if verdict is None else _selection_cell(key, verdict)
    value, text = _quantity(run, key)
    section, _, name = key.partition("/")
    small = interval(name, run.interval(section, name)) if section == "trading" else ""
    return Cell(text, "" if value is None else value, "number", small)


MISSING_CELL = Cell(MISSING, "", "number")


def _selection_cell(key: str, verdict: Verdict) -> Cell:
    selection = verdict.selection
    if key == "trials":
        small = f"{selection.effective:,} different"
        return Cell(f"{selection.trials:,}", float(selection.trials), "number", small)
    if key == "pbo":
        known = selection.pbo is not None and verdict.label in selection.pbo_runs
        value = plain(selection.pbo.pbo) if selection.pbo is not None and known else None
        return Cell(percent(value), "" if value is None else value, "number")
    value = plain(verdict.luck.dsr)
    return Cell(percent(value), "" if value is None else value, "number")


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
    if key == "objective":
        return run.objective, MISSING if run.objective is None else f"{run.objective:.4g}"
    section, _, name = key.partition("/")
    if section == "forecast":
        value = plain(run.forecast.get(f"test/{name}"))
    elif section == "crash":
        value = plain(run.by_regime(name).get("crash"))
    else:
        value = plain(run.trading("strategy" if section == "trading" else section).get(name))
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
