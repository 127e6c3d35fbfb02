from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from regimecast.core.errors import DataError
from regimecast.data.panel import Column
from regimecast.data.schema import validate

COLUMNS = (Column("close"), Column("volume"))


def frame(**columns):
    time = pd.to_datetime(["2020-01-01", "2020-01-02"]).as_unit("ns")
    return pd.DataFrame(
        {"asset": ["a", "b"], "time": time, "close": [1.0, 2.0], "volume": [1, 2], **columns}
    )


@pytest.mark.parametrize(
    "close",
    [
        [1, 2],
        [1.0, 2.0],
        np.array([1, 2], dtype=np.float32),
        pd.array([1, 2], dtype="Int64"),
        [Decimal("1"), Decimal("2")],
        np.array([1, 2.0], dtype=object),
    ],
)
def test_every_kind_of_number_becomes_float64(close):
    checked = validate(frame(close=close), COLUMNS, origin="x.csv")
    assert checked["close"].dtype == np.float64
    assert checked["close"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("close", [[None, 2], [np.nan, 2], pd.array([None, 2], dtype="Int64")])
def test_missing_numbers_are_nan(close):
    checked = validate(frame(close=close), COLUMNS, origin="x.csv")
    assert np.isnan(checked["close"][0])


def test_only_declared_columns_remain_in_their_order():
    checked = validate(frame(extra="x"), COLUMNS[::-1], origin="x.csv")
    assert list(checked.columns) == ["asset", "time", "volume", "close"]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"close": ["1", "n/q"]}, ["'close'", "'n/q'", "row 1"]),
        ({"close": ["1", "2"]}, ["'close'", "'1'", "row 0"]),
        ({"close": [1.0, "2"]}, ["'close'", "row"]),
        ({"close": [True, False]}, ["'close'", "true/false"]),
        ({"close": pd.to_datetime(["2020", "2021"])}, ["'close'", "Timestamp", "row 0"]),
        ({"volume": [1j, 2]}, ["'volume'", "1j", "row 0"]),
        ({"asset": ["a", None]}, ["'asset'", "row 1"]),
        ({"asset": ["a", ""]}, ["'asset'", "row 1"]),
        ({"asset": [1, 2]}, ["'asset'", "row 0"]),
        ({"time": ["2020-01-01", "2020-01-02"]}, ["'time'"]),
        ({"time": pd.to_datetime(["2020-01-01", None]).as_unit("ns")}, ["'time'", "row 1"]),
        ({"time": pd.to_datetime(["2020", "2021"]).as_unit("us")}, ["'time'", "datetime64[us]"]),
        ({"time": pd.to_datetime(["2020", "2021"], utc=True)}, ["'time'", "zone UTC"]),
    ],
)
def test_errors_name_place_column_row_and_value(columns, words):
    with pytest.raises(DataError) as error:
        validate(frame(**columns), COLUMNS, origin="folder/x.csv")
    for word in ["folder/x.csv", *words]:
        assert word in str(error.value)


def test_missing_columns_and_rows():
    with pytest.raises(DataError, match=r"no column 'volume'.*Did you mean 'volumes'"):
        validate(frame().rename(columns={"volume": "volumes"}), COLUMNS, origin="x")
    with pytest.raises(DataError, match="no 'close' column; columns: volume"):
        validate(frame(), COLUMNS[1:], origin="x")
    with pytest.raises(DataError, match="x: no rows"):
        validate(frame()[:0], COLUMNS, origin="x")
    with pytest.raises(DataError, match="'close' is there more than once"):
        validate(frame(), (*COLUMNS, Column("close")), origin="x")
