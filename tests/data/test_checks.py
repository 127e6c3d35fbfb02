"""Each vectorised check against a loop that reads like its definition."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regimecast.core.errors import ConfigError, DataError
from regimecast.data.calendars import expected_times
from regimecast.data.checks import BarTable, bar_problems, calendar_problems

NAMES = ("open", "high", "low", "close", "volume")
LIMITS = {
    "stale_bars": 3,
    "outlier_sigmas": 4.0,
    "outlier_return": 0.2,
    "repeated_open_share": 0.3,
}


def table(cells, asset, time=None, names=NAMES):
    time = np.arange(len(asset)).astype("datetime64[D]") if time is None else np.asarray(time)
    return BarTable(np.asarray(cells, dtype=float), time.astype("datetime64[ns]"), asset, names)


def found(problems):
    """Places of each problem: {(name, column): {(asset, time): count}}."""
    places = {}
    for p in problems:
        rows = zip(p.asset.tolist(), p.time.astype(str).tolist(), p.count.tolist(), strict=True)
        entry = {(a, t): c for a, t, c in rows}
        if entry:
            places[p.name, p.column] = entry
    return places


def naive(bars):
    """The same problems, bar by bar."""
    places = {}

    def note(name, row, column=""):
        key = (int(bars.asset[row]), str(bars.time[row]))
        places.setdefault((name, column), {})[key] = 1

    rows = [dict(zip(bars.names, cells, strict=True)) for cells in bars.cells.tolist()]
    for column in bars.names:
        for i, row in enumerate(rows):
            own = [r[column] for r, a in zip(rows, bars.asset, strict=True) if a == bars.asset[i]]
            if np.isnan(row[column]):
                note("empty_column" if np.isnan(own).all() else "nan", i, column)
            if np.isinf(row[column]):
                note("infinite", i, column)
            if column == "volume":
                if row[column] < 0:
                    note("negative_volume", i, column)
            elif row[column] < 0:
                note("negative_price", i, column)
            elif row[column] == 0:
                note("zero_price", i, column)
    for i, row in enumerate(rows):
        if row["high"] < row["low"]:
            note("high_below_low", i)
        if any(row[p] > row["high"] or row[p] < row["low"] for p in ("open", "close")):
            note("outside_range", i)
    for asset in np.unique(bars.asset):
        own = np.flatnonzero(bars.asset == asset)
        run = 1
        for position, i in enumerate(own):
            last = rows[own[position - 1]] if position else None
            flat = rows[i]["high"] == rows[i]["low"]
            stays = last is not None and last["high"] == last["low"] and flat
            run = run + 1 if stays and rows[i]["close"] == last["close"] else 1
            if run == LIMITS["stale_bars"]:
                note("stale_run", own[position - run + 1])
        pairs = [(i, rows[i]["open"], rows[j]["close"]) for j, i in itertools.pairwise(own)]
        pairs = [pair for pair in pairs if np.isfinite(pair[1])]
        same = [i for i, opened, before in pairs if opened == before]
        for i in same if len(same) > LIMITS["repeated_open_share"] * len(pairs) else []:
            note("open_repeats_close", i, "open")
        closes = np.array([rows[i]["close"] for i in own])
        returns = np.diff(np.log(closes))
        if not len(returns):
            continue
        median = np.median(returns)
        mad = np.median(np.abs(returns - median))
        for r, i in zip(returns, own[1:], strict=True):
            far = mad > 0 and abs(r - median) > LIMITS["outlier_sigmas"] * 1.4826 * mad
            if far or abs(np.expm1(r)) > LIMITS["outlier_return"]:
                note("outlier", i, "close")
    return places


cell = st.sampled_from([1.0, 1.0, 1.1, 1.5, 0.0, -1.0, np.nan, np.inf])
close = st.sampled_from([1.0, 1.0, 1.0, 1.02, 1.05, 2.0])
row = st.tuples(cell, cell, cell, close, cell)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), row), min_size=1, max_size=25))
def test_checks_match_their_definitions(rows):
    rows.sort(key=lambda pair: pair[0])
    _, codes = np.unique([code for code, _ in rows], return_inverse=True)
    bars = table([cells for _, cells in rows], codes)
    assert found(bar_problems(bars, **LIMITS)) == naive(bars)


def test_closes_alone_are_enough():
    bars = table([[5.0]] * 4 + [[8.0]], np.zeros(5, dtype=int), names=("close",))
    places = found(bar_problems(bars, **LIMITS))
    assert set(places) == {("stale_run", ""), ("outlier", "close")}


def gaps(time, *, frequency, calendar, asset=None):
    asset = np.zeros(len(time), dtype=int) if asset is None else asset
    bars = table(np.ones((len(time), 1)), asset, time, names=("close",))
    return found(calendar_problems(bars, frequency=frequency, calendar=calendar))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 59), max_size=40, unique=True),
    st.lists(st.integers(0, 60), min_size=1, max_size=40, unique=True),
)
def test_daily_gaps_match_sets(one, two):
    one = [0, *one, 60]  # always the same span, so that one calendar serves all examples
    start = np.datetime64("2019-12-10", "ns")
    days = [start + np.timedelta64(1, "D") * np.sort(np.array(x)) for x in (one, two)]
    places = gaps(
        np.concatenate(days),
        frequency="1D",
        calendar="XNYS",
        asset=np.repeat([0, 1], [len(one), len(two)]),
    )
    sessions = set(expected_times("XNYS", "1D", start, start + np.timedelta64(90, "D")))
    for code, own in enumerate(days):
        inside = {s for s in sessions if own[0] <= s <= own[-1]}
        missing, extra = inside - set(own), set(own) - sessions
        gap = {t: c for (a, t), c in places.get(("gap", ""), {}).items() if a == code}
        assert sum(gap.values()) == len(missing)
        assert min(gap, default=None) == (str(min(missing)) if missing else None)
        off = {t for (a, t) in places.get(("off_calendar", ""), {}) if a == code}
        assert off == {str(t) for t in extra}


def test_minutes_of_a_market_that_never_closes():
    time = np.datetime64("2020-01-01", "ns") + np.timedelta64(1, "m") * np.array([0, 1, 4, 5, 9])
    places = gaps(time, frequency="1min", calendar="24/7")
    assert places == {
        ("gap", ""): {
            (0, "2020-01-01T00:02:00.000000000"): 2,
            (0, "2020-01-01T00:06:00.000000000"): 3,
        }
    }
    # The whole grid may be shifted; a bar off it is reported and fills no place.
    shifted = time - np.timedelta64(1, "ms")
    shifted[2] = shifted[1] + np.timedelta64(61, "s")
    places = gaps(shifted, frequency="1min", calendar="24/7")
    assert list(places["off_calendar", ""]) == [(0, "2020-01-01T00:02:00.999000000")]
    assert sum(places["gap", ""].values()) == 3 + 3


def test_intraday_sessions():
    """A night is no gap; a missing bar and a missing session are. Times are closes of bars."""
    days = ("2020-01-02T14:30", "2020-01-03T14:30", "2020-01-06T14:30")
    minutes = np.arange(1, 79) * 5
    time = np.concatenate(
        [np.datetime64(day, "ns") + np.timedelta64(1, "m") * minutes for day in days]
    )
    assert gaps(time, frequency="5min", calendar="XNYS") == {}
    without = np.delete(time, [10, 11])
    assert sum(gaps(without, frequency="5min", calendar="XNYS")["gap", ""].values()) == 2
    without = np.delete(time, np.arange(78, 156))
    assert sum(gaps(without, frequency="5min", calendar="XNYS")["gap", ""].values()) == 78
    night = np.insert(time, 78, np.datetime64("2020-01-03T03:00", "ns"))
    assert list(gaps(night, frequency="5min", calendar="XNYS")) == [("off_calendar", "")]


def test_weeks_of_an_exchange_are_not_checked():
    time = pd.to_datetime(["2020-01-03", "2020-03-06"]).to_numpy()
    assert gaps(time, frequency="7D", calendar="XNYS") == {}


def test_unknown_calendars():
    time = pd.to_datetime(["1980-01-03", "1980-01-04"]).to_numpy()
    with pytest.raises(ConfigError, match="Did you mean 'XNYS'"):
        gaps(time, frequency="1D", calendar="XNYSS")
    with pytest.raises(DataError, match=r"calendar .XTKS. is known from 1997"):
        gaps(time, frequency="1D", calendar="XTKS")
