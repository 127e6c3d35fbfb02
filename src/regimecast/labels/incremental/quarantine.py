"""Bars that were given twice with different prices: what counts beside what was refused."""

import hashlib
from pathlib import Path

import pandas as pd
import pyarrow as pa

from regimecast.core.errors import DataError
from regimecast.core.files import atomic_path
from regimecast.labels.incremental.rows import Rows

__all__ = ["Quarantine"]

_PRICES = ("high", "low", "close")


class Quarantine:
    """Parquet files in an asset's folder, named after their content; none is ever written again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, kept: Rows, refused: Rows) -> None:
        """Writes the bars that count and what was given for them, row by row."""
        frame = pd.DataFrame(
            {
                "time": kept.time.view("datetime64[ns]"),
                **{name: getattr(kept, name) for name in _PRICES},
                **{f"given_{name}": getattr(refused, name) for name in _PRICES},
            }
        )
        sink = pa.BufferOutputStream()
        frame.to_parquet(sink, index=False)
        content = sink.getvalue().to_pybytes()
        path = self._folder / f"quarantine-{hashlib.sha256(content).hexdigest()}.parquet"
        with atomic_path(path) as temporary:
            temporary.write_bytes(content)

    def read(self) -> pd.DataFrame:
        """Every conflict once, in order of time.

        Columns: ``time`` (naive UTC), ``high``, ``low``, ``close`` as they count, and
        ``given_high``, ``given_low``, ``given_close`` as they were given later.

        Raises:
            DataError: a file is damaged.
        """
        columns = ["time", *_PRICES, *(f"given_{name}" for name in _PRICES)]
        parts = []
        for path in sorted(self._folder.glob("quarantine-*.parquet")):
            content = path.read_bytes()
            if path.stem != f"quarantine-{hashlib.sha256(content).hexdigest()}":
                raise DataError(f"{path} does not have the content that it was written with")
            parts.append(pd.read_parquet(pa.BufferReader(content)))
        if not parts:
            return pd.DataFrame(columns=columns)
        together = pd.concat(parts).drop_duplicates()
        return together.sort_values(columns, kind="stable", ignore_index=True)
