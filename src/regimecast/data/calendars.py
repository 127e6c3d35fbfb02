"""Expected bar times of a market, past and future, from its calendar alone."""

from functools import lru_cache

import exchange_calendars
import numpy as np
import pandas as pd
from jaxtyping import Shaped

from regimecast.core.errors import ConfigError, DataError, did_you_mean

__all__ = ["ALWAYS_OPEN", "bar_length", "exchange_of", "expected_times", "trading_grid"]

ALWAYS_OPEN = "24/7"
"""Calendar of markets that never close."""


def exchange_of(
    calendar: str, time: Shaped[np.ndarray, " T"]
) -> exchange_calendars.ExchangeCalendar:
    """Calendar of an exchange over the years of `time` and one year on either side.

    Whole years, so that what is said of one date never depends on which other dates are asked for.

    Raises:
        ConfigError: unknown calendar.
        DataError: the calendar does not reach the times, or a time is missing.
    """
    if len(time) == 0 or np.isnat(time).any():
        raise DataError("a calendar needs at least one time and no missing ones")
    return _load(calendar, pd.Timestamp(time.min()).year - 1, pd.Timestamp(time.max()).year + 1)


@lru_cache(maxsize=8)
def _load(name: str, first_year: int, last_year: int) -> exchange_calendars.ExchangeCalendar:
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
    return exchange_calendars.get_calendar(name, start=start, end=end)


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


def expected_times(
    calendar: str, frequency: str, start: np.datetime64, end: np.datetime64
) -> Shaped[np.ndarray, " T"]:
    """Bar times from `start` to `end`, both ends included where they are bar times.

    Daily bars of an exchange are its sessions (dates); intraday bars close at multiples of the bar
    length from each session's open; a market that never closes has a bar every bar length from
    `start` on.

    Raises:
        ConfigError: unknown calendar, or a frequency that is no fixed length.
        DataError: the calendar does not reach the times.
    """
    step = bar_length(frequency)
    first, last = pd.Timestamp(start), pd.Timestamp(end)
    if calendar == ALWAYS_OPEN:
        times = pd.date_range(first, last, freq=step)
    else:
        exchange = exchange_of(calendar, np.array([start, end], dtype="datetime64[ns]"))
        if step >= pd.Timedelta("1D"):
            times = exchange.sessions[:: max(1, step // pd.Timedelta("1D"))]
        else:
            index = exchange.trading_index(
                str(first.date()), str(last.date()), period=step, intervals=False, closed="right"
            )
            times = index.tz_convert(None)
        times = times[(times >= first) & (times <= last)]
    return times.to_numpy(dtype="datetime64[ns]")


def trading_grid(
    calendar: str, frequency: str, start: np.datetime64, end: np.datetime64, *, ahead: int
) -> Shaped[np.ndarray, " T"]:
    """Bar times from `start` through `end` and exactly `ahead` bar times after `end`.

    What comes after a bar is read from here and never from the data, so that which bars exist later
    (a halt, an outage) is never known early.
    """
    step = bar_length(frequency)
    margin = (step * ahead * 3 + pd.Timedelta("14D")).to_timedelta64()
    grid = expected_times(calendar, frequency, start, end + margin)
    last = int(np.searchsorted(grid, end, side="right"))
    return grid[: last + ahead]
