"""Checks of a source's declarations: columns known too early, static columns made of the future.

A source is one snapshot. What these checks cannot see is said in the report.
"""

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from regimecast.audit.findings import Check, NotAudited
from regimecast.audit.ledger import Ledger, Where
from regimecast.audit.subject import Subject
from regimecast.data.calendars import bar_length
from regimecast.data.panel import Column, Panel, Role

__all__ = ["SourceCheck"]

_STRUCK_LATER = ("vix", "vxn", "vxo", "vstoxx")
"""Indices whose daily close comes after that of the stocks they are computed from."""
_DAYS, _BARS = 20, 4
"""Fewest days, and bars in a day, from which a value per day can be told."""
_CLOSE_TO = 1e-6
"""Relative difference below which a static value is a statistic of the asset's history."""


class SourceCheck:
    """Columns are declared late where they are known late, and static ones hold no future."""

    name = "source"

    def run(self, subject: Subject) -> tuple[list[Check], list[NotAudited]]:
        """Every column by its role; nothing is perturbed."""
        ledger = Ledger(self.name)
        bars = subject.bars
        cut = bars.time.min()
        notes = [
            NotAudited(
                "later revisions of the data",
                "a source is one snapshot: whether a value of then was restated since, or an asset "
                "is here because it survived, is not in it",
            ),
            NotAudited(
                "whether a bar's time marks its close",
                "what a bar holds is not in the data; see data.stamp",
            ),
        ]
        for column in bars.columns:
            name = f"source/{column.name}"
            ledger.passed(name, cut, "declaration", 1)
            if column.role is Role.STATIC:
                self._static(ledger, name, bars, column)
                notes.append(
                    NotAudited(
                        f"static column {column.name!r}",
                        "one value for all times has no future to replace: it was only held "
                        "against statistics of its asset's history",
                    )
                )
            elif column.role is Role.KNOWN:
                notes.append(
                    NotAudited(
                        f"column {column.name!r} after a cut",
                        "its role says that it is known ahead of its bar, as a calendar is",
                    )
                )
            else:
                notes += self._late(ledger, name, bars, column)
        return ledger.checks(), notes

    def _late(self, ledger: Ledger, name: str, bars: Panel, column: Column) -> list[NotAudited]:
        daily = bar_length(bars.frequency) >= pd.Timedelta("1D")
        where = Where.rows(bars, np.arange(1), bars.time.min(), "declaration")
        if daily:
            if column.name.lower() in _STRUCK_LATER and column.lag < 1:
                ledger.find(
                    name, "lag", where,
                    f"lag {column.lag}: a daily close of {column.name} is struck after the stocks' "
                    "close; give it a lag of 1 bar",
                )  # fmt: skip
            return []
        known_by = _same_day(bars, column)
        if known_by is None:
            return []
        detail = f"one value per day with lag {column.lag}, shorter than a day's {known_by[0]} bars"
        if known_by[1]:
            ledger.find(name, "lag", where, f"{detail}, and it moves with the same day's return")
            return []
        return [NotAudited(f"when column {column.name!r} becomes known", detail)]

    def _static(self, ledger: Ledger, name: str, bars: Panel, column: Column) -> None:
        value = np.array([_first(bars.actual(column.name)[bars.rows(a)]) for a in _assets(bars)])
        for statistic, history in _histories(bars).items():
            if _is_made_of(value, history):
                where = Where.rows(bars, bars.offsets[:1], bars.time.max(), "declaration")
                ledger.find(name, "value", where, f"is the {statistic} over the whole history")
                return


def _same_day(bars: Panel, column: Column) -> tuple[int, bool] | None:
    """Bars in a day, and whether the value moves with that day's return; None if not daily.

    The value of the day before, repeated over the day, moves with the return of the day before.
    """
    rows = bars.rows(int(np.argmax(np.diff(bars.offsets))))
    frame = pd.DataFrame(
        {
            "day": bars.time[rows].astype("datetime64[D]"),
            "value": bars.actual(column.name)[rows],
            "close": bars.actual("close")[rows],
        }
    ).dropna()
    days = frame.groupby("day")
    size, kinds = days.size(), days["value"].nunique()
    if len(size) < _DAYS or size.median() < _BARS or (kinds > 1).any():
        return None
    value, close = days["value"].first(), np.log(days["close"].last())
    if (value.diff().iloc[1:] == 0).mean() > 0.5 or column.lag >= size.median() - 1:
        return None
    change, move = value.diff().iloc[2:], close.diff()
    same = abs(np.corrcoef(change, move.iloc[2:])[0, 1])
    before = abs(np.corrcoef(change, move.shift().iloc[2:])[0, 1])
    return int(size.median()), bool(same > max(before, 4 / np.sqrt(len(change))))


def _histories(bars: Panel) -> dict[str, Float[np.ndarray, " A"]]:
    """Statistics of each asset's whole history that a static column might have been made of."""
    statistics: dict[str, Float[np.ndarray, " A"]] = {}
    for name in bars.names:
        if bars.columns[bars.index(name)].role in (Role.STATIC, Role.KNOWN):
            continue
        series = [_finite(bars.actual(name)[bars.rows(asset)]) for asset in _assets(bars)]
        forms = {name: series}
        if all(len(part) > 1 and (part > 0).all() for part in series):
            forms[f"log return of {name}"] = [np.diff(np.log(part)) for part in series]
            forms[f"return of {name}"] = [part[1:] / part[:-1] - 1 for part in series]
        for form, parts in forms.items():
            for word, function in (
                ("mean", np.mean), ("standard deviation", np.std), ("minimum", np.min),
                ("maximum", np.max), ("median", np.median), ("last value", _last), ("sum", np.sum),
            ):  # fmt: skip
                statistics[f"{word} of {form}"] = np.array(
                    [function(part) if len(part) else np.nan for part in parts], dtype=np.float64
                )
    return statistics


def _is_made_of(value: Float[np.ndarray, " A"], history: Float[np.ndarray, " A"]) -> bool:
    """Whether values are the statistic, a multiple of it or, with four assets, linear in it."""
    both: Bool[np.ndarray, " A"] = np.isfinite(value) & np.isfinite(history)
    if not both.any() or (both.sum() > 1 and np.ptp(value[both]) == 0):
        return False
    mine, other = value[both], history[both]
    if np.allclose(mine, other, rtol=_CLOSE_TO, atol=0.0) and not np.all(mine == np.round(mine)):
        return True
    # Standard deviations with n - 1, annualised values and the like are multiples.
    if len(mine) < 3 or np.ptp(other) == 0 or (other == 0).any():
        return False
    ratio = mine / other
    if np.ptp(ratio) <= 1e-3 * abs(ratio.mean()) and np.ptp(mine) > 1e-2 * abs(mine.mean()):
        return True
    return len(mine) > 3 and bool(abs(np.corrcoef(mine, other)[0, 1]) > 1 - _CLOSE_TO)


def _assets(bars: Panel) -> range:
    return range(bars.n_assets)


def _finite(values: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    return values[np.isfinite(values)]


def _first(values: Float[np.ndarray, " T"]) -> float:
    known = _finite(values)
    return float(known[0]) if len(known) else float("nan")


def _last(values: Float[np.ndarray, " T"]) -> float:
    return float(values[-1])
