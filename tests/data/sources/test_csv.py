import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from regimecast.core.config import config_folder
from regimecast.core.errors import ConfigError, DataError
from regimecast.data.cleaning import CleaningSettings, clean
from regimecast.data.panel import Column, Role

BARS = """Date,Open,High,Low,Close,Volume
2020-01-02,10,11,9,10.5,100
2020-01-03,10.5,12,10,11.25,200
"""


@pytest.fixture
def write(tmp_path):
    def write(text: str, name: str = "spx.csv") -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_bars_are_found_in_any_case_and_the_stem_names_the_asset(make_source, write):
    raw = make_source("csv", path=write(BARS)).load()
    assert list(raw.frame.columns) == ["asset", "time", "open", "high", "low", "close", "volume"]
    assert raw.frame["asset"].tolist() == ["spx", "spx"]
    assert raw.frame["time"].dtype == np.dtype("datetime64[ns]")
    assert raw.frame["time"].tolist() == [pd.Timestamp("2020-01-02"), pd.Timestamp("2020-01-03")]
    assert raw.frame["close"].tolist() == [10.5, 11.25]
    assert raw.frame["volume"].dtype == np.float64
    assert all(c.role is Role.TARGET_SOURCE and c.lag == 0 for c in raw.columns)
    assert (raw.frequency, raw.calendar) == ("1D", "XNYS")


def test_columns_map_add_and_leave_out(make_source, write):
    text = "when,sym,px,vol,Open,v\n2020-01-02,A,1.5,7,2,20\n2020-01-02,B,2.5,8,3,20\n"
    raw = make_source(
        "csv",
        path=write(text),
        columns={
            "time": "when",
            "asset": "sym",
            "close": "px",
            "open": None,
            "vix": "v",
            "n": "vol",
        },
        roles={"n": "reference"},
        lags={"n": 2},
    ).load()
    declared = {c.name: (c.role, c.lag) for c in raw.columns}
    assert declared == {
        "close": (Role.TARGET_SOURCE, 0),
        "vix": (Role.PAST, 1),
        "n": (Role.REFERENCE, 2),
    }
    assert raw.frame["asset"].tolist() == ["A", "B"]
    assert raw.frame["n"].tolist() == [7.0, 8.0]


def test_many_files_by_glob_and_list(make_source, write, tmp_path):
    write(BARS, "b.csv"), write(BARS, "a.csv"), write(BARS, "deep/c.csv")
    by_glob = make_source("csv", path=str(tmp_path / "*.csv")).load()
    assert by_glob.frame["asset"].tolist() == ["a", "a", "b", "b"]
    by_list = make_source(
        "csv", path=[str(tmp_path / "b.csv"), str(tmp_path / "**" / "*.csv")]
    ).load()
    assert by_list.frame["asset"].unique().tolist() == ["b", "a", "c"]


def test_files_with_different_columns_leave_cells_empty(make_source, write):
    paths = [write(BARS, "a.csv"), write("time,close\n2020-01-02,3\n", "b.csv")]
    raw = make_source("csv", path=paths).load()
    assert [c.name for c in raw.columns] == ["open", "high", "low", "close", "volume"]
    assert np.isnan(raw.frame.loc[raw.frame["asset"] == "b", "open"].item())


def test_wide(make_source, write):
    text = "date,NA,B\n2020-01-02,1,\n2020-01-03,2,5\n"
    raw = make_source("csv", path=write(text), layout="wide").load()
    assert raw.frame["asset"].tolist() == ["NA", "NA", "B"]
    assert raw.frame["close"].tolist() == [1.0, 2.0, 5.0]
    one = make_source("csv", path=write(text), layout="wide", columns={"x": "B"}).load()
    assert one.frame["asset"].tolist() == ["x"]


def test_wide_values_are_no_prices(make_source, write):
    text = "date,load,2\n2020-01-02,-1,\n2020-01-03,0,5\n"
    raw = make_source("csv", path=write(text), layout="wide_values").load()
    assert raw.columns == (Column("value", Role.TARGET_SOURCE),)
    assert raw.frame["asset"].tolist() == ["load", "load", "2"]
    assert raw.frame["value"].tolist() == [-1.0, 0.0, 5.0]


def test_a_long_table_may_hold_a_value_instead_of_a_close(make_source, write):
    text = "date,load,wind\n2020-01-02,-1,3\n2020-01-03,0,5\n"
    columns = {"value": "load", "wind": "wind"}
    raw = make_source("csv", path=write(text), asset="x", columns=columns).load()
    assert raw.columns == (Column("value", Role.TARGET_SOURCE), Column("wind", Role.PAST))
    # Beside a close it is a column like any other.
    columns = {"close": "wind", "value": "load"}
    raw = make_source("csv", path=write(text), asset="x", columns=columns).load()
    assert raw.columns == (Column("close", Role.TARGET_SOURCE), Column("value", Role.PAST))
    with pytest.raises(DataError, match=r"no column 'close'.*columns={value: ...}"):
        make_source("csv", path=write(text), asset="x").load()


def test_empty_cells_of_a_wide_table_are_listed_between_first_and_last_bar(make_source, write):
    text = "date,A,B\n2020-01-06,,9\n2020-01-03,2,\n2020-01-02,1,8\n2020-01-07,3,\n"
    cells = make_source("csv", path=write(text), layout="wide").load().empty_cells
    assert cells["asset"].tolist() == ["A", "B"]
    assert cells["time"].astype(str).tolist() == ["2020-01-06", "2020-01-03"]
    assert make_source("csv", path=write(BARS)).load().empty_cells is None


HOURLY = "time,close,vix\n2020-01-02T15:00,1,12\n2020-01-02T16:00,2,12\n"


def test_an_index_beside_intraday_bars_needs_its_own_lag(make_source, write):
    """A day's VIX close repeated in its bars would be known the same afternoon with a lag of 1."""
    settings = {"path": write(HOURLY), "frequency": "1h", "columns": {"vix": "vix"}}
    with pytest.raises(ConfigError, match=r"'vix'.*set data.lags.vix to 0.*whole session"):
        make_source("csv", **settings).load()
    raw = make_source("csv", **settings, lags={"vix": 7}).load()
    assert raw.columns[-1].lag == 7
    assert make_source("csv", **settings, lags={"vix": 0}).load().columns[-1].lag == 0


def test_tickers_that_look_missing_stay_text(make_source, write):
    text = "date,asset,close\n2020-01-02,NA,1\n2020-01-02,NAN,2\n2020-01-02,007,3\n"
    raw = make_source("csv", path=write(text)).load()
    assert raw.frame["asset"].tolist() == ["NA", "NAN", "007"]


def test_floats_survive_the_text(make_source, write):
    values = np.random.default_rng(0).lognormal(size=200)
    days = pd.date_range("2020", periods=200).strftime("%F")
    rows = "\n".join(map("{},{!r}".format, days, values.tolist()))
    raw = make_source("csv", path=write(f"date,close\n{rows}\n")).load()
    assert np.array_equal(raw.frame["close"].to_numpy(), values)


@pytest.mark.parametrize(
    ("text", "overrides", "words"),
    [
        ("", {}, ["spx.csv", "cannot be read as csv"]),
        ("date,close\n", {}, ["spx.csv", "no rows"]),
        ("date,close\n2020-01-02,1\n2020-01-03,abc\n", {}, ["'close'", "'abc'", "row 1"]),
        ('date,close\n2020-01-02,1\n2020-01-03,"1,5"\n', {}, ["'close'", "'1,5'", "row 1"]),
        ("date,close\n2020-01-02,1\nsoon,2\n", {}, ["'date'", "'soon'", "row 1"]),
        ("date,close\n2020-01-02,1\n,2\n", {}, ["'date'", "row 1"]),
        ("date,price\n2020-01-02,1\n", {}, ["no column 'close'", "price"]),
        ("date,close\n2020-01-02,1\n", {"columns": {"vix": "vixx"}}, ["'vixx'", "date, close"]),
        ("a,close\n1,1\n", {}, ["no time", "columns={time: ...}"]),
        ("date,time,close\n2020-01-02,10:00,1\n", {}, ["'date'", "'time'", "could all be"]),
        ("date,Close,close\n2020-01-02,1,2\n", {}, ["'Close'", "'close'"]),
        ("date,close\n20200102,1\n", {}, ["time_format", "20200102"]),
        (
            "date,close\n2020-01-02T10:00+01:00,1\n2020-01-02T10:00,2\n",
            {"frequency": "1h"},
            ["'date'", "row 0 has a time zone", "row 1 has none"],
        ),
        ("date,asset,close\n2020-01-02,,1\n", {}, ["'asset'", "row 0"]),
    ],
)
def test_bad_files_say_what_is_wrong(make_source, write, text, overrides, words):
    with pytest.raises(DataError) as error:
        make_source("csv", path=write(text), **overrides).load()
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("overrides", "word"),
    [
        ({"layout": "tall"}, "long, wide"),
        ({"stamp": "middle"}, "close, open"),
        ({"delimiter": ";"}, "null, comma, semicolon, tab"),
        ({"decimal": ","}, "point, comma"),
        ({"decimal": "comma", "delimiter": "comma"}, "both comma"),
        ({"timezone": "Mars/Olympus"}, "Mars/Olympus"),
        ({"frequency": "often"}, "often"),
        ({"roles": {"close": "boss"}}, "target_source"),
        ({"asset": "A", "columns": {"asset": "b"}}, "contradicts"),
        ({"asset": "A", "layout": "wide"}, "contradicts"),
        ({"lags": {"vixx": 1}}, "lags.vixx"),
        ({"roles": {"n": "known"}, "lags": {"n": 2}}, "lags.n=2 contradicts roles.n=known"),
        ({"roles": {"n": "static"}, "lags": {"n": 1}}, "lags.n=1 contradicts roles.n=static"),
        ({"columns": {"vix": "Open"}, "lags": {"vixx": 1}}, "Did you mean 'vix'"),
    ],
)
def test_bad_settings_say_what_is_allowed(make_source, write, overrides, word):
    with pytest.raises(ConfigError, match=word):
        make_source("csv", path=write(BARS), **overrides).load()


def test_missing_files(make_source, tmp_path: Path):
    with pytest.raises(DataError, match=r"nowhere.*no such file"):
        make_source("csv", path=str(tmp_path / "nowhere*.csv")).load()
    with pytest.raises(DataError, match="folder; use a glob"):
        make_source("csv", path=str(tmp_path)).load()


def test_files_with_and_without_zone_do_not_mix(make_source, write):
    paths = [
        write("time,close\n2020-01-02T10:00Z,1\n", "a.csv"),
        write("time,close\n2020-01-02T10:00,1\n", "b.csv"),
    ]
    with pytest.raises(DataError, match=r"a\.csv has times with a time zone, .*b\.csv without"):
        make_source("csv", path=paths, frequency="1h").load()


def _intraday(freq: str) -> str:
    opens = pd.date_range("2020-01-02 09:30", periods=7, freq=freq)
    times = [
        day + (opens - opens[0].normalize()) for day in pd.bdate_range("2020-01-02", periods=9)
    ]
    rows = [f"{time},{number + 1}" for number, time in enumerate(t for day in times for t in day)]
    return "\n".join(["time,close", *rows])


@pytest.mark.parametrize(("freq", "guess"), [("1h", "1h"), ("5min", "5min"), ("90min", "90min")])
def test_intraday_bars_read_as_days_are_refused_with_their_frequency(
    make_source, write, freq, guess
):
    with pytest.raises(DataError, match=rf"look intraday: 54 of 63.*data\.frequency={guess},"):
        make_source("csv", path=write(_intraday(freq))).load()
    assert len(make_source("csv", path=write(_intraday(freq)), frequency=freq).load().frame) == 63


def test_one_day_with_two_times_is_left_to_cleaning(make_source, write):
    text = "time,close\n2020-01-02 16:00,1\n2020-01-03 16:00,2\n2020-01-06 16:00,3\n"
    raw = make_source("csv", path=write(text + "2020-01-06 16:05,4\n")).load()
    assert raw.frame["time"].duplicated().sum() == 1


def test_a_table_of_many_assets_says_which_column_names_them(make_source, write):
    rows = [f"2020-01-{day:02},{name},{day}" for day in range(2, 12) for name in "ABC"]
    text = "\n".join(["date,sym,close", *rows])
    with pytest.raises(DataError, match=r"'sym' with 3 different.*data\.columns=\{asset: sym\}"):
        make_source("csv", path=write(text)).load()
    for asset, count in (("sym", 3), (None, 1)):
        raw = make_source("csv", path=write(text), columns={"asset": asset}).load()
        assert raw.frame["asset"].nunique() == count


def test_columns_that_are_not_used_are_told_and_suggested(make_source, write, caplog):
    text = "date,close,Adj Close,vix_close\n2020-01-02,1,1,12\n2020-01-03,2,2,13\n"
    source = make_source("csv", path=[write(text, "a.csv"), write(text, "b.csv")])
    with caplog.at_level(logging.INFO):
        raw = source.load()
    assert caplog.text.count("columns not used: Adj Close, vix_close") == 1
    assert raw.unused == ("Adj Close", "vix_close")
    config = yaml.safe_load((config_folder() / "cleaning" / "default.yaml").read_text())
    panel, _ = clean(raw, settings=CleaningSettings(**config))
    with pytest.raises(DataError, match=r"no column 'vix'.*data\.columns=\{vix: vix_close\}"):
        panel.available("vix")


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_separators_are_found(make_source, write, delimiter):
    path = write(BARS.replace(",", delimiter))
    assert make_source("csv", path=path).load().frame["close"].tolist() == [10.5, 11.25]
    name = {";": "semicolon", "\t": "tab"}[delimiter]
    raw = make_source("csv", path=path, delimiter=name).load()
    assert raw.frame["close"].tolist() == [10.5, 11.25]
    with pytest.raises(DataError, match="no time"):
        make_source("csv", path=path, delimiter="comma").load()


def test_decimal_commas_are_read_where_they_are_asked_for(make_source, write):
    path = write("Date;Close\n2020-01-02;10,5\n2020-01-03;1100,25\n")
    with pytest.raises(DataError, match=r"'10,5' at row 0.*data\.decimal=comma"):
        make_source("csv", path=path).load()
    raw = make_source("csv", path=path, decimal="comma").load()
    assert raw.frame["close"].tolist() == [10.5, 1100.25]
