"""Calendar and session features on dates whose place is known."""

import numpy as np
import pytest

from regimecast.core.errors import ConfigError, DataError
from regimecast.features.base import FeatureRegistry
from tests.features.markets import packaged


def dates(*texts):
    return np.array(texts, dtype="datetime64[ns]")


def compute(name, time, calendar="XNYS"):
    family = FeatureRegistry.create(name, **packaged(name))
    names = [feature.name for feature in family.features()]
    return dict(zip(names, family.compute(time, calendar).T, strict=True))


def angle(table, name):
    return np.arctan2(table[f"{name}_sin"], table[f"{name}_cos"]) / (2 * np.pi) % 1.0


def test_cycles():
    table = compute("calendar", dates("2024-01-01", "2024-07-03", "2024-02-29"), "24/7")
    np.testing.assert_allclose(angle(table, "day_of_week"), [0, 2 / 7, 3 / 7], atol=1e-12)
    np.testing.assert_allclose(angle(table, "month"), [0, 0.5, 1 / 12], atol=1e-12)
    np.testing.assert_allclose(angle(table, "day_of_month"), [0, 2 / 31, 28 / 29], atol=1e-12)


def test_month_and_quarter_count_sessions():
    # March 2024 has 20 sessions, since Good Friday was the 29th; the 28th was the last one.
    table = compute("calendar", dates("2024-02-29", "2024-03-01", "2024-03-27", "2024-03-28"))
    np.testing.assert_allclose(table["month_left"], [0.0, 19 / 20, 1 / 20, 0.0])
    np.testing.assert_allclose(table["quarter_left"], [20 / 61, 19 / 61, 1 / 61, 0.0])


def test_holidays():
    # Thanksgiving 2023 was Thursday, 23 November; the next holiday was Christmas.
    time = dates("2023-11-16", "2023-11-20", "2023-11-22", "2023-11-24", "2023-12-05")
    table = compute("calendar", time)
    np.testing.assert_allclose(table["holiday_after"], [0.0, 4 / 7, 6 / 7, 0.0, 0.0])
    np.testing.assert_allclose(table["holiday_before"], [0.0, 0.0, 0.0, 6 / 7, 0.0])


@pytest.mark.parametrize("date", ["2001-09-10", "2012-10-26", "2018-12-04"])
def test_a_closure_that_nobody_foresaw_is_not_seen_coming(date):
    """Attacks, a hurricane and a day of mourning closed New York on the next weekday."""
    table = compute("calendar", dates(date))
    assert table["holiday_after"].tolist() == [0.0]


def test_sessions_left_are_those_of_the_schedule():
    # September 2001 was to have 19 sessions and had 15; four were left out after the attacks.
    table = compute("calendar", dates("2001-08-31", "2001-09-10", "2001-09-17"))
    np.testing.assert_allclose(table["month_left"], [0.0, 14 / 19, 9 / 19])


def test_an_early_close_by_hand_does_not_end_the_session():
    """26 December 2003 ended at one o'clock (18:00 UTC) without a rule that says so."""
    table = compute("session", dates("2003-12-26T18:00"))
    np.testing.assert_allclose(table["session_progress"], [3.5 / 6.5])


def test_a_market_that_never_closes_has_no_holidays():
    table = compute("calendar", dates("2023-12-24", "2023-12-25", "2024-01-01"), "24/7")
    assert not table["holiday_before"].any()
    assert not table["holiday_after"].any()


def test_the_date_is_the_exchanges_own():
    # 01:30 UTC on Tuesday is Monday evening in New York; midnight UTC is a daily bar's date.
    table = compute("calendar", dates("2024-01-09T01:30", "2024-01-09T00:00"))
    np.testing.assert_allclose(angle(table, "day_of_week"), [0.0, 1 / 7], atol=1e-12)


def test_session_progress_follows_daylight_saving_and_early_closes():
    time = dates(
        "2024-01-10T14:30",  # open in winter
        "2024-07-10T13:30",  # open in summer
        "2024-07-10T16:45",  # half of six and a half hours later
        "2024-07-03T17:00",  # early close at one o'clock
        "2024-07-04T15:00",  # holiday
    )
    table = compute("session", time)
    np.testing.assert_allclose(table["session_progress"], [0, 0, 0.5, 1, 1])
    np.testing.assert_allclose(angle(table, "time_of_day")[:2] * 24, [9.5, 9.5])
    np.testing.assert_allclose(angle(table, "minute")[2:4], [0.75, 0], atol=1e-12)


def test_always_open_sessions_are_utc_days():
    table = compute("session", dates("2024-01-06T00:00", "2024-01-06T18:00"), "24/7")
    np.testing.assert_allclose(table["session_progress"], [0.0, 0.75])


@pytest.mark.parametrize("name", ["calendar", "session"])
def test_wrong_calendars_and_times(name):
    with pytest.raises(ConfigError, match="Did you mean 'XNYS'"):
        compute(name, dates("2024-01-02"), "XNYSE")
    with pytest.raises(DataError, match=r"XBOM.* 1990"):
        compute(name, dates("1990-01-02"), "XBOM")
    with pytest.raises(DataError, match="at least one time"):
        compute(name, dates())
    with pytest.raises(DataError, match="missing"):
        compute(name, dates("2024-01-02", "NaT"))
