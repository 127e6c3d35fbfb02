import json
import logging
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from regimecast.core.config import config_folder
from regimecast.core.errors import ConfigError, DataError
from regimecast.data.cleaning import CleaningReport, CleaningSettings, clean
from regimecast.data.panel import Column, Role
from regimecast.data.schema import RawBars
from regimecast.data.sources.base import SourceRegistry

CONFIG = yaml.safe_load((config_folder() / "cleaning" / "default.yaml").read_text())
DEFAULT = CleaningSettings(**CONFIG)
LENIENT = replace(
    DEFAULT,
    conflicting_duplicates="keep_first",
    infinite_close="drop",
    zero_close="drop",
    negative_close="drop",
    negative_price="flag",
)


def raw(rows, *, columns=("close",), frequency="1D", calendar="24/7"):
    """Rows of (asset, day of January 2020, values...)."""
    frame = pd.DataFrame(rows, columns=["asset", "day", *columns])
    time = np.datetime64("2019-12-31", "ns") + frame.pop("day").to_numpy(np.int64) * np.timedelta64(
        1, "D"
    )
    frame.insert(1, "time", time)
    declared = tuple(Column(name, Role.TARGET_SOURCE) for name in columns)
    return RawBars(frame, declared, frequency, calendar, "test.csv")


def problems(report):
    return {
        (f.asset, f.problem, f.column): (f.count, f.first[:10], f.action) for f in report.findings
    }


def test_the_config_holds_every_setting():
    assert list(CONFIG) == [field.name for field in fields(CleaningSettings)]


def test_clean_bars_give_an_empty_report():
    panel, report = clean(raw([("b", 1, 2.0), ("b", 2, 2.1), ("a", 1, 3.0)]), settings=DEFAULT)
    assert report.empty
    assert report.table() == [("asset", "problem", "column", "count", "first", "action")]
    assert panel.assets == ("a", "b")
    assert panel.actual("close").tolist() == [3.0, 2.0, 2.1]
    assert panel.offsets.tolist() == [0, 1, 3]
    assert panel.time.dtype == np.dtype("datetime64[ns]")


def test_columns_keep_role_and_lag():
    bars = raw([("a", 1, 1.0, 9.0), ("a", 2, 1.1, 8.0)], columns=("close", "vix"))
    columns = (bars.columns[0], Column("vix", Role.PAST, lag=1))
    panel, _ = clean(replace(bars, columns=columns), settings=DEFAULT)
    assert panel.columns == columns
    assert panel.available("vix").tolist()[1] == 9.0


def test_disorder_is_sorted_and_counted_per_asset():
    rows = [("a", 3, 3.0), ("b", 1, 1.0), ("a", 1, 1.0), ("a", 2, 2.0), ("b", 2, 1.0)]
    panel, report = clean(raw(rows), settings=replace(DEFAULT, outlier_return=9.0))
    assert panel.actual("close").tolist() == [1.0, 2.0, 3.0, 1.0, 1.0]
    assert problems(report) == {("a", "disorder", ""): (1, "2020-01-01", "sorted")}


def test_interleaved_assets_are_no_disorder():
    _, report = clean(raw([("a", 1, 1.0), ("b", 1, 1.0), ("a", 2, 1.0)]), settings=DEFAULT)
    assert report.empty


DUPLICATES = [
    ("a", 1, 1.0, 5.0),
    ("a", 1, 1.0, 5.0),
    ("a", 2, 1.0, np.nan),
    ("a", 2, 1.0, np.nan),
    ("a", 3, 1.0, 6.0),
    ("a", 3, 1.0, 6.0),
    ("a", 3, 1.0, 7.0),
    ("b", 3, 1.0, 5.0),
]


@pytest.mark.parametrize(("policy", "kept"), [("keep_first", 6.0), ("keep_last", 7.0)])
def test_duplicates(policy, kept, caplog):
    bars = raw(DUPLICATES, columns=("close", "volume"))
    with caplog.at_level(logging.WARNING):
        panel, report = clean(bars, settings=replace(DEFAULT, conflicting_duplicates=policy))
    found = problems(report)
    assert found["a", "identical_duplicate", ""] == (2, "2020-01-01", "kept first")
    action = policy.replace("keep_", "kept ")
    assert found["a", "conflicting_duplicate", ""] == (2, "2020-01-03", action)
    assert panel.actual("volume")[[0, 2, 3]].tolist() == [5.0, kept, 5.0]
    assert (report.rows_before, report.rows_after) == (8, 4)
    assert not caplog.records  # whoever runs a job tells of the findings, once


def test_duplicates_that_conflict_stop_by_default():
    with pytest.raises(DataError) as error:
        clean(raw(DUPLICATES, columns=("close", "volume")), settings=DEFAULT)
    for word in ("conflicting_duplicate", "'a' at 2020-01-03", "keep_first, keep_last"):
        assert word in str(error.value)
    with pytest.raises(
        DataError, match=r"identical_duplicate.*cleaning.identical_duplicates=error"
    ):
        clean(
            raw(DUPLICATES[:2], columns=("close", "volume")),
            settings=replace(DEFAULT, identical_duplicates="error"),
        )


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (np.nan, "missing_close"),
        (np.inf, "infinite_close"),
        (-np.inf, "infinite_close"),
        (0.0, "zero_close"),
        (-37.63, "negative_close"),
    ],
)
def test_unusable_closes_follow_their_policy(value, key, caplog):
    bars = raw([("a", 1, 1.0), ("a", 2, value), ("a", 3, 1.0)])
    with caplog.at_level(logging.WARNING):
        panel, report = clean(bars, settings=replace(LENIENT, **{key: "drop"}))
    assert panel.n_rows == 2
    assert problems(report)["a", key, ""] == (1, "2020-01-02", "dropped")
    assert report.count("gap") == 1
    assert not caplog.records
    with pytest.raises(DataError, match=rf"{key}.*'a' at 2020-01-02.*cleaning.{key}=error"):
        clean(bars, settings=replace(LENIENT, **{key: "error"}))


def test_an_unusable_close_is_no_duplicate():
    panel, report = clean(raw([("a", 1, np.nan), ("a", 1, 2.0)]), settings=DEFAULT)
    assert panel.actual("close").tolist() == [2.0]
    assert report.count("conflicting_duplicate") == 0


def test_negative_prices_stop_unless_flagged():
    bars = raw([("a", 1, -1.0, 1.0)], columns=("open", "close"))
    with pytest.raises(DataError, match=r"negative_price in column 'open'.*error, flag"):
        clean(bars, settings=DEFAULT)
    panel, report = clean(bars, settings=replace(DEFAULT, negative_price="flag"))
    assert panel.actual("open").tolist() == [-1.0]
    assert problems(report)["a", "negative_price", "open"] == (1, "2020-01-01", "flagged")


def test_an_asset_without_any_close_stops():
    with pytest.raises(DataError, match="no usable close at all in b"):
        clean(raw([("a", 1, 1.0), ("b", 1, np.nan)]), settings=DEFAULT)


def test_an_empty_column_is_kept_and_flagged():
    rows = [("a", 1, 1.0, np.nan), ("a", 2, 1.0, np.nan), ("b", 1, 1.0, np.nan), ("b", 2, 1.0, 2.0)]
    panel, report = clean(raw(rows, columns=("close", "vix")), settings=DEFAULT)
    assert np.isnan(panel.actual("vix")).tolist() == [True, True, True, False]
    assert problems(report) == {
        ("a", "empty_column", "vix"): (2, "2020-01-01", "flagged"),
        ("b", "nan", "vix"): (1, "2020-01-01", "flagged"),
    }


def test_crash_bars_and_stale_runs_are_never_dropped():
    closes = [100.0] * 10 + [50.0, 5.0, 90.0]
    rows = [("a", day, close) for day, close in enumerate(closes, start=1)]
    panel, report = clean(raw(rows), settings=DEFAULT)
    assert panel.actual("close").tolist() == closes
    assert report.count("outlier") == 3
    assert report.count("stale_run") == 1
    assert {f.action for f in report.findings} == {"flagged"}


def test_empty_cells_between_an_assets_bars_are_reported():
    bars = raw([("a", 1, 1.0), ("a", 4, 1.0), ("b", 2, 1.0), ("b", 5, 1.0)])
    days = np.datetime64("2020-01-01", "ns") + np.timedelta64(1, "D") * np.array([1, 2, 2])
    cells = pd.DataFrame({"asset": ["a", "a", "b"], "time": days})
    panel, report = clean(replace(bars, empty_cells=cells), settings=DEFAULT)
    assert problems(report)["a", "empty_cell", "close"] == (2, "2020-01-02", "dropped")
    assert problems(report)["b", "empty_cell", "close"] == (1, "2020-01-03", "dropped")
    assert (report.rows_before, report.rows_after) == (7, panel.n_rows) == (7, 4)


@pytest.mark.parametrize(("opens", "count"), [(2, 2), (1, 0)])
def test_opens_that_repeat_the_close_before_are_flagged_where_they_are_many(opens, count):
    closes = 100 + np.arange(11.0)
    opened = closes - 0.5
    # Another rounding of the same price is the same price.
    opened[1 : 1 + opens] = closes[:opens] * (1 + 1e-10)
    rows = [("a", day + 1, *prices) for day, prices in enumerate(zip(opened, closes, strict=True))]
    rows += [("b", day, 1.0, day) for day in range(1, 5)]
    panel, report = clean(raw(rows, columns=("open", "close")), settings=LENIENT)
    assert report.count("open_repeats_close", "a") == count
    if count:
        expected = (count, "2020-01-02", "flagged")
        assert problems(report)["a", "open_repeats_close", "open"] == expected
    np.testing.assert_array_equal(panel.actual("open")[:11], opened)


def test_the_index_of_the_nineties_has_opens_that_were_never_traded():
    """Yahoo's S&P 500 repeats the close before it in 40 % of opens, nearly all before 2005."""
    raw_bars = SourceRegistry.create("sp500", assets=["SPX"], vix_lag=1).load()
    panel, report = clean(raw_bars, settings=DEFAULT)
    opened, close = panel.actual("open")[1:], panel.actual("close")[:-1]
    same = np.isclose(opened, close, rtol=1e-9, atol=0)
    assert report.count("open_repeats_close") == same.sum() > 0.39 * panel.n_rows
    assert same[panel.time[1:] < np.datetime64("2005-01-01")].mean() > 0.95


def test_one_row_and_no_row():
    panel, report = clean(raw([("a", 1, 1.0)]), settings=DEFAULT)
    assert (panel.n_rows, report.empty) == (1, True)
    with pytest.raises(DataError, match=r"test\.csv: no rows"):
        clean(raw([]), settings=DEFAULT)


def test_a_source_that_breaks_the_schema_is_refused():
    bars = raw([("a", 1, "1.0"), ("a", 2, "x")])
    with pytest.raises(DataError, match="'close' holds 'x' at row 1"):
        clean(bars, settings=DEFAULT)


def test_the_report_is_plain():
    _, report = clean(raw(DUPLICATES, columns=("close", "volume")), settings=LENIENT)
    value = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert value["rows_before"] == 8
    assert len(value["findings"]) == len(report.findings) == len(report.table()) - 1
    assert all(isinstance(text, str) for row in report.table() for text in row)
    assert CleaningReport("x", 0, 0, ()).empty


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("identical_duplicates", "drop"),
        ("missing_close", "keep_first"),
        ("negative_price", "drop"),
        ("stale_bars", 1),
        ("outlier_sigmas", 0.0),
        ("outlier_return", float("nan")),
        ("repeated_open_share", 1.1),
    ],
)
def test_bad_settings_name_what_is_allowed(key, value):
    with pytest.raises(ConfigError, match=rf"cleaning\.{key}=.*allowed"):
        replace(DEFAULT, **{key: value})


value = st.sampled_from([1.0, 1.1, 2.0, 0.0, -1.0, np.nan, np.inf])
messy_row = st.tuples(st.sampled_from("cab"), st.integers(1, 9), value, value)


@settings(max_examples=40, deadline=None)
@given(st.lists(messy_row, max_size=30), st.sampled_from(["keep_first", "keep_last"]))
def test_any_mess_becomes_the_panel_of_its_usable_rows(rows, policy):
    rows = [*rows, ("a", 5, 1.0, 1.0), ("b", 5, 1.0, 1.0), ("c", 5, 1.0, 1.0)]
    policies = replace(LENIENT, identical_duplicates=policy, conflicting_duplicates=policy)
    panel, report = clean(raw(rows, columns=("close", "volume")), settings=policies)
    expected = {}
    for asset, day, close, volume in rows:
        if (
            np.isfinite(close)
            and close > 0
            and not (policy == "keep_first" and (asset, day) in expected)
        ):
            expected[asset, day] = (close, volume)
    keys = sorted(expected)
    np.testing.assert_array_equal(panel.values, [expected[key] for key in keys])
    first = np.datetime64("2019-12-31", "ns")
    assert panel.time.tolist() == [(first + np.timedelta64(day, "D")).item() for _, day in keys]
    gone = sum(f.count for f in report.findings if f.action.startswith(("dropped", "kept")))
    assert report.rows_before - report.rows_after == gone


@pytest.mark.parametrize("end", ["1999-01-04", "2008-10-13", "2014-01-03"])
def test_what_comes_later_changes_nothing_before(end):
    """Bars cleaned at t and bars cleaned at the end agree up to t, bit for bit."""
    source = SourceRegistry.create("sp500", assets=["SPX", "NASDAQ"], vix_lag=1)
    whole = source.load()
    now = replace(whole, frame=whole.frame[whole.frame["time"] <= end])
    panel, _ = clean(whole, settings=DEFAULT)
    early, _ = clean(now, settings=DEFAULT)
    assert early.content_hash == panel.until(np.datetime64(end, "ns")).content_hash


def _spaced(days: int, frequency: str, step: str, **changes):
    """Closes every `step` from 2020 on, as bars of `frequency`."""
    time = pd.date_range("2020-01-02", periods=days, freq=step).to_numpy(dtype="datetime64[ns]")
    bars = raw([("a", 1, 1.0)])
    frame = pd.DataFrame({"asset": "a", "time": time, "close": np.linspace(1.0, 2.0, days)})
    return replace(bars, frame=frame, frequency=frequency, **changes)


@pytest.mark.parametrize(
    ("frequency", "step", "calendar", "advice"),
    [
        ("1h", "1D", "XNYS", r"100% of the bars lie outside.*Set data\.frequency=1D"),
        ("1h", "5min", "24/7", r"Set data\.frequency=5min"),
    ],
)
def test_bars_of_another_length_are_refused(frequency, step, calendar, advice):
    with pytest.raises(DataError, match=advice):
        clean(_spaced(60, frequency, step, calendar=calendar), settings=DEFAULT)


@pytest.mark.parametrize(
    ("frequency", "step", "calendar", "words"),
    [
        ("1D", "1D", "XNYS", "check data.calendar, data.timezone and data.stamp"),
        ("1h", "1D", "24/7", "is data.frequency=1D meant?"),
        ("1D", "7D", "XNYS", "is data.frequency=7D meant?"),
    ],
)
def test_bars_that_fit_badly_are_told(frequency, step, calendar, words, caplog):
    clean(_spaced(60, frequency, step, calendar=calendar), settings=DEFAULT)
    assert [words in record.message for record in caplog.records] == [True]


def test_a_value_may_be_zero_or_negative_and_a_hole_is_still_a_hole():
    rows = [("A", 1, 0.0), ("A", 2, -3.0), ("A", 3, 1e6), ("A", 4, np.nan), ("A", 5, np.inf)]
    lenient = replace(LENIENT, missing_close="drop")
    panel, report = clean(raw(rows, columns=("value",)), settings=lenient)
    assert panel.actual("value").tolist() == [0.0, -3.0, 1e6]
    assert report.count("missing_value") == report.count("infinite_value") == 1
    assert report.count("outlier") == 0
    with pytest.raises(DataError, match=r"missing_value .*cleaning\.missing_close=error"):
        clean(raw(rows, columns=("value",)), settings=replace(LENIENT, missing_close="error"))
    with pytest.raises(DataError, match="no usable value at all in B"):
        clean(raw([*rows, ("B", 1, np.nan)], columns=("value",)), settings=lenient)
