"""Bar times of a market from its calendar alone: those that were, and those that were scheduled.

The actual calendar leaves out closures that nobody foresaw (11 September 2001, hurricanes, days of
mourning). It is right for judging a record of the past, and it leaks into anything that a model may
know ahead. The scheduled calendar holds what rules gave years before: weekdays and their lasting
changes, yearly holidays, yearly early closes. Every date that ``exchange_calendars`` lists by hand
is a normal day in it. That includes holidays that were announced after all, such as the Chinese New
Year of XSHG or XHKG: nothing in the lists tells them from a typhoon, and taking a holiday for a
session is never a leak.
"""

from functools import lru_cache
from typing import Any

import exchange_calendars
import numpy as np
import pandas as pd
from jaxtyping import Bool, Shaped

from regimecast.core.errors import ConfigError, DataError, did_you_mean

__all__ = [
    "ALWAYS_OPEN",
    "bar_length",
    "exchange_of",
    "expected_times",
    "frequency_text",
    "trading_grid",
    "usual_step",
]

ALWAYS_OPEN = "24/7"
"""Calendar of markets that never close."""


_LASTING = pd.Timedelta("365D")
"""Weekdays of trading that changed for less than this were a special session, not a schedule."""


def exchange_of(
    calendar: str, time: Shaped[np.ndarray, " T"], *, scheduled: bool
) -> exchange_calendars.ExchangeCalendar:
    """Calendar of an exchange over the years of `time` and one year on either side.

    Whole years, so that what is said of one date never depends on which other dates are asked for.

    Args:
        calendar: exchange code or ``24/7``.
        time: times that the calendar shall cover.
        scheduled: sessions and hours as they were known years before, for what models may know
            ahead; else as they came about.

    Raises:
        ConfigError: unknown calendar.
        DataError: the calendar does not reach the times, or a time is missing.
    """
    if len(time) == 0 or np.isnat(time).any():
        raise DataError("a calendar needs at least one time and no missing ones")
    first, last = pd.Timestamp(time.min()).year - 1, pd.Timestamp(time.max()).year + 1
    return _load(calendar, first, last, scheduled)


@lru_cache(maxsize=8)
def _load(
    name: str, first_year: int, last_year: int, scheduled: bool
) -> exchange_calendars.ExchangeCalendar:
    names = exchange_calendars.get_calendar_names()
    if name not in names:
        raise ConfigError(
            f"unknown calendar {name!r}.{did_you_mean(name, names)} "
            f"Use {ALWAYS_OPEN!r} or an exchange code such as XNYS, XLON, XTKS"
        )
    kind = type(exchange_calendars.get_calendar(name))
    start, end = pd.Timestamp(first_year, 1, 1), pd.Timestamp(last_year, 12, 31)
    earliest, latest = kind.bound_min(), kind.bound_max()
    start = start if earliest is None else max(start, earliest)
    end = end if latest is None else min(end, latest)
    if start.year > first_year + 1 or end.year < last_year - 1:
        raise DataError(
            f"calendar {name!r} is known from {earliest} to {latest}, the data need "
            f"{first_year + 1} to {last_year - 1}; name another calendar or leave out the features "
            "that need it"
        )
    return (_scheduled(kind) if scheduled else kind)(start=start, end=end)


def _scheduled(
    kind: type[exchange_calendars.ExchangeCalendar],
) -> type[exchange_calendars.ExchangeCalendar]:
    """The exchange by its rules alone, without any date that is listed by hand."""
    listed = ("adhoc_holidays", "special_opens_adhoc", "special_closes_adhoc")
    rules: dict[str, Any] = {name: property(lambda _: []) for name in listed}
    if hasattr(kind, "special_weekmasks"):
        rules["special_weekmasks"] = property(
            lambda exchange: [
                (start, end, mask)
                for start, end, mask in kind.special_weekmasks.fget(exchange)
                if start is None or end is None or end - start >= _LASTING
            ]
        )
    return type(f"Scheduled{kind.__name__}", (kind,), rules)


def bar_length(frequency: str) -> pd.Timedelta:
    """Length of a bar, from a pandas offset such as ``1D`` or ``5min``.

    Raises:
        ConfigError: no offset, or one without a fixed positive length.
    """
    try:
        step = pd.Timedelta(pd.tseries.frequencies.to_offset(frequency).nanos, unit="ns")
    except (ValueError, AttributeError) as error:
        raise ConfigError(
            f"frequency={frequency!r} is not a fixed bar length; use for example 1D, 1h, 5min"
        ) from error
    if step <= pd.Timedelta(0):
        raise ConfigError(f"frequency={frequency!r} is not positive; use for example 1D, 1h, 5min")
    return step


def usual_step(
    time: Shaped[np.ndarray, " R"], follows: Bool[np.ndarray, " R"]
) -> pd.Timedelta | None:
    """Median distance from one bar to the next of its asset; None without two bars.

    Args:
        time: times of bars, sorted by (asset, time).
        follows: whether the row before is of the same asset.
    """
    steps = np.diff(time)[follows[1:]]
    steps = steps[steps > np.timedelta64(0, "ns")]
    return pd.Timedelta(np.sort(steps)[len(steps) // 2]) if len(steps) else None


def frequency_text(step: pd.Timedelta) -> str:
    """A bar length as `bar_length` reads it, in the largest unit that fits: ``1D``, ``90min``."""
    for unit in ("D", "h", "min", "s"):
        if step % pd.Timedelta(1, unit=unit) == pd.Timedelta(0):
            return f"{step // pd.Timedelta(1, unit=unit)}{unit}"
    return f"{step // pd.Timedelta(1, unit='ns')}ns"


def expected_times(
    calendar: str, frequency: str, start: np.datetime64, end: np.datetime64
) -> Shaped[np.ndarray, " T"]:
    """Bar times from `start` to `end`, both ends included where they are bar times, as they were.

    Daily bars of an exchange are its sessions (dates); intraday bars close at multiples of the bar
    length from each session's open; a market that never closes has a bar every bar length from
    `start` on. Unscheduled closures are left out, so this is for records of the past only.

    Raises:
        ConfigError: unknown calendar, or a frequency that is no fixed length.
        DataError: the calendar does not reach the times.
    """
    return _times(calendar, bar_length(frequency), start, end, scheduled=False)


def trading_grid(
    calendar: str, frequency: str, start: np.datetime64, end: np.datetime64, *, ahead: int
) -> Shaped[np.ndarray, " T"]:
    """Scheduled bar times from `start` through `end` and exactly `ahead` of them after `end`.

    What comes after a bar is read from here and never from the data, so that which bars exist later
    (a halt, an outage, a day of mourning) is never known early: on 10 September 2001 the next bar
    was expected on the 11th.

    Raises:
        ConfigError: unknown calendar, or a frequency that is no fixed length.
        DataError: the calendar does not reach the times.
    """
    step = bar_length(frequency)
    margin = step * ahead * 3 + pd.Timedelta("14D")
    while True:
        grid = _times(calendar, step, start, end + margin.to_timedelta64(), scheduled=True)
        last = int(np.searchsorted(grid, end, side="right"))
        if len(grid) >= last + ahead:
            return grid[: last + ahead]
        margin *= 2


def _times(
    calendar: str,
    step: pd.Timedelta,
    start: np.datetime64,
    end: np.datetime64,
    *,
    scheduled: bool,
) -> Shaped[np.ndarray, " T"]:
    first, last = pd.Timestamp(start), pd.Timestamp(end)
    if calendar == ALWAYS_OPEN:
        times = pd.date_range(first, last, freq=step)
    else:
        ends = np.array([start, end], dtype="datetime64[ns]")
        exchange = exchange_of(calendar, ends, scheduled=scheduled)
        if step >= pd.Timedelta("1D"):
            times = exchange.sessions[:: max(1, step // pd.Timedelta("1D"))]
        else:
            index = exchange.trading_index(
                str(first.date()), str(last.date()), period=step, intervals=False, closed="right"
            )
            times = index.tz_convert(None)
        times = times[(times >= first) & (times <= last)]
    return times.to_numpy(dtype="datetime64[ns]")
