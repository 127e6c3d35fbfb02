"""Session: time of day and place in the trading session, for intraday bars."""

import numpy as np
from jaxtyping import Float, Shaped

from regimecast.data.calendars import exchange_of
from regimecast.features.base import CalendarFeatures, Feature, FeatureRegistry
from regimecast.features.exchange import local_time

__all__ = ["SessionFeatures"]

_DAY_MINUTES = 24 * 60


@FeatureRegistry.register("session")
class SessionFeatures(CalendarFeatures):
    """Cyclic encodings of hour and minute on the exchange's clock, and the session's progress.

    Opening hours are the scheduled ones: an early close that no rule gives is not seen coming.
    Constant, hence useless, on daily bars. Every column lies in [-1, 1].
    """

    def features(self) -> tuple[Feature, ...]:
        """Declarations in the order of the columns."""
        cycles = [
            Feature(
                f"{cycle}_{wave}", 0, (), "-1..1", f"{wave} of 2 pi times the share of the {period}"
            )
            for cycle, period in (("time_of_day", "day"), ("minute", "hour"))
            for wave in ("sin", "cos")
        ]
        progress = Feature(
            "session_progress",
            0,
            (),
            "0..1",
            "share of the latest scheduled session that has passed; 1 until the next opens",
        )
        return (*cycles, progress)

    def compute(self, time: Shaped[np.ndarray, " T"], calendar: str) -> Float[np.ndarray, "T F"]:
        """Columns for each timestamp on its own.

        Raises:
            ConfigError: unknown calendar.
            DataError: the calendar does not reach the times.
        """
        exchange = exchange_of(calendar, time, scheduled=True)
        local = local_time(time, exchange)
        minutes = (local - local.astype("datetime64[D]")) / np.timedelta64(1, "m")
        angles = (2.0 * np.pi * minutes / _DAY_MINUTES, 2.0 * np.pi * (minutes % 60.0) / 60.0)
        opens = exchange.opens.to_numpy(dtype="datetime64[ns]")
        closes = exchange.closes.to_numpy(dtype="datetime64[ns]")
        session = np.maximum(np.searchsorted(opens, time, side="right") - 1, 0)
        passed = (time - opens[session]) / (closes[session] - opens[session])
        columns = [wave(angle) for angle in angles for wave in (np.sin, np.cos)]
        return np.stack([*columns, np.clip(passed, 0.0, 1.0)], axis=1)
