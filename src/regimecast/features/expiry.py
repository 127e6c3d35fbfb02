"""Expiry: how far the monthly expiry of options and futures is, third Friday or session before."""

import numpy as np
from jaxtyping import Shaped

from regimecast.data.calendars import exchange_of
from regimecast.features.base import CalendarFeatures, Feature, FeatureRegistry
from regimecast.features.exchange import local_dates, weekday
from regimecast.features.indicators import check_bars

__all__ = ["ExpiryFeatures"]

_DAY = np.timedelta64(1, "D")
_MONTHS_BEFORE, _MONTHS_AFTER = 4, 5
"""Months around the dates in which an expiry is always found, quarterly ones too."""


@FeatureRegistry.register("expiry")
class ExpiryFeatures(CalendarFeatures):
    """Nearness of the last and the next expiry, monthly and quarterly, and expiry week.

    An expiry that falls on a holiday moves to the session before. A time at midnight UTC is taken
    as a date, as daily bars have it. Every column lies in [0, 1].

    Args:
        monthly_days: days from a monthly expiry at which its nearness has fallen to 0.
        quarterly_days: days from a quarterly one (March, June, September, December) likewise.

    Raises:
        ConfigError: a number of days is below 1.
    """

    def __init__(self, *, monthly_days: int, quarterly_days: int) -> None:
        check_bars("expiry.monthly_days", monthly_days, minimum=1)
        check_bars("expiry.quarterly_days", quarterly_days, minimum=1)
        self._days = (("expiry", 1, monthly_days), ("quarter_expiry", 3, quarterly_days))

    def features(self) -> tuple[Feature, ...]:
        """Declarations in the order of the columns."""
        return (
            *(
                Feature(
                    f"{name}_{side}",
                    0,
                    (),
                    "0..1",
                    f"1 - days to the nearest expiry {side} the date / {days}, at least 0",
                )
                for name, _, days in self._days
                for side in ("before", "after")
            ),
            Feature("expiry_week", 0, (), "0 or 1", "1 from Monday to the monthly expiry itself"),
        )

    def compute(self, time: Shaped[np.ndarray, " T"], calendar: str) -> Shaped[np.ndarray, "T F"]:
        """Columns for each timestamp on its own.

        Raises:
            ConfigError: unknown calendar.
            DataError: the calendar does not reach the times.
        """
        exchange = exchange_of(calendar, time, scheduled=True)
        dates, at = np.unique(local_dates(time, exchange), return_inverse=True)
        sessions = exchange.sessions.to_numpy().astype("datetime64[D]")
        first = dates[0].astype("datetime64[M]") - _MONTHS_BEFORE
        months = np.arange(first, dates[-1].astype("datetime64[M]") + _MONTHS_AFTER)
        expiries = _expiries(months, sessions)
        columns = []
        for _, every, reach in self._days:
            chosen = expiries[(months.astype(np.int64) + 1) % every == 0]
            after = np.searchsorted(chosen, dates)
            before = np.searchsorted(chosen, dates, side="right") - 1
            columns.append(np.maximum(1.0 - (dates - chosen[before]) / _DAY / reach, 0.0))
            columns.append(np.maximum(1.0 - (chosen[after] - dates) / _DAY / reach, 0.0))
        until = (expiries[np.searchsorted(expiries, dates)] - dates) / _DAY
        columns.append((until <= 4 - weekday(dates)).astype(np.float64))
        return np.stack(columns, axis=1)[at]


def _expiries(
    months: Shaped[np.ndarray, " M"], sessions: Shaped[np.ndarray, " S"]
) -> Shaped[np.ndarray, " M"]:
    """Expiry of each month: its third Friday, or the last session before if that is a holiday."""
    start = months.astype("datetime64[D]")
    friday = start + ((4 - weekday(start)) % 7 + 14) * _DAY
    held = np.searchsorted(sessions, friday, side="right") - 1
    # Beyond the calendar's sessions nothing is known of holidays.
    inside = (friday >= sessions[0]) & (friday <= sessions[-1])
    return np.where(inside, sessions[np.maximum(held, 0)], friday)
