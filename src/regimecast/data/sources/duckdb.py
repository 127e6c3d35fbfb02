"""Bars from a SQL query, over files or a database."""

from collections.abc import Mapping
from pathlib import Path

import duckdb
import pandas as pd

from regimecast.core.errors import ConfigError, DataError
from regimecast.data.sources.base import RawBars, Source, SourceRegistry
from regimecast.data.sources.frame import TableReader

__all__ = ["DuckDbSource"]


@SourceRegistry.register("duckdb")
class DuckDbSource(Source):
    """Bars of one SELECT. Nothing is ever written: other statements are refused.

    Args:
        query: one SELECT, such as ``from 'bars/*.parquet' where time >= '2020-01-01'``.
        database: a DuckDB file, opened read-only; None queries files alone.
        layout: this and the following see `TableReader`.
        columns: see `TableReader`.
        asset: see `TableReader`; None without an asset column names the asset ``query``.
        time_format: see `TableReader`.
        timezone: see `TableReader`.
        stamp: see `TableReader`.
        frequency: see `TableReader`.
        calendar: see `TableReader`.
        roles: see `TableReader`.
        lags: see `TableReader`.

    Raises:
        ConfigError: the query is not exactly one SELECT.
    """

    def __init__(
        self,
        *,
        query: str,
        database: str | None,
        layout: str,
        columns: Mapping[str, str | None] | None,
        asset: str | None,
        time_format: str | None,
        timezone: str,
        stamp: str,
        frequency: str,
        calendar: str,
        roles: Mapping[str, str] | None,
        lags: Mapping[str, int] | None,
    ) -> None:
        _check_query(query)
        self.query = query
        self.database = database
        self.reader = TableReader(
            layout=layout,
            columns=columns,
            asset=asset,
            time_format=time_format,
            timezone=timezone,
            stamp=stamp,
            frequency=frequency,
            calendar=calendar,
            roles=roles,
            lags=lags,
        )

    def load(self) -> RawBars:
        """Bars that the query returns."""
        where = f" in {self.database}" if self.database else ""
        return self.reader.bars({"query": self._rows()}, origin=f"{self.query}{where}")

    def _rows(self) -> pd.DataFrame:
        database = ":memory:" if self.database is None else str(Path(self.database).expanduser())
        try:
            with duckdb.connect(
                database,
                read_only=self.database is not None,
                config={"autoinstall_known_extensions": False},
            ) as connection:
                table: pd.DataFrame = connection.sql(self.query).to_arrow_table().to_pandas()
        except duckdb.Error as error:
            raise DataError(f"query={self.query!r} on {database}: {error}") from error
        return table


def _check_query(query: str) -> None:
    try:
        kinds = [statement.type for statement in duckdb.extract_statements(query)]
    except duckdb.Error as error:
        raise ConfigError(f"query={query!r} is not SQL: {error}") from error
    if kinds != [duckdb.StatementType.SELECT]:
        found = ", ".join(kind.name for kind in kinds) or "nothing"
        raise ConfigError(f"query={query!r} holds {found}; allowed: exactly one SELECT")
