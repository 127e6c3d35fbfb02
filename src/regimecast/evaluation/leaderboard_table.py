"""A leaderboard as a table for a terminal, with as many columns as its width takes."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from rich.console import Group
from rich.table import Table
from rich.text import Text

from regimecast.evaluation.selection import Selection
from regimecast.evaluation.table_width import fitting, too_wide

__all__ = ["leaderboard_table"]

_BY_IMPORTANCE = (
    "job", "seeds", "crps", "log_loss", "sharpe", "seed_interval", "seed_worst", "dsr",
    "buy_and_hold_sharpe", "naive_sharpe", "status", "study", "directional_accuracy", "accuracy",
    "max_drawdown", "note", "gate", "interval", "coverage_90", "crash_mae", "crash_accuracy",
    "model", "split", "conformal", "weighting", "loss", "sampling", "seed", "macro_f1", "turnover",
    "pbo", "ic", "mae", "break_even_bps", "crash_n", "pinball", "brier", "rank_ic", "psr", "mse",
    "coverage_80",
)  # fmt: skip
"""Every column, the most important first; a narrow terminal shows the first ones."""

_AT_THE_END = ("gate", "status", "note")
"""Columns right of all others, which stand as they do in the frame."""

_SAID_ONCE = ("model", "loss", "weighting", "split", "conformal", "gate", "status")
"""Columns that are said below the table where all jobs have the same in them."""

_IF_VARYING = ("study", "sampling", "seed", "seeds")
"""Columns that are left out where no two jobs differ in them."""

_LEADING = ("sharpe", "crps", "log_loss")
"""Metrics of which one is shown with what the seed does to it: the first that there is."""

_WORDS = frozenset({"job", "note", *_SAID_ONCE, *_IF_VARYING}) - {"seeds"}
_TITLES = {
    "directional_accuracy": "direction",
    "max_drawdown": "max dd",
    "break_even_bps": "break-even\nbps",
    "buy_and_hold_sharpe": "hold\nsharpe",
    "naive_sharpe": "naive rule\nsharpe",
    "interval": "sharpe\n95% interval",
    "seed_interval": "mean's 95%\nover seeds",
    "seed_worst": "worst\nseed",
    "coverage_90": "coverage\nof 90%",
    "coverage_80": "coverage\nof 80%",
}
_PERCENT = frozenset(
    {
        "accuracy", "crash_accuracy", "macro_f1", "directional_accuracy", "max_drawdown", "dsr",
        "psr", "pbo", "coverage_90", "coverage_80",
    }
)  # fmt: skip
_TWO_DIGITS = frozenset({"sharpe", "buy_and_hold_sharpe", "naive_sharpe", "turnover"})
_FOLDED = {"job": (50, 3), "note": (30, 5)}
"""Columns whose words may go over several lines, and the width that they get at least: so many
characters, or that part of the line where it is less."""


def leaderboard_table(
    kind: str,
    group: pd.DataFrame,
    selections: Sequence[Selection],
    *,
    jobs: int,
    width: int,
    top: int | None,
) -> Group:
    """Jobs of one kind in the order given, best first.

    Args:
        kind: what they forecast.
        group: rows of a `Leaderboard`.
        selections: that they are of.
        jobs: of all kinds.
        width: characters in a line; what does not fit is named below the table.
        top: rows to show, the first ones; None for all.
    """
    marked = group["status"].where(~group["fast_dev_run"], group["status"] + " (fast dev run)")
    group = group.assign(status=marked)
    group.insert(list(group.columns).index("sharpe") + 1, "interval", _intervals(group))
    group = _with_seeds(group)
    filled = [
        name for name in _BY_IMPORTANCE if group[name].nunique() > (1 if name in _IF_VARYING else 0)
    ]
    common = {
        name: str(group[name].iloc[0])
        for name in _SAID_ONCE
        if name in filled and len(group) > 1 and len(set(group[name])) == 1
    }
    candidates = [name for name in filled if name not in common]
    title = f"{kind}: {_count(group, jobs)}"
    counts = {(chosen.trials, chosen.effective) for chosen in selections}
    if len(counts) > 1:
        group = group.assign(sharpe=_counted(group))
    heads = _heads(counts)
    best = group if top is None else group.head(top)
    least = {name: min(most, width // part) for name, (most, part) in _FOLDED.items()}
    shown = fitting(candidates, lambda names: _table(title, best, names, heads, least), width)
    table = _table(title, best, shown, heads, {})
    below = []
    if more := len(group) - len(best):
        below.append(f"And {more:,} more: --top {len(group)}, or in the report, or with --output.")
    traded = bool(group["sharpe"].notna().any())
    below.append(f"Out of sample{', after costs' if traded else ''}.")
    below += _about_luck(selections, traded=traded)
    if (group["seeds"] > 1).any():
        below.append(
            "A row of several seeds is their mean, with a 95% interval for it and the worst seed"
            + ("; its dsr is of all of them held in equal parts." if traded else ".")
        )
    if common:
        below.append(f"In every job: {', '.join(f'{k} {v}' for k, v in common.items())}.")
    if left_out := [_title(name) for name in candidates if name not in shown]:
        below.append(too_wide(left_out, "in the report, and with --output"))
    return Group(table, Text("\n".join(below), style="dim"))


def _about_luck(selections: Sequence[Selection], *, traded: bool) -> list[str]:
    """How many trials there were, what the best of them shows by luck, and what is wrong."""
    said = []
    for chosen in selections:
        line = f"{chosen.sentence()}."
        if not traded:
            said.append(line)
            continue
        if chosen.runs:
            line += (
                " Without skill the best of these has a Sharpe ratio of "
                f"{chosen.expected_maximum:.2f} on average; dsr: probability that a run's is above."
            )
        if chosen.pbo is not None:
            seeds = ", seeds taken together," if chosen.pbo_choices < len(chosen.pbo_runs) else ""
            line += (
                f" PBO {chosen.pbo.pbo:.0%}: how often the best of {chosen.pbo_choices} runs "
                f"here{seeds} turns out below their median."
            )
        said += [line, *chosen.problems]
    return list(dict.fromkeys(said))


def _intervals(group: pd.DataFrame) -> pd.Series:
    """Intervals of the Sharpe ratios, in words."""
    ends = group[["sharpe_low", "sharpe_high"]].to_numpy()
    said = [None if pd.isna(low) else f"{low:.2f} to {high:.2f}" for low, high in ends]
    return pd.Series(said, index=group.index, dtype=object)


def _with_seeds(group: pd.DataFrame) -> pd.DataFrame:
    """The rows with two more columns: what the seed does to the metric that leads."""
    name = next((name for name in _LEADING if group[name].notna().any()), _LEADING[0])
    wanted = [f"{name}_seed_{end}" for end in ("low", "high", "worst")]
    group = group.copy()
    group.insert(list(group.columns).index("job") + 1, "seeds", group.pop("seeds"))
    if not {*wanted} <= {*group.columns}:
        return group.assign(seed_interval=None, seed_worst=None)
    digits = ".2f" if name in _TWO_DIGITS else ".4g"
    said: list[tuple[str | None, str | None]] = [
        (None, None)
        if pd.isna(low)
        else (f"{low:{digits}} to {high:{digits}}", f"{worst:{digits}}")
        for low, high, worst in group[wanted].to_numpy()
    ]
    at = list(group.columns).index("interval") + 1
    for place, column in enumerate(("seed_interval", "seed_worst")):
        values = pd.Series([pair[place] for pair in said], index=group.index, dtype=object)
        group.insert(at + place, column, values)
    return group


def _counted(group: pd.DataFrame) -> pd.Series:
    """Sharpe ratios with the trials of each, where they are not the same for all."""
    return pd.Series(
        [
            ""
            if pd.isna(row["sharpe"])
            else f"{row['sharpe']:.2f} ({_of(row['trials'], row['effective_trials'])})"
            for row in group.to_dict("records")
        ],
        index=group.index,
        dtype=object,
    )


def _heads(counts: set[tuple[int, int]]) -> dict[str, str]:
    """Headings of columns, that of the Sharpe ratio with its trials."""
    if len(counts) != 1:
        return {**_TITLES, "sharpe": "sharpe\n(of trials, different)"}
    ((trials, effective),) = counts
    return {**_TITLES, "sharpe": f"sharpe\n({_of(trials, effective)})"}


def _of(trials: int, effective: int) -> str:
    return f"of {trials:,}, {effective:,} different"


def _table(
    title: str,
    group: pd.DataFrame,
    names: Sequence[str],
    heads: Mapping[str, str],
    widths: Mapping[str, int],
) -> Table:
    inner = [name for name in group.columns if name in names and name not in _AT_THE_END]
    columns = [*inner, *(name for name in _AT_THE_END if name in names)]
    # Text, not str: rich would read square brackets in a str as markup.
    table = Table(title=Text(title, style="table.title"), title_justify="left")
    for name in columns:
        table.add_column(
            heads.get(name, name.replace("_", " ")),
            justify="left" if name in _WORDS else "right",
            overflow="fold",
            no_wrap=name not in _FOLDED,
            max_width=widths.get(name),
        )
    for _, row in group.iterrows():
        table.add_row(*(Text(_text(name, row[name])) for name in columns))
    return table


def _count(group: pd.DataFrame, jobs: int) -> str:
    """Such as ``2 of 9 jobs, 1 finished``."""
    finished = int(group["seeds"][group["status"].str.startswith("finished")].sum())
    count = int(group["seeds"].sum())
    part = "" if count == jobs else f"{count} of "
    rest = "" if finished == count else f", {finished} finished"
    return f"{part}{jobs} job{'' if jobs == 1 else 's'}{rest}"


def _title(name: str) -> str:
    """A column's heading in one line."""
    return _TITLES.get(name, name.replace("_", " ")).replace("\n", " ")


def _text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if name in _WORDS or pd.isna(value):
        return ""
    if name in _PERCENT:
        return f"{value:.1%}"
    if name in _TWO_DIGITS:
        return f"{value:.2f}"
    return f"{value:.0f}" if name in {"crash_n", "seeds"} else f"{value:.4g}"
