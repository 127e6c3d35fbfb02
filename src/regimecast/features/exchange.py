"""Wall-clock time at an exchange, and dates, for features of times."""

import exchange_calendars
import numpy as np
import pandas as pd
from jaxtyping import Int, Shaped

__all__ = ["local_dates", "local_time", "weekday"]


def local_time(
    time: Shaped[np.ndarray, " T"], exchange: exchange_calendars.ExchangeCalendar
) -> Shaped[np.ndarray, " T"]:
    """Wall-clock time at the exchange of UTC times, as datetime64[ns]."""
    zoned = pd.DatetimeIndex(time, tz="UTC").tz_convert(exchange.tz)
    return zoned.tz_localize(None).to_numpy(dtype="datetime64[ns]")


def local_dates(
    time: Shaped[np.ndarray, " T"], exchange: exchange_calendars.ExchangeCalendar
) -> Shaped[np.ndarray, " T"]:
    """Dates at the exchange of UTC times; midnight UTC is a date already, as daily bars have it."""
    dates = time.astype("datetime64[D]")
    return np.where(dates == time, dates, local_time(time, exchange).astype("datetime64[D]"))


def weekday(dates: Shaped[np.ndarray, " D"]) -> Int[np.ndarray, " D"]:
    """0 for Monday to 6 for Sunday."""
    return (dates.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
