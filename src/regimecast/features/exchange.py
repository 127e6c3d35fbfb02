"""Wall-clock time at an exchange, for features of the time of day."""

import exchange_calendars
import numpy as np
import pandas as pd
from jaxtyping import Shaped

__all__ = ["local_time"]


def local_time(
    time: Shaped[np.ndarray, " T"], exchange: exchange_calendars.ExchangeCalendar
) -> Shaped[np.ndarray, " T"]:
    """Wall-clock time at the exchange of UTC times, as datetime64[ns]."""
    zoned = pd.DatetimeIndex(time, tz="UTC").tz_convert(exchange.tz)
    return zoned.tz_localize(None).to_numpy(dtype="datetime64[ns]")
