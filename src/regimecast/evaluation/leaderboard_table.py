"""A leaderboard as a table for a terminal, with as many columns as its width takes."""

import numpy as np
import pandas as pd
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

__all__ = ["leaderboard_table"]

_BY_IMPORTANCE = (
    "job", "crps", "log_loss", "sharpe", "buy_and_hold_sharpe", "naive_sharpe", "status",
    "directional_accuracy", "accuracy", "max_drawdown", "note", "gate", "crash_mae",
    "crash_accuracy", "model", "weighting", "loss", "macro_f1", "turnover", "ic", "mae",
    "break_even_bps", "crash_n", "pinball", "brier", "rank_ic",
)  # fmt: skip
"""Every column, the most important first; a narrow terminal shows the first ones."""

_IN_ORDER = (
    "job", "model", "loss", "weighting", "crps", "pinball", "mae", "log_loss", "accuracy",
    "macro_f1", "brier", "directional_accuracy", "ic", "rank_ic", "crash_mae", "crash_accuracy",
    "crash_n", "sharpe", "buy_and_hold_sharpe", "naive_sharpe", "max_drawdown", "turnover",
    "break_even_bps", "gate", "status", "note",
)  # fmt: skip
"""The same, as they stand from left to right."""

_SAID_ONCE = ("model", "loss", "weighting", "gate", "status")
"""Columns that are said below the table where all jobs have the same in them."""

_WORDS = frozenset({"job", "model", "loss", "weighting", "gate", "status", "note"})
_TITLES = {
    "directional_accuracy": "direction",
    "max_drawdown": "max dd",
    "break_even_bps": "break-even\nbps",
    "buy_and_hold_sharpe": "hold\nsharpe",
    "naive_sharpe": "naive\nsharpe",
}
_PERCENT = frozenset(
    {"accuracy", "crash_accuracy", "macro_f1", "directional_accuracy", "max_drawdown"}
)
_TWO_DIGITS = frozenset({"sharpe", "buy_and_hold_sharpe", "naive_sharpe", "turnover"})
_LONGEST = {"job": 50, "note": 30}
"""Columns whose words may go over several lines, and the width that they get at least."""
_ENDLESS = 1_000_000


def leaderboard_table(kind: str, group: pd.DataFrame, width: int) -> Group:
    """Jobs of one kind in the order given, best first.

    Args:
        kind: what they forecast.
        group: rows of a `Leaderboard`.
        width: characters in a line; what does not fit is named below the table.
    """
    filled = [name for name in _BY_IMPORTANCE if group[name].notna().any()]
    common = {
        name: str(group[name].iloc[0])
        for name in _SAID_ONCE
        if name in filled and len(group) > 1 and len(set(group[name])) == 1
    }
    shown = [name for name in filled if name not in common]
    console = Console(width=_ENDLESS)
    while True:
        columns = [name for name in _IN_ORDER if name in shown]
        if len(shown) <= 2 or console.measure(_table(kind, group, columns)).maximum <= width:
            break
        shown.pop()
    table = _table(kind, group, columns, flexible=True)
    left_out = [name for name in filled if name not in shown and name not in common]
    below = Text(_caption(int(group["trials"].iloc[0]), common, left_out), style="dim")
    return Group(table, below)


def _table(kind: str, group: pd.DataFrame, columns: list[str], *, flexible: bool = False) -> Table:
    trials = int(group["trials"].iloc[0])
    # Text, not str: rich would read square brackets in a str as markup.
    title = Text(f"{kind}: {len(group)} of {trials} jobs", style="table.title")
    table = Table(title=title, title_justify="left")
    for name in columns:
        heading = _TITLES.get(name, name.replace("_", " "))
        if name == "sharpe":
            heading = f"sharpe\n(of {trials})"
        table.add_column(
            heading,
            justify="left" if name in _WORDS else "right",
            overflow="fold",
            no_wrap=name not in _LONGEST,
            max_width=None if flexible else _LONGEST.get(name),
        )
    for _, row in group.iterrows():
        table.add_row(*(Text(_text(name, row[name])) for name in columns))
    return table


def _caption(trials: int, common: dict[str, str], left_out: list[str]) -> str:
    lines = [f"Out of sample, after costs. The best of {trials} jobs is partly luck."]
    if common:
        lines.append(f"In every job: {', '.join(f'{k} {v}' for k, v in common.items())}.")
    if left_out:
        lines.append(
            f"Too wide to show: {', '.join(name.replace('_', ' ') for name in left_out)} "
            "(in the report, and with --output)."
        )
    return "\n".join(lines)


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
