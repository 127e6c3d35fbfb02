"""Leave one event out: how a model does in a crash when it has seen all crashes but this one."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from regimecast.core.errors import ConfigError, DataError, did_you_mean
from regimecast.core.types import Regime, Samples
from regimecast.splits.around import Around
from regimecast.splits.base import Event, Fold, SplitRegistry
from regimecast.splits.parts import Timeline
from regimecast.splits.spans import time_of

__all__ = ["LeaveOneEventOut"]

_log = logging.getLogger(__name__)

_DAY = np.timedelta64(86_400 * 10**9 - 1, "ns")
"""From midnight to the last moment of the day."""

_KEYS = ("name", "start", "end", "regime", "weight")


@SplitRegistry.register("leave_one_event_out")
class LeaveOneEventOut(Around):
    """One fold per event: its origins test, all else trains, other events of its kind included.

    A random share of a crash would be told by the rest of the same crash. An event without samples
    in the data is left out, and the log says so.

    Args:
        events: each with `name`, `start`, `end`, `regime` (a name or an alias) and `weight`, what
            it counts among the others. An end at midnight, as of a date alone, means its whole day.
            Events must not overlap.
        validation: tail of the training times, purged, that validates: bars, time or a share of
            them; 0 for none, as scikit-learn's cross-validation has it.
        purge: ``auto`` for the interval rule, or a number of bars (see `PurgeRule`).
        embargo: extra distance on both sides of each part: bars, time, or a fraction of the whole.

    Raises:
        ConfigError: there is no event, one lacks a key, has an unknown one, ends before it starts,
            has no weight above 0, or two of them share a name or a time.
    """

    def __init__(
        self,
        *,
        events: Sequence[Mapping[str, Any]],
        validation: int | float | str,
        purge: int | str,
        embargo: int | float | str,
    ) -> None:
        if not events:
            raise ConfigError("split.events is empty; give at least one event")
        self.events = sorted(
            (_event(number, given) for number, given in enumerate(events)), key=lambda e: e.start
        )
        """In order of time."""
        for index, event in enumerate(self.events):
            for other in self.events[:index]:
                if event.name == other.name:
                    raise ConfigError(f"split.events has {event.name!r} twice")
                if event.start <= other.end:
                    raise ConfigError(
                        f"split.events: {event.name!r} begins at {event.start}, before "
                        f"{other.name!r} ends at {other.end}"
                    )
        super().__init__(validation=validation, purge=purge, embargo=embargo)

    def split(self, samples: Samples) -> list[Fold]:
        """Folds in the order of their events.

        Raises:
            DataError: no event has samples in the data, or a part would be empty.
        """
        timeline = Timeline(samples)
        times = timeline.times.view("datetime64[ns]")
        first, last = (str(time)[:10] for time in (times[0], times[-1]))
        folds = []
        for event in self.events:
            tested = (times >= event.start) & (times <= event.end)
            if not tested.any():
                _log.warning(
                    "event %r (%s to %s) is left out: no sample of the data, %s to %s, is in it",
                    event.name,
                    str(event.start)[:10],
                    str(event.end)[:10],
                    first,
                    last,
                )
                continue
            label = f"split {self.name!r}, event {event.name!r},"
            folds.append(
                timeline.around(tested, self._validation, self._rule, label=label, event=event)
            )
        if not folds:
            raise DataError(
                f"split {self.name!r}: none of {len(self.events)} events has samples in the data, "
                f"{first} to {last}. Use data that hold them, or give split.events of your own"
            )
        return folds


def _event(number: int, given: Mapping[str, Any]) -> Event:
    key = f"split.events[{number}]"
    for name in given:
        if name not in _KEYS:
            raise ConfigError(
                f"{key} has no key {name!r}.{did_you_mean(name, _KEYS)} Allowed: {', '.join(_KEYS)}"
            )
    if missing := [name for name in _KEYS if name not in given]:
        raise ConfigError(f"{key} needs {', '.join(missing)}")
    weight = given["weight"]
    is_number = isinstance(weight, int | float) and not isinstance(weight, bool)
    if not (is_number and 0 < weight < np.inf):
        raise ConfigError(f"{key}.weight={weight!r}; allowed: a number above 0")
    start, end = (time_of(given[name], key=f"{key}.{name}") for name in ("start", "end"))
    if end == end.astype("datetime64[D]"):
        end += _DAY
    if end < start:
        raise ConfigError(f"{key}: end={given['end']!r} comes before start={given['start']!r}")
    regime = Regime.of(str(given["regime"]), key=f"{key}.regime")
    return Event(str(given["name"]), start, end, regime, float(weight))
