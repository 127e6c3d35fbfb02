"""Artifacts as files that are the same bytes whenever they hold the same values: parquet and json.

Tables are written a few rows at a time, so that a wide one is not in memory twice. They hold no
pandas metadata, and ``pd.read_parquet`` reads them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float, Int, Shaped

from regimecast.core.errors import DataError
from regimecast.core.files import read_json
from regimecast.data.panel import Panel

__all__ = [
    "categories",
    "read_columns",
    "read_mapping",
    "read_matrix",
    "row_columns",
    "write_table",
]

_ROWS = 65_536
"""Rows of a row group, the most that are held twice."""
Values = Any
"""A NumPy array or an Arrow array of one dimension."""


def write_table(path: Path, columns: Mapping[str, Values]) -> None:
    """A parquet file of columns of one length, zstd-compressed, in row groups of fixed size."""
    length = len(next(iter(columns.values())))
    writer: pq.ParquetWriter | None = None
    try:
        for start in range(0, max(length, 1), _ROWS):
            part = pa.table({n: _arrow(v[start : start + _ROWS]) for n, v in columns.items()})
            if writer is None:
                writer = pq.ParquetWriter(
                    path, part.schema, version="2.6", compression="zstd", compression_level=3
                )
            writer.write_table(part, row_group_size=_ROWS)
    finally:
        if writer is not None:
            writer.close()


def categories(codes: Int[np.ndarray, " R"], names: Sequence[str]) -> Values:
    """Text column of few distinct values, given by their codes; -1 is no value."""
    missing = None if codes.min(initial=0) >= 0 else codes < 0
    return pa.DictionaryArray.from_arrays(
        pa.array(codes.astype(np.int32), mask=missing), pa.array(list(names), pa.string())
    )


def row_columns(panel: Panel) -> dict[str, Values]:
    """Columns ``asset`` and ``time`` of a panel's rows."""
    return {"asset": categories(panel.asset_of_row, panel.assets), "time": panel.time}


def read_columns(path: Path, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """Columns of a table as arrays; text as objects, None where there is no value.

    Raises:
        DataError: the file or a column is missing, or it is no parquet file.
    """
    try:
        table = pq.read_table(path, columns=None if names is None else list(names))
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if missing := [name for name in names or () if name not in table.column_names]:
        raise DataError(f"{path} has no column {missing[0]!r}")
    return {name: _numpy(table.column(name)) for name in table.column_names}


def read_matrix(path: Path, names: Sequence[str]) -> Float[np.ndarray, "R F"]:
    """float32 columns of a table side by side, read one row group at a time.

    Raises:
        DataError: the file or a column is missing, or it is no parquet file.
    """
    try:
        with pq.ParquetFile(path) as file:
            values = np.empty((file.metadata.num_rows, len(names)), dtype=np.float32)
            first = 0
            for group in range(file.num_row_groups if names else 0):
                part = file.read_row_group(group, columns=list(names))
                for place, name in enumerate(names):
                    values[first : first + len(part), place] = part.column(name).to_numpy()
                first += len(part)
    except (OSError, KeyError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    return values


def read_mapping(path: Path) -> dict[str, Any]:
    """Content of a json file that holds a mapping.

    Raises:
        DataError: it is missing or holds something else.
    """
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} does not hold a mapping")
    return content


def _arrow(values: Shaped[np.ndarray, " R"] | pa.Array) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(np.ascontiguousarray(values))


def _numpy(column: pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_dictionary(column.type):
        # Straight to NumPy, a missing code would become the last category.
        column = column.cast(column.type.value_type)
    return column.to_numpy()
