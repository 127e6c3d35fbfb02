"""Labels on disk that new bars bring up to date, as if all bars had been labelled at once.

**What that means with a rolling window.** The labels equal those of one pass over every bar that
was taken in since the start, cut to the window. Bars that have left the window still count: through
the recursive average true range, whose value at the first bar kept is kept too, and through the
bars before the window that a unit of distance reads. A change of the rule makes a new start, at
the first bar kept.
"""

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from regimecast.core.errors import ConfigError, DataError
from regimecast.labels.checks import is_real
from regimecast.labels.incremental.delta import Action, Delta, DeltaDetector
from regimecast.labels.incremental.fold import relabel
from regimecast.labels.incremental.layout import closed_pieces
from regimecast.labels.incremental.plan import (
    Work,
    first_run,
    needed,
    plan,
    salvage,
    state_of,
    window_start,
)
from regimecast.labels.incremental.quarantine import Quarantine
from regimecast.labels.incremental.rows import SCHEMA, Rows
from regimecast.labels.incremental.rule import LabelRule
from regimecast.labels.incremental.store import DamageError, LabelStore, Segment, State

__all__ = ["IncrementalLabeler", "LabelUpdate"]

_DAY = 86_400_000_000_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class LabelUpdate:
    """What one update did."""

    asset: str
    action: Action
    reason: str
    new: int
    """Bars taken in."""
    late: int
    """Bars taken in that come before the last one known."""
    repeated: int
    """Bars that were known already, with the same prices."""
    conflicts: int
    """Bars that were known with other prices; the known ones count, both are in the quarantine."""
    expired: int
    """Bars left out because they come before the window."""
    damaged: tuple[str, ...]
    """Files that were not what was written."""
    rows: Rows
    """Bars that were read or taken in, with their labels."""
    changed: int
    """The first of them whose label is new or revised."""

    @cached_property
    def labels(self) -> pd.DataFrame:
        """New and revised labels as `load_cache` gives them, those not complete yet included."""
        return self.rows.to_frame(self.changed)


class IncrementalLabeler:
    """Triple-barrier labels per asset, kept in a folder and brought up to date with new bars.

    An update that finds the labels of another rule, of other code or of other costs labels all kept
    bars anew. Bars need not come in order: late ones are sorted in and what they change is labelled
    anew. Processes may share a folder: on one asset one waits for the other. There is no option for
    workers: ninety days of minutes are labelled and written in less time than a process needs to
    start (``regimecast bench incremental``).

    Args:
        folder: where the files are, one folder per asset.
        rule: what a label is.
        rolling_window_days: days up to the last bar that are kept; None keeps everything.
        lock_timeout: seconds to wait for another process.

    Raises:
        ConfigError: a value is out of range.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        rule: LabelRule,
        rolling_window_days: float | int | None = None,
        lock_timeout: float = 60.0,
    ) -> None:
        days = np.inf if rolling_window_days is None else rolling_window_days
        if rolling_window_days is not None and not (is_real(days) and 0.0 < days < np.inf):
            raise ConfigError(
                f"rolling_window_days={days!r}; allowed: a number above 0, or None for no window"
            )
        self.folder = Path(folder)
        self.rule = rule
        self.rolling_window_days = rolling_window_days
        self.lock_timeout = lock_timeout

    @classmethod
    def for_mode(
        cls,
        mode: str,
        folder: Path | str,
        *,
        rolling_window_days: float | int | None = 90,
        **changes: Any,
    ) -> "IncrementalLabeler":
        """A labeler with the rule of a trading mode, a yaml in ``conf/labels/modes/``.

        Args:
            mode: such as ``scalp`` or ``runner``.
            folder: where the files are.
            rolling_window_days: days that are kept.
            changes: settings of `LabelRule` that differ from the mode's.

        Raises:
            ConfigError: there is no such mode or setting.
        """
        rule = LabelRule.for_mode(mode, **changes)
        return cls(folder, rule=rule, rolling_window_days=rolling_window_days)

    @property
    def config_hash(self) -> str:
        """SHA-256 of rule, costs, code and columns; labels of another hash are not used."""
        return self.rule.hash(SCHEMA)

    def update(
        self, asset: str, bars: pd.DataFrame | None = None, *, full: bool = False
    ) -> LabelUpdate:
        """What was done; the files then hold the labels of all bars that were ever given.

        Args:
            asset: name; it may hold any characters.
            bars: new bars, in any order: ``high``, ``low``, ``close``, indexed by time (UTC where
                it names no zone). Left out, only a change of the rule or `full` leads to work.
            full: label every kept bar anew.

        Raises:
            DataError: the bars cannot be used, nothing is known and no bars are given, a file is
                damaged and the bars do not cover it, or the folder cannot be written to. What is
                on disk then stays as it was.
        """
        store = self._store(asset)
        given = Rows.concatenated() if bars is None else Rows.from_frame(bars)
        if not len(given) and not store.folder.is_dir():
            raise DataError(f"{asset!r} has no labels in {self.folder}; give its bars")
        with store.locked(self.lock_timeout):
            try:
                return self._update(asset, store, given, full=full)
            except OSError as error:
                raise DataError(f"{store.folder} cannot be written to: {error}") from error

    def load_cache(self, asset: str) -> pd.DataFrame:
        """Labels in the window, indexed by time (naive UTC).

        Columns ``label, exit, ret, scale, entry``, see `Rows.to_frame`.

        ``label`` is `INCOMPLETE` and ``exit`` NaT until a barrier or the deadline is met. They are
        those of the last update, whatever rule made them: compare `cached_hash`.

        Raises:
            DataError: there are none, or a file is damaged; the message names the bars to give.
        """
        store = self._store(asset)
        state = self._state(asset, store)
        while True:
            try:
                rows = store.read(state.segments)
            except DamageError as error:
                newer = self._state(asset, store)
                if newer == state:
                    _, damaged = store.checked(state, thorough=True)
                    raise DamageError(f"{error}; {needed(damaged)}") from error
                state = newer  # another process has updated meanwhile
                continue
            return rows.to_frame(window_start(rows, state.after))

    def cached_hash(self, asset: str) -> str | None:
        """`config_hash` of the rule that made the labels on disk; None where there are none."""
        state = state_of(self._store(asset))
        return None if state is None else state.config_hash

    def conflicts(self, asset: str) -> pd.DataFrame:
        """Bars that were given again with other prices: those that count and those refused."""
        return Quarantine(self._store(asset).folder).read()

    def detect(self, asset: str, bars: pd.DataFrame) -> Delta:
        """What `update` would do with the bars.

        Raises:
            DataError: a file is damaged.
        """
        state = state_of(self._store(asset))
        return DeltaDetector.detect(
            bars,
            labels=None if state is None else self.load_cache(asset),
            config_hash=self.config_hash,
            cached_hash=None if state is None else state.config_hash,
            after=None if state is None or state.after is None else pd.Timestamp(state.after),
            last_run=None if state is None else pd.Timestamp(state.updated),
        )

    def _store(self, asset: str) -> LabelStore:
        return LabelStore.of(self.folder, asset)

    def _state(self, asset: str, store: LabelStore) -> State:
        state = state_of(store)
        if state is None:
            raise DataError(f"{asset!r} has no labels in {self.folder}; give its bars to update")
        return state

    def _update(self, asset: str, store: LabelStore, given: Rows, *, full: bool) -> LabelUpdate:
        state, rule, config_hash = None, self.rule, self.config_hash
        try:
            state = store.state()
            if state is not None:
                work = plan(store, state, given, rule=rule, config_hash=config_hash, full=full)
            elif len(given):
                work = first_run(given)
            else:
                raise DataError(f"{asset!r} has no labels in {self.folder}; give its bars")
        except DamageError as error:
            if state is not None:
                raise
            work = salvage(store, given, rule, config_hash, error)
        if work.damaged:
            _log.warning("%s: labelled anew, %s", asset, work.reason)
        conflicts = len(work.merge.refused)
        if conflicts:
            _log.warning("%s: %d bars were given again with other prices", asset, conflicts)
            Quarantine(store.folder).add(work.merge.kept, work.merge.refused)
        rows, changed = self._label(store, state, work, config_hash)
        return LabelUpdate(
            asset=asset,
            action=work.action,
            reason=work.reason,
            new=work.merge.new,
            late=work.merge.late,
            repeated=work.merge.repeated,
            conflicts=conflicts,
            expired=work.expired,
            damaged=work.damaged,
            rows=rows,
            changed=changed,
        )

    def _label(
        self, store: LabelStore, state: State | None, work: Work, config_hash: str
    ) -> tuple[Rows, int]:
        """The work's rows with labels, once they are on disk, and the first that has changed."""
        if work.action == "cache":
            return work.rows, len(work.rows)
        rows = relabel(work.rows, work.first, self.rule)
        after = self._after(rows, state)
        changed = max(work.first - self.rule.horizon, window_start(rows, after), 0)
        kept = rows
        if not work.keep:
            kept = rows[max(0, window_start(rows, after) - self.rule.lookback) :]
        new = State(
            config_hash=config_hash,
            config=dict(vars(self.rule)),
            lookback=self.rule.lookback,
            after=after,
            updated=datetime.now(UTC).replace(tzinfo=None).isoformat(),
            segments=(*work.keep, *self._written(store, kept, config_hash)),
        )
        store.commit(replace(new, segments=new.segments[new.n_expendable :]))
        return rows, changed

    def _after(self, rows: Rows, state: State | None) -> int | None:
        """Time up to which bars have left the window; it never goes back."""
        before = None if state is None else state.after
        if self.rolling_window_days is None:
            return before
        after = int(rows.time[-1]) - round(self.rolling_window_days * _DAY)
        return after if before is None else max(before, after)

    def _written(self, store: LabelStore, rows: Rows, config_hash: str) -> list[Segment]:
        """New segments: finished rows closed once there are enough, the others in the last one."""
        pieces = closed_pieces(len(rows) - self.rule.margin)
        closed = [
            store.write(rows[start:end], config_hash, compressed=True) for start, end in pieces
        ]
        rest = rows[pieces[-1][1] :] if pieces else rows
        return [*closed, store.write(rest, config_hash, compressed=False)]
