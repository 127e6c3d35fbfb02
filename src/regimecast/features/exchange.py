"""Sessions of an exchange over whole years, so that a feature of one date never depends on another.

Past and future sessions are read from the published calendar and never from the bars at hand: which
bars exist later (a halt, a delisting) is not known ahead.
"""

from functools import lru_cache

import exchange_calendars
import numpy as np
import pandas as pd
from jaxtyping import Shaped

from regimecast.core.errors import ConfigError, DataError, did_you_mean

__all__ = ["exchange_of", "local_time"]

_NS = "datetime64[ns]"


def exchange_of(
    calendar: str, time: Shaped[np.ndarray, " T"]
) -> exchange_calendars.ExchangeCalendar:
    """Calendar that covers the years of `time` and one year on either side.

    Raises:
        ConfigError: unknown calendar.
        DataError: the calendar does not reach the times, or a time is missing.
    """
    if len(time) == 0 or np.isnat(time).any():
        raise DataError("calendar features need at least one time and no missing ones")
    first, last = pd.Timestamp(time.min()).year, pd.Timestamp(time.max()).year
    return _load(calendar, first - 1, last + 1)


@lru_cache(maxsize=8)
def _load(name: str, first_year: int, last_year: int) -> exchange_calendars.ExchangeCalendar:
    names = exchange_calendars.get_calendar_names()
    if name not in names:
        raise ConfigError(
            f"unknown calendar {name!r}.{did_you_mean(name, names)} "
            "Use '24/7' or an exchange code such as XNYS, XLON, XTKS"
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


def local_time(
    time: Shaped[np.ndarray, " T"], exchange: exchange_calendars.ExchangeCalendar
) -> Shaped[np.ndarray, " T"]:
    """Wall-clock time at the exchange of UTC times, as datetime64[ns]."""
    zoned = pd.DatetimeIndex(time, tz="UTC").tz_convert(exchange.tz)
    return zoned.tz_localize(None).to_numpy(dtype=_NS)
