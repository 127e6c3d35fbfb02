"""Expected bar times of a market, past and future, from its calendar alone."""

from functools import lru_cache

import exchange_calendars
import numpy as np
import pandas as pd
from jaxtyping import Shaped

from regimecast.core.errors import ConfigError, did_you_mean

__all__ = ["ALWAYS_OPEN", "bar_length", "expected_times", "trading_grid"]

ALWAYS_OPEN = "24/7"
"""Calendar of markets that never close."""


@lru_cache(maxsize=8)
def _exchange(name: str, start: str, end: str) -> exchange_calendars.ExchangeCalendar:
    names = exchange_calendars.get_calendar_names()
    if name not in names:
        raise ConfigError(
            f"unknown calendar {name!r}.{did_you_mean(name, names)} "
            f"Use {ALWAYS_OPEN!r} or an exchange code such as XNYS, XLON, XTKS"
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

    Daily bars of an exchange are its sessions (dates); intraday bars are the open minutes at
    multiples of the bar length from each session's open; a market that never closes has a bar every
    bar length from `start` on.

    Raises:
        ConfigError: unknown calendar, or a frequency that is no fixed length.
    """
    step = bar_length(frequency)
    first, last = pd.Timestamp(start), pd.Timestamp(end)
    if calendar == ALWAYS_OPEN:
        times = pd.date_range(first, last, freq=step)
    else:
        exchange = _exchange(
            calendar,
            str((first - pd.Timedelta("10D")).date()),
            str((last + pd.Timedelta("10D")).date()),
        )
        if step >= pd.Timedelta("1D"):
            times = exchange.sessions[:: max(1, step // pd.Timedelta("1D"))]
        else:
            index = exchange.trading_index(
                str(first.date()), str(last.date()), period=step, intervals=False, closed="left"
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
