"""Bars of one asset beside their labels, as arrays, as a frame and as parquet bytes."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float, Int

from regimecast.core.errors import DataError
from regimecast.labels.base import INCOMPLETE
from regimecast.labels.checks import check_prices, check_range

__all__ = ["SCHEMA", "Rows"]

SCHEMA: dict[str, str] = {
    "time": "int64",
    "high": "float64",
    "low": "float64",
    "close": "float64",
    "scale": "float64",
    "label": "int8",
    "held": "int32",
    "ret": "float64",
}
"""Columns on disk and their types."""


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
    """Bars from the entry to its exit; -1 where incomplete."""
    ret: Float[np.ndarray, " N"]
    """Return after costs; NaN where incomplete."""

    def __len__(self) -> int:
        return len(self.time)

    def __getitem__(self, part: slice | np.ndarray) -> "Rows":
        return self.each(lambda _, values: values[part])

    def each(self, change: Callable[[str, np.ndarray], np.ndarray]) -> "Rows":
        """Rows whose every column is `change(name, column)`."""
        return Rows(**{f.name: change(f.name, getattr(self, f.name)) for f in fields(self)})

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
            held=np.full(count, -1, dtype=np.int32),
            ret=np.full(count, np.nan),
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
        return cls(**{name: table.column(name).to_numpy() for name in SCHEMA})

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
        columns = [pa.array(getattr(self, name)) for name in SCHEMA]
        table = pa.Table.from_arrays(columns, names=list(SCHEMA), metadata={_RULE: rule})
        sink = pa.BufferOutputStream()
        options: dict[str, Any] = {} if compressed else {"use_dictionary": False}
        pq.write_table(table, sink, compression="snappy" if compressed else "none", **options)
        return sink.getvalue().to_pybytes()

    def to_frame(self, start: int) -> pd.DataFrame:
        """Labels of the rows from `start` on, indexed by time (naive UTC).

        Columns: ``label``, ``exit`` (time of the exit bar, NaT where incomplete), ``ret`` and
        ``scale``.
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
            },
            index=pd.DatetimeIndex(self.time[start:].view("datetime64[ns]"), name="time"),
        )


def _nanoseconds(time: "pd.Index | pd.Series") -> Int[np.ndarray, " N"]:
    if not pd.api.types.is_datetime64_any_dtype(time.dtype):
        raise DataError(f"time of bars is of type {time.dtype}; allowed: datetime")
    index = pd.DatetimeIndex(time)
    if index.hasnans:
        raise DataError(f"time of bars is missing at bar {int(np.flatnonzero(index.isna())[0])}")
    utc = index.tz_convert("UTC").tz_localize(None) if index.tz is not None else index
    return utc.as_unit("ns").asi8
