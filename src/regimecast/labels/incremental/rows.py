"""Bars of one asset beside their labels, as arrays, as a frame and as parquet bytes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float, Int

from regimecast.core.errors import DataError
from regimecast.labels.base import INCOMPLETE
from regimecast.labels.checks import check_prices, check_range

__all__ = ["NO_ENTRY", "SCHEMA", "Rows", "check_frame"]

NO_ENTRY = -2
"""`Rows.held` of a bar that is not labelled: its unit is not known, or no rule enters there."""

SCHEMA: dict[str, str] = {
    "time": "int64",
    "high": "float64",
    "low": "float64",
    "close": "float64",
    "scale": "float64",
    "label": "int8",
    "held": "int32",
    "ret": "float64",
    "rise": "float64",
    "fall": "float64",
}
"""Columns and their types."""

_SUMS = ("rise", "fall")
"""Left out of a file where they are 0 throughout, as they are unless a rule enters at events."""

_RULE = b"regimecast.rule"


@dataclass(frozen=True, eq=False)
class Rows:
    """Bars in order of time, each with the label of an entry at its close."""

    time: Int[np.ndarray, " N"]
    """Nanoseconds since 1970, UTC."""
    high: Float[np.ndarray, " N"]
    low: Float[np.ndarray, " N"]
    close: Float[np.ndarray, " N"]
    scale: Float[np.ndarray, " N"]
    """What a unit of distance is made of: volatility, average true range or 1; NaN in warm-up."""
    label: Int[np.ndarray, " N"]
    """1, -1, 0 or `INCOMPLETE`."""
    held: Int[np.ndarray, " N"]
    """Bars from the entry to its exit; -1 where incomplete, `NO_ENTRY` where there is none."""
    ret: Float[np.ndarray, " N"]
    """Return after costs; NaN where incomplete."""
    rise: Float[np.ndarray, " N"]
    """The upward sum of a CUSUM filter after the bar, log return; 0 without one."""
    fall: Float[np.ndarray, " N"]
    """The downward sum."""

    def __len__(self) -> int:
        return len(self.time)

    def __getitem__(self, part: slice | np.ndarray) -> "Rows":
        return self.each(lambda _, values: values[part])

    def each(self, change: Callable[[str, np.ndarray], np.ndarray]) -> "Rows":
        """Rows whose every column is `change(name, column)`."""
        return Rows(**{name: change(name, getattr(self, name)) for name in SCHEMA})

    @classmethod
    def concatenated(cls, *parts: "Rows") -> "Rows":
        """All rows of the parts in that order."""
        columns = {name: [getattr(part, name) for part in parts] for name in SCHEMA}
        return cls(
            **{
                name: np.concatenate(columns[name]) if parts else np.empty(0, dtype=kind)
                for name, kind in SCHEMA.items()
            }
        )

    @classmethod
    def unlabelled(
        cls,
        time: Int[np.ndarray, " N"],
        high: Float[np.ndarray, " N"],
        low: Float[np.ndarray, " N"],
        close: Float[np.ndarray, " N"],
    ) -> "Rows":
        """Bars whose labels are not known yet."""
        count = len(time)
        return cls(
            time=time,
            high=high,
            low=low,
            close=close,
            scale=np.full(count, np.nan),
            label=np.full(count, INCOMPLETE, dtype=np.int8),
            held=np.full(count, NO_ENTRY, dtype=np.int32),
            ret=np.full(count, np.nan),
            rise=np.zeros(count),
            fall=np.zeros(count),
        )

    @classmethod
    def from_frame(cls, bars: pd.DataFrame) -> "Rows":
        """Bars of a frame, sorted by time; of bars with one time the first comes first.

        Args:
            bars: columns ``high``, ``low`` and ``close``; the time is the index or a column
                ``time``, in UTC where it names no zone.

        Raises:
            DataError: a column or the time is missing, or a price is missing, not positive or
                crossed.
        """
        check_frame(bars)
        missing = [name for name in ("high", "low", "close") if name not in bars]
        if missing:
            raise DataError(
                f"bars have no {', '.join(missing)}; found {', '.join(map(str, bars.columns))}. "
                "Where there are closes alone, pass them as high and low too"
            )
        time = _nanoseconds(bars.get("time", bars.index))
        try:
            high, low, close = (
                bars[name].to_numpy(dtype=np.float64) for name in ("high", "low", "close")
            )
        except (TypeError, ValueError) as error:
            raise DataError(f"prices of bars are not numbers: {error}") from error
        check_range(high, low, len(time))
        check_prices("close", close, len(time))
        rows = cls.unlabelled(time, high, low, close)
        if (np.diff(time) > 0).all():
            return rows
        return rows[np.argsort(time, kind="stable")]

    @classmethod
    def from_parquet(cls, content: bytes) -> "Rows":
        """Rows of `to_parquet`'s bytes."""
        table = pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
        found = dict(zip(table.column_names, table.columns, strict=True))
        return cls(
            **{
                name: found[name].to_numpy() if name in found else np.zeros(table.num_rows)
                for name in SCHEMA
            }
        )

    @staticmethod
    def rule_of(content: bytes) -> str:
        """Hash of the rule that made `to_parquet`'s bytes."""
        metadata = pq.read_schema(pa.BufferReader(content)).metadata or {}
        return metadata.get(_RULE, b"").decode()

    def to_parquet(self, rule: str, *, compressed: bool) -> bytes:
        """Bytes of a parquet file; the same rows give the same bytes.

        Args:
            rule: hash of the rule that made the labels.
            compressed: smaller, and slower to write.
        """
        names = [name for name in SCHEMA if name not in _SUMS or getattr(self, name).any()]
        columns = [pa.array(getattr(self, name)) for name in names]
        table = pa.Table.from_arrays(columns, names=names, metadata={_RULE: rule})
        sink = pa.BufferOutputStream()
        options: dict[str, Any] = {} if compressed else {"use_dictionary": False}
        pq.write_table(table, sink, compression="snappy" if compressed else "none", **options)
        return sink.getvalue().to_pybytes()

    def to_frame(self, start: int) -> pd.DataFrame:
        """Labels of the rows from `start` on, indexed by time (naive UTC).

        Columns: ``label``, ``exit`` (time of the exit bar, NaT where incomplete), ``ret``,
        ``scale`` and ``entry`` (whether the bar is labelled at all).
        """
        entries = np.arange(start, len(self))
        held = self.held[start:]
        exits = self.time[np.where(held >= 0, entries + held, 0)] if len(entries) else entries
        exit_time = exits.view("datetime64[ns]").copy()
        exit_time[held < 0] = np.datetime64("NaT")
        return pd.DataFrame(
            {
                "label": self.label[start:],
                "exit": exit_time,
                "ret": self.ret[start:],
                "scale": self.scale[start:],
                "entry": held > NO_ENTRY,
            },
            index=pd.DatetimeIndex(self.time[start:].view("datetime64[ns]"), name="time"),
        )


def check_frame(bars: object) -> None:
    """Raises `DataError` unless bars are a frame."""
    if not isinstance(bars, pd.DataFrame):
        raise DataError(
            f"bars are a {type(bars).__name__}; allowed: a pandas DataFrame with high, low and "
            "close, indexed by time"
        )


def _nanoseconds(time: "pd.Index | pd.Series") -> Int[np.ndarray, " N"]:
    if not pd.api.types.is_datetime64_any_dtype(time.dtype):
        raise DataError(f"time of bars is of type {time.dtype}; allowed: datetime")
    index = time if isinstance(time, pd.DatetimeIndex) else pd.DatetimeIndex(time)
    if index.hasnans:
        raise DataError(f"time of bars is missing at bar {int(np.flatnonzero(index.isna())[0])}")
    return index.as_unit("ns").asi8  # UTC, whatever the zone
