"""The trial ledger: one immutable record for every job that was ever run, whatever became of it.

    ledger/<trial>.parquet

A Sharpe ratio is the best of as many draws as there were trials, so that the count has to outlive
the runs: deleting a run folder removes nothing here, and nothing here is ever written twice. A
record is a file of its own, linked into place when it is whole, so that any number of processes can
append at once. DuckDB reads them all as one table.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float, Shaped

from regimecast.core.errors import DataError
from regimecast.core.files import atomic_path
from regimecast.core.hashing import hash_arrays, hash_json

__all__ = ["Finding", "Ledger", "Trial"]

_log = logging.getLogger(__name__)

_SERIES = ("time", "returns")
_SCHEMA = pa.schema(
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


@dataclass(frozen=True, eq=False, kw_only=True)
class Trial:
    """One job, as it ended.

    Args:
        trial: name that no other job has.
        status: ``finished``, ``pruned``, ``failed`` or ``interrupted``.
        study: name of its study.
        job: its name there.
        config: resolved config.
        data: fingerprint of the bars and features it was judged on.
        commit: of the code; None outside a checkout.
        split: registry name of the split.
        metrics: what it was judged by; empty unless it finished.
        bars_per_year: of the returns; NaN where there are none.
        time: when each return was known, datetime64[ns].
        returns: out of sample, after costs, simple and per bar; empty where nothing was traded.
    """

    trial: str
    status: str
    study: str
    job: str
    config: Mapping[str, Any]
    data: str
    commit: str | None
    split: str
    metrics: Mapping[str, Any]
    bars_per_year: float
    time: Shaped[np.ndarray, " T"]
    returns: Float[np.ndarray, " T"]


@dataclass(frozen=True)
class Finding:
    """What is wrong with a file of the ledger."""

    file: str
    problem: str


class Ledger:
    """Records in a folder, which is made with the first one.

    Args:
        folder: where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def append(self, trial: Trial) -> Path:
        """The file of a new record.

        Raises:
            DataError: the trial has one already; records are never changed.
        """
        values = {field.name: getattr(trial, field.name) for field in fields(trial)}
        row: dict[str, Any] = {
            **values,
            "recorded": datetime.now(UTC).isoformat(timespec="microseconds"),
            "config": json.dumps(trial.config, sort_keys=True),
            "config_hash": hash_json(trial.config),
            "metrics": json.dumps(trial.metrics, sort_keys=True),
            "time": trial.time.astype("datetime64[ns]"),
            "returns": trial.returns.astype(np.float64),
        }
        row["checksum"] = _checksum(row)
        columns = [pa.array([row[name]], type=_SCHEMA.field(name).type) for name in _SCHEMA.names]
        path = self.folder / f"{trial.trial}.parquet"
        try:
            with atomic_path(path, replaces=False) as temporary:
                pq.write_table(pa.Table.from_arrays(columns, schema=_SCHEMA), temporary)
        except FileExistsError:
            raise DataError(f"{path} exists: trial {trial.trial!r} is recorded already") from None
        return path

    def table(self, where: str = "true", values: Sequence[Any] = ()) -> pd.DataFrame:
        """Records as rows, oldest first; files that cannot be read are left out with a warning.

        Columns are those of `Trial`, with `recorded` (UTC), `config_hash` and `checksum`; config
        and metrics are json.

        Args:
            where: condition in SQL on those columns, with a ``?`` for every value.
            values: for the question marks.

        Raises:
            DataError: the condition is none.
        """
        files = self._files()
        if not files:
            return _SCHEMA.empty_table().to_pandas()
        query = f"SELECT * FROM read_parquet(?) WHERE {where} ORDER BY recorded, trial"  # noqa: S608  # the user's own
        try:
            with duckdb.connect() as connection:
                try:
                    found = connection.execute(query, [files, *values])
                except duckdb.Error:
                    # One damaged file is not to hide the others.
                    files = [file for file in files if self._whole(file)]
                    found = connection.execute(query, [files, *values])
                return found.df()
        except duckdb.Error as error:
            raise DataError(f"where={where!r}: {str(error).splitlines()[0]}") from error

    def trials(self, data: str) -> list[Trial]:
        """Every trial on data of this fingerprint."""
        return [_trial(row) for row in self.table("data = ?", [data]).to_dict("records")]

    def verify(self) -> list[Finding]:
        """What is wrong: files that are damaged, changed, named otherwise or second of a trial."""
        findings = []
        for file in self._files():
            path = Path(file)
            try:
                row = _row(pq.read_table(file, schema=_SCHEMA))
            except (pa.ArrowException, OSError, ValueError) as error:
                findings.append(Finding(path.name, f"damaged: {str(error).splitlines()[0]}"))
                continue
            if _checksum(row) != row["checksum"]:
                findings.append(Finding(path.name, "changed: it does not match its checksum"))
            if row["trial"] != path.stem:
                findings.append(Finding(path.name, f"a copy: it records trial {row['trial']!r}"))
        return findings

    def _files(self) -> list[str]:
        return sorted(str(path) for path in self.folder.glob("[!.]*.parquet"))

    @staticmethod
    def _whole(file: str) -> bool:
        try:
            pq.read_table(file, schema=_SCHEMA)
        except (pa.ArrowException, OSError, ValueError) as error:
            _log.warning("ledger: %s is left out: %s", file, str(error).splitlines()[0])
            return False
        return True


def _row(table: pa.Table) -> dict[str, Any]:
    """The one row of a file.

    Raises:
        ValueError: it holds another number of rows.
    """
    if len(table) != 1:
        raise ValueError(f"it holds {len(table)} rows, not one")
    plain = {name: table[name][0].as_py() for name in _SCHEMA.names if name not in _SERIES}
    return plain | {name: table[name][0].values.to_numpy() for name in _SERIES}  # noqa: PD011  # Arrow's


def _checksum(row: Mapping[str, Any]) -> str:
    """SHA-256 of all that a record holds but this."""
    plain = {name: row[name] for name in _SCHEMA.names if name not in (*_SERIES, "checksum")}
    plain["bars_per_year"] = repr(float(plain["bars_per_year"]))  # NaN is no json
    time = np.asarray(row["time"], dtype="datetime64[ns]")
    series = hash_arrays(time.view(np.int64), np.asarray(row["returns"], dtype=np.float64))
    return hash_json([plain, series])


def _trial(row: Mapping[Any, Any]) -> Trial:
    given = {field.name: row[field.name] for field in fields(Trial)}
    read = {name: json.loads(row[name]) for name in ("config", "metrics")}
    commit = row["commit"] if isinstance(row["commit"], str) else None  # missing is NaN in a table
    return Trial(**{**given, **read, "commit": commit})
