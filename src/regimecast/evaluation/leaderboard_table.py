"""A leaderboard as a table for a terminal, with as many columns as its width takes."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from rich.console import Group
from rich.table import Table
from rich.text import Text

from regimecast.evaluation.table_width import fitting, too_wide

__all__ = ["leaderboard_table"]

_BY_IMPORTANCE = (
    "job", "crps", "log_loss", "sharpe", "buy_and_hold_sharpe", "naive_sharpe", "status",
    "study", "directional_accuracy", "accuracy", "max_drawdown", "note", "gate", "crash_mae",
    "crash_accuracy", "model", "weighting", "loss", "sampling", "seed", "macro_f1", "turnover",
    "ic", "mae", "break_even_bps", "crash_n", "pinball", "brier", "rank_ic",
)  # fmt: skip
"""Every column, the most important first; a narrow terminal shows the first ones."""

_AT_THE_END = ("gate", "status", "note")
"""Columns right of all others, which stand as they do in the frame."""

_SAID_ONCE = ("model", "loss", "weighting", "gate", "status")
"""Columns that are said below the table where all jobs have the same in them."""

_IF_VARYING = ("study", "sampling", "seed")
"""Columns that are left out where no two jobs differ in them."""

_WORDS = frozenset({"job", "note", *_SAID_ONCE, *_IF_VARYING})
_TITLES = {
    "directional_accuracy": "direction",
    "max_drawdown": "max dd",
    "break_even_bps": "break-even\nbps",
    "buy_and_hold_sharpe": "hold\nsharpe",
    "naive_sharpe": "naive rule\nsharpe",
}
_PERCENT = frozenset(
    {"accuracy", "crash_accuracy", "macro_f1", "directional_accuracy", "max_drawdown"}
)
_TWO_DIGITS = frozenset({"sharpe", "buy_and_hold_sharpe", "naive_sharpe", "turnover"})
_LONGEST = {"job": 50, "note": 30}
"""Columns whose words may go over several lines, and the width that they get at least."""


def leaderboard_table(kind: str, group: pd.DataFrame, width: int) -> Group:
    """Jobs of one kind in the order given, best first.

    Args:
        kind: what they forecast.
        group: rows of a `Leaderboard`.
        width: characters in a line; what does not fit is named below the table.
    """
    marked = group["status"].where(~group["fast_dev_run"], group["status"] + " (fast dev run)")
    group = group.assign(status=marked)
    filled = [
        name for name in _BY_IMPORTANCE if group[name].nunique() > (1 if name in _IF_VARYING else 0)
    ]
    common = {
        name: str(group[name].iloc[0])
        for name in _SAID_ONCE
        if name in filled and len(group) > 1 and len(set(group[name])) == 1
    }
    candidates = [name for name in filled if name not in common]
    shown = fitting(candidates, lambda names: _table(kind, group, names), width)
    table = _table(kind, group, shown, flexible=True)
    trials = _trials(group)
    luck = f" The best of {trials} jobs is partly luck." if trials > 1 else ""
    below = [f"Out of sample, after costs.{luck}"]
    if common:
        below.append(f"In every job: {', '.join(f'{k} {v}' for k, v in common.items())}.")
    if left_out := [_title(name) for name in candidates if name not in shown]:
        below.append(too_wide(left_out, "in the report, and with --output"))
    return Group(table, Text("\n".join(below), style="dim"))


def _table(
    kind: str, group: pd.DataFrame, names: Sequence[str], *, flexible: bool = False
) -> Table:
    inner = [name for name in group.columns if name in names and name not in _AT_THE_END]
    columns = [*inner, *(name for name in _AT_THE_END if name in names)]
    # Text, not str: rich would read square brackets in a str as markup.
    title = Text(f"{kind}: {_count(group)}", style="table.title")
    table = Table(title=title, title_justify="left")
    for name in columns:
        table.add_column(
            f"sharpe\n(of {_trials(group)})" if name == "sharpe" else _heading(name),
            justify="left" if name in _WORDS else "right",
            overflow="fold",
            no_wrap=name not in _LONGEST,
            max_width=None if flexible else _LONGEST.get(name),
        )
    for _, row in group.iterrows():
        table.add_row(*(Text(_text(name, row[name])) for name in columns))
    return table


def _trials(group: pd.DataFrame) -> int:
    return int(group["trials"].iloc[0])


def _count(group: pd.DataFrame) -> str:
    """Such as ``2 of 9 jobs, 1 finished``."""
    trials, finished = _trials(group), int(group["status"].str.startswith("finished").sum())
    part = "" if len(group) == trials else f"{len(group)} of "
    rest = "" if finished == len(group) else f", {finished} finished"
    return f"{part}{trials} job{'' if trials == 1 else 's'}{rest}"


def _heading(name: str) -> str:
    return _TITLES.get(name, name.replace("_", " "))


def _title(name: str) -> str:
    """A column's heading in one line."""
    return _heading(name).replace("\n", " ")


def _text(name: str, value: object) -> str:
    if name in _WORDS:
        return value if isinstance(value, str) else ""
    assert isinstance(value, float)
    if np.isnan(value):
        return ""
    if name in _PERCENT:
        return f"{value:.1%}"
    if name in _TWO_DIGITS:
        return f"{value:.2f}"
    return f"{value:.0f}" if name == "crash_n" else f"{value:.4g}"
