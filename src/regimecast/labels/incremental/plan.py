"""What an update has to do: which rows to read, which to label and which files stay."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool

from regimecast.core.errors import DataError
from regimecast.labels.incremental.delta import Action
from regimecast.labels.incremental.fold import Merge, merge
from regimecast.labels.incremental.layout import n_staying
from regimecast.labels.incremental.rows import Rows
from regimecast.labels.incremental.rule import LabelRule
from regimecast.labels.incremental.store import (
    DamageError,
    FormatError,
    LabelStore,
    Segment,
    State,
)

__all__ = ["Work", "first_run", "needed", "plan", "salvage", "state_of", "window_start"]


@dataclass(frozen=True, eq=False)
class Work:
    """Files that stay, the rows after them, and from which row on they are to be labelled."""

    action: Action
    reason: str
    keep: tuple[Segment, ...]
    rows: Rows
    first: int
    merge: Merge
    expired: int = 0
    damaged: tuple[str, ...] = ()


def window_start(rows: Rows, after: int | None) -> int:
    """First row that has not left the window."""
    return 0 if after is None else int(np.searchsorted(rows.time, after, side="right"))


def first_run(given: Rows) -> Work:
    """Work where there is nothing on disk yet."""
    merged = merge(Rows.concatenated(), given)
    return Work("full", "first run", (), merged.rows, 0, merged)


def plan(
    store: LabelStore,
    state: State,
    given: Rows,
    *,
    rule: LabelRule,
    config_hash: str,
    full: bool,
) -> Work:
    """Work that brings the files up to date.

    Raises:
        DamageError: files are damaged and the given bars do not hold what they held.
    """
    state, damaged = store.checked(state, thorough=False)
    if not damaged:
        try:
            if full or state.config_hash != config_hash:
                return _anew(store, state, given, rule, config_hash)
            return _forward(store, state, given, rule)
        except DamageError:  # the file's time and size did not tell
            state, damaged = store.checked(state, thorough=True)
    return _repair(store, state, damaged, given, rule, config_hash, full=full)


def salvage(
    store: LabelStore, given: Rows, rule: LabelRule, config_hash: str, damage: DamageError
) -> Work:
    """Work where the state cannot be used: the bars of every sound file, and the given ones.

    Raises:
        DamageError: no bars are given.
    """
    if not len(given):
        raise DamageError(f"{damage}; give the bars to label them anew")
    known = Rows.concatenated()
    parts, same = store.found(config_hash)
    for part in parts:
        known = merge(known, part).rows
    merged = merge(known, given)
    first = _resumed(merged, rule) if same else 0
    damaged = () if isinstance(damage, FormatError) else ("state.json",)
    reason = f"{damage}; {len(known):,} bars recovered from its other files"
    return Work("full", reason, (), merged.rows, first, merged, damaged=damaged)


def state_of(store: LabelStore) -> State | None:
    """The state for a reader, None where there is none yet.

    Raises:
        DamageError: it cannot be used; the message says how to make it good.
    """
    try:
        return store.state()
    except DamageError as error:
        raise type(error)(
            f"{error}; an update with any bars makes it good: those in sound files stay, others "
            "have to be given again"
        ) from error


def needed(damaged: Sequence[Segment]) -> str:
    """Which bars would make good for damaged segments, for a message."""
    spans = "; ".join(
        f"{s.rows:,} bars from {pd.Timestamp(s.first)} to {pd.Timestamp(s.last)}" for s in damaged
    )
    return f"update with the bars that it held: {spans}"


def _anew(store: LabelStore, state: State, given: Rows, rule: LabelRule, config_hash: str) -> Work:
    rows = store.read(state.segments)
    given, expired = _inside(given, given.time > _after(state))
    return _relabelled(rows, state, given, expired, rule, config_hash)


def _resumed(merged: Merge, rule: LabelRule) -> int:
    """Row from which all is made anew. Those before it are no more than the first units read.

    What is recursive goes on from what is kept of them; without, a window would change its labels.
    """
    return min(max(1, rule.lookback), merged.first)


def _relabelled(
    rows: Rows, state: State, given: Rows, expired: int, rule: LabelRule, config_hash: str
) -> Work:
    """Every kept bar labelled anew. Under the same rule the recursion goes on from the first."""
    changed = state.config_hash != config_hash
    if changed:
        rows = rows[max(0, window_start(rows, state.after) - state.lookback) :]
    merged = merge(rows, given)
    first = 0 if changed else _resumed(merged, rule)
    reason = "config, costs, code or columns changed" if changed else "asked for"
    return Work("full", reason, (), merged.rows, first, merged, expired)


def _forward(store: LabelStore, state: State, given: Rows, rule: LabelRule) -> Work:
    """New bars alone; files with rows that they cannot change are neither read nor written."""
    given, expired = _inside(given, given.time > _after(state))
    segments = state.segments
    if not len(given):
        nothing = merge(Rows.concatenated(), given)
        return Work("cache", "no new bars", segments, nothing.rows, 0, nothing, expired)
    start = (
        max(int(np.searchsorted([s.first for s in segments], given.time[0], side="right")), 1) - 1
    )
    known = store.read(segments[start:])
    merged = merge(known, given)
    while merged.new and merged.first < rule.margin and start > 0:
        start -= 1
        known = Rows.concatenated(store.read(segments[start : start + 1]), known)
        merged = merge(known, given)
    if not merged.new:
        return Work("cache", "no new bars", segments, merged.rows, 0, merged, expired)
    bounds = np.cumsum([0, *(s.rows for s in segments[start:-1])])
    stay = int(np.searchsorted(bounds, max(0, merged.first - rule.margin), side="right")) - 1
    rows, first = merged.rows[int(bounds[stay]) :], merged.first - int(bounds[stay])
    keep = start + stay
    joined = n_staying([s.rows for s in segments], keep, len(rows) - rule.margin)
    if joined < keep:
        before = store.read(segments[joined:keep])
        rows, first = Rows.concatenated(before, rows), first + len(before)
    reason = "late bars" if merged.late else "new bars"
    return Work("incremental", reason, segments[:joined], rows, first, merged, expired)


def _repair(
    store: LabelStore,
    state: State,
    damaged: Sequence[Segment],
    given: Rows,
    rule: LabelRule,
    config_hash: str,
    *,
    full: bool,
) -> Work:
    """The bars of sound files and the given ones, which must hold what the damaged files held."""
    names = ", ".join(segment.name for segment in damaged)
    times = np.unique(given.time)
    held = np.zeros(len(given), dtype=bool)
    for segment in damaged:
        held |= (given.time >= segment.first) & (given.time <= segment.last)
        found = ((times >= segment.first) & (times <= segment.last)).sum()
        if found < segment.rows and not full:
            raise DamageError(
                f"{names} in {store.folder} is not what was written; {needed(damaged)}, or with "
                "full=True to go on without them"
            )
    sound = Rows.concatenated(*(store.read([s]) for s in state.segments if s not in damaged))
    given, expired = _inside(given, held | (given.time > _after(state)))
    if not len(sound) and not len(given):
        raise DataError(f"{names} in {store.folder} is not what was written; give the bars")
    work = _relabelled(sound, state, given, expired, rule, config_hash)
    return Work(
        "full",
        f"damaged: {names}; {len(sound):,} bars recovered from other files",
        (),
        work.rows,
        work.first,
        work.merge,
        expired,
        tuple(segment.name for segment in damaged),
    )


def _after(state: State) -> int:
    return np.iinfo(np.int64).min if state.after is None else state.after


def _inside(given: Rows, inside: Bool[np.ndarray, " N"]) -> tuple[Rows, int]:
    """Given bars that count, and how many do not."""
    return (given, 0) if inside.all() else (given[inside], int((~inside).sum()))
