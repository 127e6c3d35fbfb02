"""One record of the ledger: its name, its columns, and whether it is as it was written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from regimecast.core.hashing import hash_arrays, hash_json

__all__ = [
    "SCHEMA",
    "SERIES",
    "attempt_of",
    "checksum",
    "damage",
    "record_name",
    "row_of",
    "text_of",
    "trial_of",
]

SERIES = ("time", "returns")
"""Columns that hold an array."""
SCHEMA = pa.schema(
    [
        ("trial", pa.string()),
        ("recorded", pa.string()),
        ("status", pa.string()),
        ("study", pa.string()),
        ("job", pa.string()),
        ("config", pa.string()),
        ("config_hash", pa.string()),
        ("data", pa.string()),
        ("commit", pa.string()),
        ("split", pa.string()),
        ("metrics", pa.string()),
        ("bars_per_year", pa.float64()),
        ("time", pa.list_(pa.timestamp("ns"))),
        ("returns", pa.list_(pa.float64())),
        ("checksum", pa.string()),
    ]
)


def record_name(trial: str, attempt: int) -> str:
    """Name of the record of an attempt at a trial."""
    return trial if attempt == 1 else f"{trial}.{attempt}"


def trial_of(record: str) -> str:
    """Trial of a record, by its name."""
    trial, _, attempt = record.rpartition(".")
    return trial if trial and attempt.isdecimal() else record


def attempt_of(record: str) -> int:
    """Attempt of a record, by its name."""
    return 1 if trial_of(record) == record else int(record.rpartition(".")[2])


def damage(path: Path) -> str | None:
    """Why a file is no record, if it is none."""
    if path.is_dir():
        return "damaged: it is a folder"
    try:
        with pq.ParquetFile(path) as file:
            if not file.schema_arrow.equals(SCHEMA):
                return "no record: it has other columns"
            if file.metadata.num_rows != 1:
                return f"no record: it holds {file.metadata.num_rows} rows, not one"
            file.read()
    except (pa.ArrowException, OSError, ValueError) as error:
        return f"damaged: {str(error).splitlines()[0]}"
    return None


def row_of(table: pa.Table) -> dict[str, Any]:
    """The one row of a record."""
    plain = {name: table[name][0].as_py() for name in SCHEMA.names if name not in SERIES}
    return plain | {name: table[name][0].values.to_numpy() for name in SERIES}


def checksum(row: Mapping[Any, Any]) -> str:
    """SHA-256 of all that a record holds but this."""
    plain = {name: row[name] for name in SCHEMA.names if name not in (*SERIES, "checksum")}
    plain["commit"] = text_of(row["commit"])
    plain["bars_per_year"] = repr(float(plain["bars_per_year"]))  # NaN is no json
    time = np.asarray(row["time"], dtype="datetime64[ns]")
    series = hash_arrays(time.view(np.int64), np.asarray(row["returns"], dtype=np.float64))
    return hash_json([plain, series])


def text_of(value: object) -> str | None:
    """Text that may be missing."""
    return value if isinstance(value, str) else None  # missing is NaN in a table
