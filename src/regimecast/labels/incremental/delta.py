"""What an update would find: new bars, open labels, a changed config, and what follows from it."""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from regimecast.labels.base import INCOMPLETE
from regimecast.labels.incremental.rows import check_frame

__all__ = ["Action", "Delta", "DeltaDetector", "format_delta_summary"]

Action = Literal["full", "incremental", "cache"]
"""Label everything anew, label what new bars change, or nothing to do."""


@dataclass(frozen=True)
class Delta:
    """How the given bars differ from what is labelled already."""

    new: int
    """Bars whose time is not labelled yet, late ones included."""
    late: int
    """New bars that come before the last labelled one."""
    first: pd.Timestamp | None
    """Time of the first new bar."""
    last: pd.Timestamp | None
    incomplete: int
    """Labels whose future was not complete; new bars may complete them."""
    config: Literal["none", "same", "changed"]
    """``none``: nothing is labelled yet."""
    action: Action
    last_run: pd.Timestamp | None = None
    """When the last update was, UTC."""

    @property
    def requires_full(self) -> bool:
        """True where nothing that is labelled can stay."""
        return self.action == "full"

    @property
    def has_new(self) -> bool:
        """True where there is a bar that is not labelled yet."""
        return self.new > 0


class DeltaDetector:
    """Compares bars with labels; reads and writes nothing."""

    @staticmethod
    def detect(
        bars: pd.DataFrame,
        *,
        labels: pd.DataFrame | None,
        config_hash: str,
        cached_hash: str | None,
        after: pd.Timestamp | None = None,
        last_run: pd.Timestamp | None = None,
    ) -> Delta:
        """What to do about the bars.

        Args:
            bars: indexed by time, or with a column ``time``.
            labels: what is labelled already, as `IncrementalLabeler.load_cache` gives it; None
                where nothing is.
            config_hash: of the rule that labels now, `IncrementalLabeler.config_hash`.
            cached_hash: of the rule that made `labels`.
            after: bars up to this time have left the window and do not count.
            last_run: when `labels` were made.

        Raises:
            DataError: bars are no frame.
        """
        check_frame(bars)
        time = pd.DatetimeIndex(bars.get("time", bars.index))
        time = time.tz_convert("UTC").tz_localize(None) if time.tz is not None else time
        if after is not None:
            time = time[time > after]
        known = labels is not None and len(labels) > 0
        fresh = time.unique().sort_values()
        late = 0
        if labels is not None and known:
            fresh = fresh.difference(pd.DatetimeIndex(labels.index))
            late = int((fresh < labels.index[-1]).sum())
        config: Literal["none", "same", "changed"] = "none"
        if known and cached_hash is not None:
            config = "same" if cached_hash == config_hash else "changed"
        action: Action = "incremental" if len(fresh) else "cache"
        return Delta(
            new=len(fresh),
            late=late,
            first=fresh[0] if len(fresh) else None,
            last=fresh[-1] if len(fresh) else None,
            incomplete=0 if labels is None else _incomplete(labels),
            config=config,
            action=action if config == "same" else "full",
            last_run=last_run,
        )


def _incomplete(labels: pd.DataFrame) -> int:
    waiting = labels["label"] == INCOMPLETE
    return int((waiting & labels["entry"] if "entry" in labels else waiting).sum())


def format_delta_summary(delta: Delta, *, now: pd.Timestamp | None = None) -> str:
    """The delta as lines of text for a terminal or a log.

    Args:
        delta: what `DeltaDetector.detect` found.
        now: time that the age of the last run is counted to, UTC; left out, the age is too.
    """
    span = f": {delta.first} to {delta.last}" if delta.has_new else ""
    late = f", {delta.late:,} of them late" if delta.late else ""
    config = {"none": "no labels yet", "same": "unchanged", "changed": "changed"}[delta.config]
    action = {
        "full": "label everything anew",
        "incremental": "label what the new bars change",
        "cache": "nothing to do, the labels stand",
    }[delta.action]
    lines = [
        f"new bars           {delta.new:,}{late}{span}",
        f"incomplete labels  {delta.incomplete:,}",
        f"config             {config}",
        f"action             {delta.action}: {action}",
    ]
    if delta.last_run is not None:
        age = "" if now is None else f", {(now - delta.last_run).floor('s')} ago"
        lines.append(f"last run           {delta.last_run.floor('s')}{age}")
    return "\n".join(lines)
