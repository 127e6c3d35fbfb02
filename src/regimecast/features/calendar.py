"""Calendar: place of a date in week, month, quarter and between holidays."""

import exchange_calendars
import numpy as np
from jaxtyping import Float, Shaped

from regimecast.data.calendars import exchange_of
from regimecast.features.base import CalendarFeatures, Feature, FeatureRegistry
from regimecast.features.exchange import local_dates, weekday
from regimecast.features.indicators import check_bars

__all__ = ["DateFeatures"]

_DAY = np.timedelta64(1, "D")


@FeatureRegistry.register("calendar")
class DateFeatures(CalendarFeatures):
    """Cyclic encodings of the date, what is left of month and quarter, nearness of holidays.

    A time at midnight UTC is taken as a date, as daily bars have it; any other is converted to the
    exchange's own clock first. Sessions and holidays are the scheduled ones, so that a closure
    nobody foresaw is not seen coming; see `regimecast.data.calendars`. Columns lie in [-1, 1].

    Args:
        holiday_days: days from a holiday at which its nearness has fallen to 0.

    Raises:
        ConfigError: `holiday_days` is below 1.
    """

    def __init__(self, *, holiday_days: int) -> None:
        check_bars("calendar.holiday_days", holiday_days, minimum=1)
        self._holiday_days = holiday_days

    def features(self) -> tuple[Feature, ...]:
        """Declarations in the order of the columns."""
        cycles = [
            Feature(
                f"{cycle}_{wave}", 0, (), "-1..1", f"{wave} of 2 pi times the share of the {period}"
            )
            for cycle, period in (
                ("day_of_week", "week"),
                ("day_of_month", "month"),
                ("month", "year"),
            )
            for wave in ("sin", "cos")
        ]
        rests = [
            Feature(
                f"{period}_left",
                0,
                (),
                "0..1",
                f"share of the {period}'s scheduled sessions after it",
            )
            for period in ("month", "quarter")
        ]
        holidays = [
            Feature(
                f"holiday_{side}",
                0,
                (),
                "0..1",
                f"1 - days to the nearest scheduled holiday on a weekday {side} the date / "
                f"{self._holiday_days}, at least 0",
            )
            for side in ("before", "after")
        ]
        return (*cycles, *rests, *holidays)

    def compute(self, time: Shaped[np.ndarray, " T"], calendar: str) -> Float[np.ndarray, "T F"]:
        """Columns for each timestamp on its own.

        Raises:
            ConfigError: unknown calendar.
            DataError: the calendar does not reach the times.
        """
        exchange = exchange_of(calendar, time, scheduled=True)
        # A date's encodings depend on the date alone: compute each date once.
        dates, at = np.unique(local_dates(time, exchange), return_inverse=True)
        sessions = exchange.sessions.to_numpy().astype("datetime64[D]")
        month, quarter = dates.astype("datetime64[M]"), _quarter(dates)
        columns = (
            *_cycle(weekday(dates) / 7.0),
            *_cycle(_share(dates, month, month + 1)),
            *_cycle((month.astype(np.int64) % 12) / 12.0),
            _left(dates, sessions, month, month + 1),
            _left(dates, sessions, quarter, quarter + 3),
            *_holidays(dates, exchange, sessions, self._holiday_days),
        )
        return np.stack(columns, axis=1)[at]


def _quarter(dates: Shaped[np.ndarray, " D"]) -> Shaped[np.ndarray, " D"]:
    """First month of each date's quarter."""
    month = dates.astype("datetime64[M]")
    return month - (month.astype(np.int64) % 3)


def _cycle(share: Float[np.ndarray, " D"]) -> tuple[np.ndarray, np.ndarray]:
    angle = 2.0 * np.pi * share
    return np.sin(angle), np.cos(angle)


def _share(
    dates: Shaped[np.ndarray, " D"],
    start: Shaped[np.ndarray, " D"],
    end: Shaped[np.ndarray, " D"],
) -> Float[np.ndarray, " D"]:
    """Share of a period that has passed when the date begins."""
    first = start.astype("datetime64[D]")
    return (dates - first) / (end.astype("datetime64[D]") - first)


def _left(
    dates: Shaped[np.ndarray, " D"],
    sessions: Shaped[np.ndarray, " S"],
    start: Shaped[np.ndarray, " D"],
    end: Shaped[np.ndarray, " D"],
) -> Float[np.ndarray, " D"]:
    """Share of the sessions in [start, end) that come after the date."""
    first = np.searchsorted(sessions, start.astype("datetime64[D]"))
    last = np.searchsorted(sessions, end.astype("datetime64[D]"))
    here = np.searchsorted(sessions, dates, side="right")
    return (last - here) / np.maximum(last - first, 1)


def _holidays(
    dates: Shaped[np.ndarray, " D"],
    exchange: exchange_calendars.ExchangeCalendar,
    sessions: Shaped[np.ndarray, " S"],
    reach: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Nearness of the last holiday at or before, and of the next one after, each date."""
    every_day = np.arange(sessions[0], sessions[-1] + _DAY)
    open_days = every_day[np.is_busday(every_day, weekmask=exchange.weekmask)]
    holidays = np.setdiff1d(open_days, sessions)
    far = np.timedelta64(reach, "D")
    # Bounds at which nearness is 0 anyway stand in for holidays that there may not be.
    holidays = np.sort(np.concatenate([[dates[0] - far], holidays, [dates[-1] + far]]))
    after = np.searchsorted(holidays, dates, side="right")
    since = (dates - holidays[after - 1]) / far
    until = (holidays[after] - dates) / far
    return np.maximum(1.0 - since, 0.0), np.maximum(1.0 - until, 0.0)
