import numpy as np
import pandas as pd
import pytest

from regimecast.core.errors import DataError
from regimecast.data.sources.timestamps import parse_times


def parse(values, **overrides):
    settings = {
        "time_format": None,
        "timezone": "UTC",
        "frequency": "1h",
        "stamp": "close",
        "origin": "x.csv",
    }
    return parse_times(pd.Series(values), **{**settings, **overrides})[0].astype(str).tolist()


NANO = ".000000000"


def test_naive_times_are_read_in_the_zone():
    assert parse(["2020-07-01T09:30"], timezone="America/New_York") == [
        f"2020-07-01T13:30:00{NANO}"
    ]


def test_zoned_times_keep_their_instant():
    stamps = pd.date_range("2020-07-01 09:30", periods=1, tz="America/New_York")
    assert parse(stamps, timezone="Asia/Tokyo") == [f"2020-07-01T13:30:00{NANO}"]


def test_open_stamps_become_closes_for_intraday_only():
    assert parse(["2020-07-01T09:00"], stamp="open") == [f"2020-07-01T10:00:00{NANO}"]
    assert parse(["2020-07-01"], stamp="open", frequency="1D") == [f"2020-07-01T00:00:00{NANO}"]


@pytest.mark.parametrize(
    ("values", "timezone"),
    [
        (["2020-07-01"], "America/New_York"),
        (["2020-07-01 16:00"], "America/New_York"),
        (pd.to_datetime(["2020-07-01"]).tz_localize("America/New_York"), "America/New_York"),
        (pd.to_datetime(["2020-07-01T04:00Z"]), "America/New_York"),
        (pd.to_datetime(["2020-06-30T15:00Z"]), "Asia/Tokyo"),
        (pd.to_datetime(["2020-07-01T00:00Z"]), "UTC"),
        ([pd.Timestamp("2020-07-01").date()], "Asia/Tokyo"),
    ],
)
def test_daily_bars_keep_their_date(values, timezone):
    assert parse(values, timezone=timezone, frequency="1D") == [f"2020-07-01T00:00:00{NANO}"]


def test_a_zone_that_would_move_dates_is_refused():
    stamps = pd.to_datetime(["2020-07-01"]).tz_localize("Asia/Tokyo")
    with pytest.raises(DataError, match="set timezone='Asia/Tokyo'"):
        parse(stamps, frequency="1D")


@pytest.mark.parametrize(
    ("values", "form"),
    [
        ([1_593_594_000], "s"),
        ([1_593_594_000_000], "ms"),
        ([1_593_594_000_000_000_000], "ns"),
        (["1593594000"], "s"),
        ([202007010900], "%Y%m%d%H%M"),
        (["01.07.2020 09:00"], "%d.%m.%Y %H:%M"),
    ],
)
def test_numbers_and_formats(values, form):
    assert parse(values, time_format=form) == [f"2020-07-01T09:00:00{NANO}"]


def test_a_repeated_hour_is_resolved_by_order_and_else_refused():
    hours = ["2020-11-01 00:30", "2020-11-01 01:30", "2020-11-01 01:30", "2020-11-01 02:30"]
    found = pd.to_datetime(parse(hours, timezone="America/New_York"))
    assert np.diff(found).astype("timedelta64[h]").astype(int).tolist() == [1, 1, 1]
    with pytest.raises(DataError, match="America/New_York"):
        parse(["2020-11-01 01:30"], timezone="America/New_York")


def test_ambiguous_dates_are_not_guessed():
    with pytest.raises(DataError, match="ISO 8601"):
        parse(["01/02/2020"])


def test_dates_beyond_64_bits_are_refused():
    with pytest.raises(DataError, match="64-bit"):
        parse(["2300-01-01"], frequency="1D")


def test_offsets_that_change_over_the_year_are_read():
    days = pd.to_datetime(["2008-01-02", "2008-07-02", "2008-12-31"])
    written = days.tz_localize("America/New_York").astype(str).tolist()
    assert written[0].endswith("-05:00")
    assert written[1].endswith("-04:00")
    expected = [f"{day:%F}T00:00:00{NANO}" for day in days]
    for timezone in ("UTC", "America/New_York"):
        assert parse(written, timezone=timezone, frequency="1D") == expected
    assert parse(written[:2]) == [f"2008-01-02T05:00:00{NANO}", f"2008-07-02T04:00:00{NANO}"]
    german = ["02.01.2008 10:00 +0100", "02.07.2008 10:00 +0200"]
    assert parse(german, time_format="%d.%m.%Y %H:%M %z") == [
        f"2008-01-02T09:00:00{NANO}",
        f"2008-07-02T08:00:00{NANO}",
    ]


def test_changing_offsets_that_would_move_dates_are_refused():
    written = ["2008-01-02 00:00:00+01:00", "2008-07-02 00:00:00+02:00"]
    with pytest.raises(DataError, match="set timezone to the zone they were written in"):
        parse(written, frequency="1D")
    assert parse(written, frequency="1D", timezone="Europe/Paris") == [
        f"2008-01-02T00:00:00{NANO}",
        f"2008-07-02T00:00:00{NANO}",
    ]


def test_times_with_and_without_a_zone_name_a_row_of_each():
    values = ["2008-01-02 00:00", "2008-01-03 00:00", "2008-01-04 00:00-05:00", "2008-01-05"]
    expected = r"'2008-01-04 00:00-05:00' at row 2 has a time zone, '2008-01-02 00:00' at row 0"
    with pytest.raises(DataError, match=expected):
        parse(values)
