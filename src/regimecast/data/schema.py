"""The long frame of raw bars that every source hands over, and its check."""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa

from regimecast.core.errors import DataError, did_you_mean
from regimecast.core.hashing import hash_arrays, hash_json
from regimecast.data.panel import Column

__all__ = ["PRICES", "VALUE", "RawBars", "as_numbers", "observed", "raw_schema", "validate"]

PRICES: tuple[str, ...] = ("open", "high", "low", "close")
"""Canonical names of the price columns."""

VALUE = "value"
"""Name of what is observed where it is no price: a load, a temperature, any real number."""


@dataclass(frozen=True, eq=False)
class RawBars:
    """Bars as they were found: not sorted, not checked, and what was left out is listed."""

    frame: pd.DataFrame
    """Long: ``asset`` (str), ``time`` (datetime64[ns], naive UTC), then one float64 column per
    entry of `columns`, among them ``close``, or ``value`` of series that are no prices."""
    columns: tuple[Column, ...]
    frequency: str
    calendar: str
    origin: str
    """Where the bars come from, for manifests and reports."""
    empty_cells: pd.DataFrame | None = None
    """``asset`` and ``time`` of each empty cell of a wide table between the asset's first and last
    bar; no bars, and so not in `frame`."""
    unused: tuple[str, ...] = ()
    """Columns of the source that were left out, under their own names; for messages only."""

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the bars and of what their columns are, in the source's order."""
        codes, assets = pd.factorize(self.frame["asset"])
        layout = [[asdict(c) for c in self.columns], list(assets), self.frequency, self.calendar]
        values = (self.frame[column.name].to_numpy(np.float64) for column in self.columns)
        times = self.frame["time"].to_numpy("datetime64[ns]").view(np.int64)
        return hash_json([layout, hash_arrays(codes.astype(np.int64), times, *values)])


def observed(names: Iterable[str]) -> str:
    """The column that makes a bar a bar: ``close``, or ``value`` in data without prices."""
    return "close" if "close" in names else VALUE


def raw_schema(names: Iterable[str]) -> pa.DataFrameSchema:
    """Pandera schema of a long frame with these float64 columns beside ``asset`` and ``time``.

    Prices are not judged here: NaN, zero and crossed prices are `cleaning`'s to report.
    """
    return pa.DataFrameSchema(
        {
            "asset": pa.Column(str, pa.Check.str_length(min_value=1)),
            "time": pa.Column("datetime64[ns]"),
            **{name: pa.Column("float64", nullable=True) for name in names},
        }
    )


def validate(frame: pd.DataFrame, columns: tuple[Column, ...], *, origin: str) -> pd.DataFrame:
    """The long frame with exactly ``asset``, ``time`` and `columns`, numbers as float64.

    Args:
        frame: a long frame; integers and nullable numbers are accepted, text is not.
        columns: columns to keep.
        origin: file or other place the frame comes from, for messages.

    Raises:
        DataError: no rows, neither ``close`` nor ``value``, a column is missing or twice there, a
            value is not what its column holds. The message names the place, the column and the
            first offending row.
    """
    names = [column.name for column in columns]
    if observed(names) not in names:
        raise DataError(f"{origin}: no 'close' column; columns: {', '.join(names) or 'none'}")
    for name in ("asset", "time", *names):
        count = int((frame.columns == name).sum())
        if count == 0:
            found = [str(column) for column in frame.columns]
            raise DataError(
                f"{origin}: no column {name!r}.{did_you_mean(name, found)} "
                f"Columns: {', '.join(found)}"
            )
        if count > 1 or names.count(name) > 1:
            raise DataError(f"{origin}: column {name!r} is there more than once")
    if frame.empty:
        raise DataError(f"{origin}: no rows")
    time = frame["time"]
    if isinstance(time.dtype, pd.DatetimeTZDtype):
        raise DataError(f"{origin}: 'time' has time zone {time.dtype.tz}; raw bars are naive UTC")
    if pd.api.types.is_datetime64_dtype(time) and time.dtype != np.dtype("datetime64[ns]"):
        raise DataError(f"{origin}: 'time' is {time.dtype}; raw bars are datetime64[ns]")
    numbers = {
        name: as_numbers(frame[name], column=name, origin=origin).to_numpy() for name in names
    }
    checked = pd.DataFrame(
        {"asset": frame["asset"].to_numpy(), "time": time.to_numpy(), **numbers}, copy=False
    )
    try:
        return raw_schema(names).validate(checked, lazy=True)
    except pa.errors.SchemaErrors as error:
        raise DataError(f"{origin}: {_first_failure(error, checked)}") from error


def as_numbers(series: "pd.Series[Any]", *, column: str, origin: str) -> "pd.Series[float]":
    """The series as float64; missing values become NaN.

    Text is never turned into numbers, not even text that looks like one: a file that holds text
    where prices belong was written wrongly, and guessing hides the cells that are not numbers.

    Raises:
        DataError: text, booleans, dates or other objects; names the first offending value and row.
    """
    if pd.api.types.is_bool_dtype(series):
        raise DataError(f"{origin}: column {column!r} holds true/false, not numbers")
    if pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_complex_dtype(series):
        return series.astype("float64")
    if pd.api.types.infer_dtype(series, skipna=True) in {
        "decimal",
        "empty",
        "floating",
        "integer",
        "mixed-integer-float",
    }:
        return series.astype("float64")
    present = series.notna()
    looks_numeric = pd.to_numeric(series.astype("object").astype("str"), errors="coerce").notna()
    # A single bad cell turns a whole csv column into text: point at it, not at its neighbours.
    offending = present & ~looks_numeric
    row = int(np.flatnonzero(offending if offending.any() else present)[0])
    decimal = isinstance(series.iloc[row], str) and re.fullmatch(r"-?\d+,\d+", series.iloc[row])
    comma = (
        ". If that comma is a decimal point, set data.decimal=comma (csv only)" if decimal else ""
    )
    raise DataError(
        f"{origin}: column {column!r} holds {series.iloc[row]!r} at row {row}, expected a number"
        f"{comma}"
    )


def _first_failure(error: pa.errors.SchemaErrors, frame: pd.DataFrame) -> str:
    failure = error.failure_cases.iloc[0]
    column, row = failure["column"], failure["index"]
    if pd.isna(row):
        return (
            f"column {column!r} is {frame[column].dtype}, expected {failure['check']} "
            f"(first value {frame[column].iloc[0]!r})"
        )
    what = "is empty" if pd.isna(failure["failure_case"]) else f"fails {failure['check']}"
    return f"column {column!r} {what} at row {row} (value {failure['failure_case']!r})"
