"""The trial ledger as tables: its records, and what the best of them is worth on each prices."""

import json
import math
from typing import Any

import numpy as np
import pandas as pd
from rich.table import Table

from regimecast.evaluation.luck import Selection
from regimecast.evaluation.selection import tally
from regimecast.tracking.ledger import Ledger

__all__ = ["prices_frame", "prices_table", "trials_frame", "trials_table", "with_sharpe"]

_PLAIN = (
    "recorded", "study", "job", "status", "split", "data", "metrics", "bars_per_year", "commit",
    "config_hash", "trial",
)  # fmt: skip
_SHOWN = ("recorded", "study", "job", "status", "split", "data", "sharpe", "bars")
_SHORT = 12
"""Characters of a fingerprint that are shown, and are enough to ask for it."""


def trials_frame(ledger: Ledger, where: str = "true", values: tuple[Any, ...] = ()) -> pd.DataFrame:
    """Records without their returns, oldest first.

    Args:
        ledger: where they are.
        where: condition in SQL, see `Ledger.table`.
        values: for its question marks.
    """
    return ledger.table(where, values, columns=_PLAIN)


def with_sharpe(frame: pd.DataFrame) -> pd.DataFrame:
    """The same trials with `sharpe` and `bars` in place of their metrics, which take time to read.

    Args:
        frame: rows of `trials_frame`.
    """
    traded = [_traded(text) for text in frame["metrics"]]
    place = frame.columns.get_loc("metrics")
    assert isinstance(place, int)
    shown = frame.drop(columns="metrics")
    sharpes = pd.array([one.get("sharpe") for one in traded], dtype="Float64")
    shown.insert(place, "sharpe", sharpes.to_numpy(np.float64, na_value=np.nan))
    bars = pd.Series([one.get("n_bars") for one in traded], index=frame.index, dtype="Int64")
    shown.insert(place + 1, "bars", bars)
    return shown


def prices_frame(ledger: Ledger, data: list[str]) -> pd.DataFrame:
    """What choosing among the trials on each prices means, a row for each.

    Columns: data, trials, effective_trials, with_returns, best (the trial), sharpe (its own,
    annualised), luck (that of the best without skill, on average), psr, dsr, years (of its
    returns), needed (years below which luck alone shows as much), problems.

    Args:
        ledger: where the trials are.
        data: fingerprints of the prices.
    """
    return pd.DataFrame(
        [_row(tally(ledger, fingerprint)) for fingerprint in data],
        columns=[
            "data", "trials", "effective_trials", "with_returns", "best", "sharpe", "luck", "psr",
            "dsr", "years", "needed", "problems",
        ],
    )  # fmt: skip


def trials_table(frame: pd.DataFrame, *, of: int) -> Table:
    """Rows of `with_sharpe` for a terminal.

    Args:
        frame: those to show.
        of: how many there are.
    """
    shown = f"the last {len(frame):,} of {of:,}" if len(frame) < of else f"{of:,}"
    table = Table(title=f"trials: {shown}", title_justify="left")
    for name in _SHOWN:
        table.add_column(name, justify="right" if name in {"sharpe", "bars"} else "left")
    for row in frame[list(_SHOWN)].to_dict("records"):
        recorded = str(row["recorded"])[:19].replace("T", " ")
        table.add_row(
            recorded,
            *(str(row[name]) for name in ("study", "job", "status", "split")),
            str(row["data"])[:_SHORT] or "none read",
            *("" if pd.isna(row[name]) else f"{row[name]:.{d}f}" for name, d in _NUMBERS),
        )
    return table


_NUMBERS = (("sharpe", 2), ("bars", 0))


def prices_table(frame: pd.DataFrame) -> Table:
    """Rows of `prices_frame` for a terminal."""
    table = Table(title="by the prices that they were judged on", title_justify="left")
    table.add_column("data")
    for heading in (
        "trials", "different", "best\nsharpe", "by luck\nalone", "dsr of\nthe best",
        "years of\nreturns", "years\nneeded",
    ):  # fmt: skip
        table.add_column(heading, justify="right")
    for row in frame.to_dict("records"):
        table.add_row(
            row["data"][:_SHORT],
            f"{row['trials']:,}",
            f"{row['effective_trials']:,}",
            *(_text(row[name], form) for name, form in _FORMS),
        )
    return table


_FORMS = (("sharpe", ".2f"), ("luck", ".2f"), ("dsr", ".1%"), ("years", ".1f"), ("needed", ".1f"))


def _row(selection: Selection) -> dict[str, Any]:
    best = selection.best
    luck = None if best is None else selection.runs[best]
    return {
        "data": selection.data,
        "trials": selection.trials,
        "effective_trials": selection.effective,
        "with_returns": selection.with_returns,
        "best": best,
        "sharpe": math.nan if luck is None else luck.sharpe,
        "luck": math.nan if luck is None else selection.expected_maximum,
        "psr": math.nan if luck is None else luck.psr,
        "dsr": math.nan if luck is None else luck.dsr,
        "years": math.nan if luck is None else luck.observations / selection.bars_per_year,
        "needed": selection.minimum_backtest,
        "problems": " ".join(selection.problems),
    }


def _traded(metrics: str) -> dict[str, Any]:
    """What a record says about the strategy's backtest, if there was one."""
    trading = json.loads(metrics).get("trading") or {}
    found = trading.get("strategy") or {}
    assert isinstance(found, dict)
    return found


def _text(value: float, form: str) -> str:
    if math.isnan(value):
        return ""
    return "never" if math.isinf(value) else format(value, form)
