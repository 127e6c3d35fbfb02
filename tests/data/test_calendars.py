import numpy as np
import pytest

from regimecast.core.errors import ConfigError
from regimecast.data.calendars import exchange_of, expected_times, trading_grid


def day(text: str) -> np.datetime64:
    return np.datetime64(text, "ns")


def test_daily_bars_of_an_exchange_are_its_sessions():
    times = expected_times("XNYS", "1D", day("2023-12-20"), day("2024-01-03"))
    dates = [str(t)[:10] for t in times]
    assert "2023-12-25" not in dates
    assert "2024-01-01" not in dates
    assert len(dates) == 9


def test_the_grid_goes_on_after_the_last_bar_without_looking_at_data():
    grid = trading_grid("XNYS", "1D", day("2023-12-01"), day("2023-12-28"), ahead=3)
    assert [str(t)[:10] for t in grid[-4:]] == [
        "2023-12-28", "2023-12-29", "2024-01-02", "2024-01-03",
    ]  # fmt: skip


def test_truncating_the_data_does_not_change_the_grid_that_remains():
    long = trading_grid("XNYS", "1D", day("2001-08-01"), day("2001-10-01"), ahead=5)
    short = trading_grid("XNYS", "1D", day("2001-08-01"), day("2001-09-05"), ahead=5)
    np.testing.assert_array_equal(short, long[: len(short)])


@pytest.mark.parametrize(
    ("last", "closed"),
    [
        ("2001-09-10", "2001-09-11"),  # attacks
        ("2012-10-26", "2012-10-29"),  # hurricane
        ("2018-12-04", "2018-12-05"),  # mourning
    ],
)
def test_a_closure_that_nobody_foresaw_is_expected_to_trade(last, closed):
    grid = trading_grid("XNYS", "1D", day(last) - np.timedelta64(9, "D"), day(last), ahead=2)
    assert str(grid[-2])[:10] == closed
    assert day(closed) not in expected_times("XNYS", "1D", day(last), day(last[:4] + "-12-31"))
    minutes = trading_grid("XNYS", "30min", day(last), day(last + "T21"), ahead=13)
    assert str(minutes[-1])[:10] == closed


def test_a_schedule_keeps_yearly_holidays_and_early_closes():
    grid = trading_grid("XNYS", "30min", day("2023-07-03"), day("2023-07-03T17"), ahead=1)
    assert [str(t)[:16] for t in grid[-2:]] == ["2023-07-03T17:00", "2023-07-05T14:00"]


def test_an_early_close_by_hand_is_not_scheduled():
    """The New York exchange closed at one o'clock on 26 December 2003, by no yearly rule."""
    date = np.array([day("2003-12-26")])
    actual, scheduled = (exchange_of("XNYS", date, scheduled=value) for value in (False, True))
    assert str(actual.closes.loc["2003-12-26"].time()) == "18:00:00"
    assert str(scheduled.closes.loc["2003-12-26"].time()) == "21:00:00"


@pytest.mark.parametrize(
    ("calendar", "date", "scheduled"),
    [
        ("XSHG", "2019-02-05", 1),  # Chinese New Year, listed by hand like every holiday there
        ("XKRX", "2017-10-02", 1),  # a bridge day that the government gave in September
        ("XKRX", "2017-12-25", 0),  # follows a rule
    ],
)
def test_holidays_listed_by_hand_count_as_sessions(calendar, date, scheduled):
    assert len(trading_grid(calendar, "1D", day(date), day(date), ahead=0)) == scheduled


@pytest.mark.parametrize(("calendar", "lasting"), [("XBOM", 0), ("XKRX", 1)])
def test_a_special_session_is_not_scheduled_but_a_lasting_week_is(calendar, lasting):
    """Mumbai opened on single Saturdays; Seoul traded on every one until December 1998."""
    date = np.array([day("2004-01-20")])
    weeks = (exchange_of(calendar, date, scheduled=s).special_weekmasks for s in (False, True))
    assert [bool(actual) for actual in weeks] == [True, bool(lasting)]


def test_the_grid_is_long_enough_where_few_bars_fill_a_day():
    grid = trading_grid("XNYS", "4h", day("2020-01-02"), day("2020-01-02T21"), ahead=500)
    assert (grid > day("2020-01-02T21")).sum() == 500


def test_markets_that_never_close_and_intraday_sessions():
    minutes = trading_grid("24/7", "1min", day("2020-03-01"), day("2020-03-01T01"), ahead=2)
    assert len(minutes) == 63
    bars = expected_times("XNYS", "30min", day("2020-01-02"), day("2020-01-04"))
    assert len(bars) == 26
    assert str(bars[0]) == "2020-01-02T15:00:00.000000000"  # half an hour after the open


def test_unknown_calendars_and_frequencies_are_explained():
    with pytest.raises(ConfigError, match=r"unknown calendar 'XNSY'.*Did you mean 'XNYS'"):
        expected_times("XNSY", "1D", day("2020-01-01"), day("2020-02-01"))
    with pytest.raises(ConfigError, match="not a fixed bar length"):
        expected_times("24/7", "1 month-ish", day("2020-01-01"), day("2020-02-01"))
