import numpy as np
import pytest

from regimecast.core.errors import ConfigError
from regimecast.data.calendars import expected_times, trading_grid


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
