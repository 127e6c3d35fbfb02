"""Bars added to bars, and the labels that this changes: a fold that equals doing all at once."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from regimecast.data.returns import trailing_volatility
from regimecast.labels.barriers import barrier_labels
from regimecast.labels.base import INCOMPLETE
from regimecast.labels.cusum import cusum_sums
from regimecast.labels.incremental.rows import NO_ENTRY, Rows
from regimecast.labels.incremental.rule import LabelRule
from regimecast.labels.widths import average_true_range

__all__ = ["Merge", "merge", "relabel"]

_PRICES = ("high", "low", "close")


@dataclass(frozen=True, eq=False)
class Merge:
    """Known bars with the new ones among given bars."""

    rows: Rows
    first: int
    """Row of the first new bar; the number of rows where there is none."""
    new: int
    late: int
    """New bars that come before the last known one."""
    repeated: int
    """Given bars whose time was known, prices the same."""
    kept: Rows
    """Known bars that were given again with other prices."""
    refused: Rows
    """What was given for them."""


def merge(known: Rows, given: Rows) -> Merge:
    """Both together in order of time. A bar that is known stays as it is, whatever is given for it.

    Args:
        known: bars with labels.
        given: bars in order of time; of those with one time the first counts.
    """
    place = np.searchsorted(known.time, given.time)
    is_known = np.zeros(len(given), dtype=bool)
    inside = place < len(known)
    is_known[inside] = known.time[place[inside]] == given.time[inside]
    first_of_time = np.ones(len(given), dtype=bool)
    first_of_time[1:] = np.diff(given.time) > 0
    new = first_of_time & ~is_known
    added = given if new.all() else given[new]
    late = int((added.time < known.time[-1]).sum()) if len(known) else 0
    if late:
        rows = known.each(lambda name, values: np.insert(values, place[new], getattr(added, name)))
    else:
        rows = Rows.concatenated(known, added)
    again = given[~new]
    standing = rows[np.searchsorted(rows.time, again.time)]
    differs = _differs(standing, again)
    return Merge(
        rows=rows,
        first=int(place[new][0]) if len(added) else len(rows),
        new=len(added),
        late=late,
        repeated=int((~differs).sum()),
        kept=standing[differs],
        refused=again[differs],
    )


def _differs(left: Rows, right: Rows) -> Bool[np.ndarray, " N"]:
    differs = np.zeros(len(left), dtype=bool)
    for name in _PRICES:
        differs |= getattr(left, name) != getattr(right, name)
    return differs


def relabel(rows: Rows, first: int, rule: LabelRule) -> Rows:
    """Rows with the labels that they have once the bars from `first` on are new.

    The rows before `first` keep their scale and their sums. Labels are made anew for every entry
    whose deadline reaches `first`. At least `rule.margin` rows before `first` are needed, or all
    that there are.
    """
    scale = np.concatenate([rows.scale[:first], _scale(rows, first, rule)])
    rise, fall, entered = _entered(rows, scale, first, rule)
    start = max(0, first - rule.horizon)
    close = rows.close[start:]
    unit = rule.widths(scale[start:], close)
    entries = np.flatnonzero(entered[start:])
    label = np.full(len(close), INCOMPLETE, dtype=np.int8)
    held = np.full(len(close), NO_ENTRY, dtype=np.int32)
    ret = np.full(len(close), np.nan)
    labels = barrier_labels(
        close,
        rows.high[start:],
        rows.low[start:],
        upper=rule.upper * unit,
        lower=rule.lower * unit,
        horizon=rule.horizon,
        entries=entries,
        cost_bps=rule.cost_bps,
        tie=rule.tie,
    )
    label[entries] = labels.label
    held[entries] = np.where(labels.exit >= 0, labels.exit - entries, -1)
    ret[entries] = labels.ret
    return Rows(
        time=rows.time,
        high=rows.high,
        low=rows.low,
        close=rows.close,
        scale=scale,
        label=np.concatenate([rows.label[:start], label]),
        held=np.concatenate([rows.held[:start], held]),
        ret=np.concatenate([rows.ret[:start], ret]),
        rise=rise,
        fall=fall,
    )


def _entered(
    rows: Rows, scale: Float[np.ndarray, " N"], first: int, rule: LabelRule
) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"], Bool[np.ndarray, " N"]]:
    """Both sums of the event filter after each row, and where an entry is."""
    known = np.isfinite(scale)
    if rule.entries == "every":
        nothing = np.zeros(len(rows))
        return nothing, nothing, known
    context = max(0, first - 1)
    part = slice(context, None)
    sums = cusum_sums(
        rows.close[part],
        rule.event_size * rule.widths(scale[part], rows.close[part]),
        start=(float(rows.rise[context]), float(rows.fall[context])) if first else (0.0, 0.0),
    )
    new = first - context  # 1 where the first row of the part is the last one known
    entered = np.concatenate([rows.held[:first] > NO_ENTRY, sums.event[new:] & known[first:]])
    rise = np.concatenate([rows.rise[:first], sums.rise[new:]])
    fall = np.concatenate([rows.fall[:first], sums.fall[new:]])
    return rise, fall, entered


def _scale(rows: Rows, first: int, rule: LabelRule) -> Float[np.ndarray, " M"]:
    """Scale of the rows from `first` on."""
    if rule.unit == "fraction":
        return np.ones(len(rows) - first)
    if rule.unit == "volatility":
        context = max(0, first - rule.window)
        returns = np.full(len(rows) - context, np.nan)
        returns[1:] = np.diff(np.log(rows.close[context:]))
        return trailing_volatility(returns, window=rule.window)[first - context :]
    # The average is recursive: it goes on from the last one known. In warm-up there is none, and
    # then these rows hold all bars since the start.
    known = first > 0 and np.isfinite(rows.scale[first - 1])
    context = first - 1 if known else 0
    average = average_true_range(
        rows.high[context:],
        rows.low[context:],
        rows.close[context:],
        window=rule.window,
        start=float(rows.scale[context]) if known else np.nan,
    )
    return average[first - context :]
