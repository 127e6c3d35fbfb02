"""Return series of trials: checked, put on one calendar, and their Sharpe ratios."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

__all__ = ["Track", "aligned", "mean_track", "shared_calendar"]

_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Track:
    """Out-of-sample returns of one trial, after costs."""

    time: Shaped[np.ndarray, " T"]
    """When each return was known, datetime64[ns], ascending."""
    returns: Float[np.ndarray, " T"]
    """Simple, per bar."""

    def flaw(self) -> str | None:
        """Why nothing can be computed from them, in a few words."""
        if missing := int((~np.isfinite(self.returns)).sum()):
            return f"{missing} of {len(self.returns)} returns are NaN or infinite"
        if len(self.returns) < 2:
            return f"{len(self.returns)} return{'s' if len(self.returns) != 1 else ''} only"
        if not (np.diff(self.time) > np.timedelta64(0, "ns")).all():
            return "times of the returns do not increase"
        return None

    @cached_property
    def sharpe(self) -> float | None:
        """Per observation; None where the returns do not vary beyond rounding.

        As `trading_metrics.sharpe`, whose module is slow to import.
        """
        deviation = float(self.returns.std(ddof=1))
        if deviation <= _ROUNDING * max(1.0, float(np.abs(self.returns).max())):
            return None
        return float(self.returns.mean()) / deviation

    @cached_property
    def moments(self) -> dict[str, float]:
        """``skew`` and ``kurtosis``, not corrected for bias; empty without a Sharpe ratio."""
        if self.sharpe is None:
            return {}
        unit = (self.returns - self.returns.mean()) / self.returns.std()
        square = unit * unit
        return {"skew": float((square * unit).mean()), "kurtosis": float((square * square).mean())}


def mean_track(tracks: Sequence[Track]) -> Track | None:
    """What all of them held in equal parts would have earned; None where their times differ."""
    first = tracks[0]
    if any(not np.array_equal(first.time, track.time) for track in tracks[1:]):
        return None
    return Track(first.time, np.mean([track.returns for track in tracks], axis=0))


def aligned(tracks: Sequence[Track], *, most: int = 20_000) -> Float[np.ndarray, "T N"]:
    """Returns on all times that any track has, NaN where one has none.

    Args:
        tracks: at least one.
        most: rows; returns of neighbouring times are added up where there are more times.
    """
    calendars, which = _calendars(tracks)
    times = calendars[0] if len(calendars) == 1 else np.unique(np.concatenate(calendars))
    rows = min(len(times), most)
    row = np.arange(len(times)) * rows // len(times)
    places = [row[np.searchsorted(times, calendar)] for calendar in calendars]
    given = [np.bincount(place, minlength=rows) > 0 for place in places]
    table = np.empty((rows, len(tracks)))
    for number, track in enumerate(tracks):
        total = np.bincount(places[which[number]], weights=track.returns, minlength=rows)
        table[:, number] = np.where(given[which[number]], total, np.nan)
    return table


def shared_calendar(
    tracks: Sequence[Track], *, share: float = 0.5
) -> tuple[Float[np.ndarray, "T N"], list[int]]:
    """Returns at the times that most tracks have in common, and which tracks those are.

    The calendar of most tracks comes first, of several the longest. Each other one joins, those of
    more tracks first, if at least this share of the first one's times is left by all of them.

    Args:
        tracks: in any order.
        share: of the first calendar's times, above 0 and at most 1.
    """
    calendars, which = _calendars(tracks)
    order = sorted(
        range(len(calendars)), key=lambda n: (which.count(n), len(calendars[n])), reverse=True
    )
    common: np.ndarray = calendars[order[0]]
    least = share * len(common)
    joined = set()
    for number in order:
        both = np.intersect1d(common, calendars[number], assume_unique=True)
        if len(both) >= least:
            common = both
            joined.add(number)
    kept = [number for number, calendar in enumerate(which) if calendar in joined]
    places = {number: np.searchsorted(calendars[number], common) for number in joined}
    columns = [tracks[number].returns[places[which[number]]] for number in kept]
    return np.stack(columns, axis=1), kept


def _calendars(tracks: Sequence[Track]) -> tuple[list[Any], list[int]]:
    """Different calendars, and the number of each track's."""
    numbers: dict[bytes, int] = {}
    calendars: list[Any] = []
    which = []
    for track in tracks:
        key = np.ascontiguousarray(track.time).tobytes()
        if key not in numbers:
            numbers[key] = len(calendars)
            calendars.append(track.time)
        which.append(numbers[key])
    return calendars, which
