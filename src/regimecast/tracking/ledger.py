"""The trial ledger: one immutable record for every job that was ever run, whatever became of it.

    ledger/<trial>.parquet
    ledger/<trial>.2.parquet    a second attempt at it, where the first was interrupted

A trial counts once, by its last attempt. A Sharpe ratio is the best of as many draws as there were
trials, so that the count has to outlive the runs: deleting a run folder removes nothing here, and
nothing here is ever written twice. A record is a file of its own, linked into place when it is
whole, so that any number of processes can append at once. DuckDB reads them all as one table. Jobs
that have begun and are not recorded yet are in ``running``, see `OpenTrial`.
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
from regimecast.core.hashing import hash_json
from regimecast.tracking.record import (
    SCHEMA,
    SERIES,
    attempt_of,
    checksum,
    damage,
    record_name,
    row_of,
    text_of,
    trial_of,
)

__all__ = ["Finding", "Ledger", "Reading", "Returned", "Trial"]

_log = logging.getLogger(__name__)

_CHANGED = "changed: it does not match its checksum"


@dataclass(frozen=True, eq=False, kw_only=True)
class Trial:
    """One job, as it ended.

    Args:
        trial: name that no other job has.
        status: ``finished``, ``pruned``, ``failed`` or ``interrupted``.
        study: name of its study.
        job: its name there.
        config: what decided the result; where it was kept and how it was tracked is none of it.
        data: fingerprint of the prices it was judged on, see `Panel.price_hash`: features, target,
            split and costs are choices that were tried on them. Empty where it ended before they
            were read.
        commit: of the code; None outside a checkout.
        split: registry name of the split.
        metrics: what it was judged by; empty unless it came that far.
        bars_per_year: of the prices' calendar; NaN where it is not known.
        time: when each return was known, datetime64[ns].
        returns: out of sample, after costs, simple and per bar; empty where nothing was traded.
        attempt: 1, or more for a job that was interrupted and went on.
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
    attempt: int = 1


@dataclass(frozen=True)
class Finding:
    """What is wrong with a file of the ledger."""

    file: str
    problem: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Returned:
    """What a trial returned; see `Trial`."""

    trial: str
    study: str
    job: str
    bars_per_year: float
    time: Shaped[np.ndarray, " T"]
    returns: Float[np.ndarray, " T"]


@dataclass(frozen=True, eq=False)
class Reading:
    """Trials on the same prices, each once, oldest first, and what is wrong with the ledger.

    A changed record counts as a trial, but its returns are not believed: there are none here.
    """

    trials: list[Returned]
    findings: list[Finding]


class Ledger:
    """Records in a folder, which is made with the first one.

    Args:
        folder: where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __len__(self) -> int:
        """Trials that are recorded."""
        return len({trial_of(path.stem) for path in self._paths()})

    @property
    def begun(self) -> bool:
        """Whether a trial is recorded or was begun here: whether the folder is a ledger."""
        return any(self.folder.glob("running/[!.]*.json")) or any(
            damage(path) is None for path in self._paths()
        )

    def attempts(self, trial: str) -> list[int]:
        """Attempts at a trial that are recorded."""
        found = [path.stem for path in self.folder.glob(f"{trial}*.parquet")]
        return sorted(attempt_of(stem) for stem in found if trial_of(stem) == trial)

    def append(self, trial: Trial) -> Path:
        """The file of a new record.

        Raises:
            DataError: the attempt has one already; records are never changed.
        """
        values = {field.name: getattr(trial, field.name) for field in fields(trial)}
        name = record_name(trial.trial, trial.attempt)
        row: dict[str, Any] = {
            **values,
            "trial": name,
            "recorded": datetime.now(UTC).isoformat(timespec="microseconds"),
            "config": json.dumps(trial.config, sort_keys=True),
            "config_hash": hash_json(trial.config),
            "metrics": json.dumps(trial.metrics, sort_keys=True),
            "time": trial.time.astype("datetime64[ns]"),
            "returns": trial.returns.astype(np.float64),
        }
        row["checksum"] = checksum(row)
        columns = [pa.array([row[name]], type=SCHEMA.field(name).type) for name in SCHEMA.names]
        path = self.folder / f"{name}.parquet"
        try:
            with atomic_path(path, replaces=False) as temporary:
                pq.write_table(
                    pa.Table.from_arrays(columns, schema=SCHEMA),
                    temporary,
                    use_dictionary=False,  # it would store every return twice
                    column_encoding={"time.list.element": "DELTA_BINARY_PACKED"},
                )
        except FileExistsError:
            raise DataError(f"{path} exists: trial {name!r} is recorded already") from None
        return path

    def table(
        self, where: str = "true", values: Sequence[Any] = (), *, columns: Sequence[str] = ()
    ) -> pd.DataFrame:
        """Trials as rows, oldest first; files that are no records are left out with a warning.

        Columns are those of `Trial`, with `recorded` (UTC), `config_hash` and `checksum`; config
        and metrics are json. Of two files of one trial, the one that has its name is shown.

        Args:
            where: condition in SQL on those columns, with a ``?`` for every value.
            values: for the question marks.
            columns: those wanted; all of them where left out.

        Raises:
            DataError: the condition is none, or there is no such column.
        """
        found, findings = self._rows(where, values, columns or SCHEMA.names)
        for finding in findings:
            _log.warning("ledger: %s is %s", finding.file, finding.problem)
        if "trial" in found:
            found["trial"] = found["trial"].map(trial_of)
        return found.drop(columns="file")

    def read(self, data: str) -> Reading:
        """Every trial on the prices of this fingerprint."""
        rows, findings = self._rows("data = ?", [data], SCHEMA.names)
        trials = []
        for row in rows.to_dict("records"):
            if checksum(row) != row["checksum"]:
                findings.append(Finding(f"{row['file']}.parquet", _CHANGED))
                row |= {name: row[name][:0] for name in SERIES}
            row["trial"] = trial_of(row["trial"])
            trials.append(Returned(**{field.name: row[field.name] for field in fields(Returned)}))
        return Reading(trials, findings)

    def trials(self, data: str) -> list[Trial]:
        """The same trials with all that is known of them."""
        rows, _ = self._rows("data = ?", [data], SCHEMA.names)
        return [_trial(row) for row in rows.to_dict("records")]

    def verify(self) -> list[Finding]:
        """What is wrong: files that are damaged, changed, named otherwise, twice or missing."""
        findings = self._missing()
        for path in self._paths():
            if problem := damage(path):
                findings.append(Finding(path.name, problem))
                continue
            row = row_of(pq.read_table(path, partitioning=None))
            if checksum(row) != row["checksum"]:
                findings.append(Finding(path.name, _CHANGED))
            if row["trial"] != path.stem:
                findings.append(_copy(path.stem, row["trial"]))
        return findings

    def _missing(self) -> list[Finding]:
        """Attempts without a record before one that has it, unless they still wait for theirs."""
        attempts: dict[str, set[int]] = {}
        for path in (*self._paths(), *self.folder.glob("running/[!.]*.json")):
            attempts.setdefault(trial_of(path.stem), set()).add(attempt_of(path.stem))
        return [
            Finding(f"{record_name(trial, attempt)}.parquet", "missing: a later attempt is there")
            for trial, known in attempts.items()
            for attempt in range(1, max(known))
            if attempt not in known
        ]

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("[!.]*.parquet"))

    def _rows(
        self, where: str, values: Sequence[Any], columns: Sequence[str]
    ) -> tuple[pd.DataFrame, list[Finding]]:
        """Last records with the stem of their `file`, each trial once, and which are damaged."""
        needed = list(dict.fromkeys([*columns, "trial"]))
        named = ", ".join(f'"{name}"' for name in needed)
        query = (
            f"SELECT {named}, parse_filename(filename, true) AS file "  # noqa: S608  # the user's own
            f"FROM read_parquet(?, filename = true) WHERE ({where}) ORDER BY recorded, trial"
        )
        paths, findings = _last(self._paths()), []
        with duckdb.connect() as connection:

            def run() -> pd.DataFrame:
                if not paths:
                    return SCHEMA.empty_table().to_pandas().assign(file="")[[*needed, "file"]]
                return connection.execute(query, [[str(path) for path in paths], *values]).df()

            try:
                try:
                    found = run()
                except duckdb.Error:
                    # One damaged file is not to hide the others.
                    damaged = {path: damage(path) for path in self._paths()}
                    findings = [Finding(path.name, said) for path, said in damaged.items() if said]
                    paths = _last([path for path, said in damaged.items() if not said])
                    found = run()
            except duckdb.Error as error:
                raise DataError(f"where={where!r}: {str(error).splitlines()[0]}") from error
        own = (found["trial"] == found["file"]).sort_values(ascending=False, kind="stable")
        copies = found.loc[own.index[~own.to_numpy()], ["file", "trial"]]
        findings += [_copy(file, trial) for file, trial in copies.itertuples(index=False)]
        trials = found.loc[own.index, "trial"].map(trial_of)
        kept = trials.drop_duplicates().index.sort_values()
        return found.loc[kept, [*columns, "file"]].reset_index(drop=True), findings


def _last(paths: Sequence[Path]) -> list[Path]:
    """Files of the last attempt at each trial."""
    last = {trial_of(p.stem): p for p in sorted(paths, key=lambda p: attempt_of(p.stem))}
    return sorted(last.values())


def _copy(stem: str, trial: str) -> Finding:
    return Finding(f"{stem}.parquet", f"a copy: it records trial {trial!r}")


def _trial(row: Mapping[Any, Any]) -> Trial:
    given = {field.name: row[field.name] for field in fields(Trial) if field.name in row}
    read = {name: json.loads(row[name]) for name in ("config", "metrics")}
    name = {"trial": trial_of(row["trial"]), "attempt": attempt_of(row["trial"])}
    return Trial(**{**given, **read, **name, "commit": text_of(row["commit"])})
