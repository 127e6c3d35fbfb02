"""Columns of a table: its index among them, and each found by its name."""

from collections.abc import Sequence

import pandas as pd

from regimecast.core.errors import DataError, did_you_mean

__all__ = ["flat", "match", "require"]


def flat(table: pd.DataFrame, place: str) -> pd.DataFrame:
    """The table with its index, if it means something, as columns."""
    if table.columns.nlevels > 1:
        raise DataError(f"{place}: columns have {table.columns.nlevels} levels, expected one")
    if not table.columns.is_unique:
        twice = table.columns[table.columns.duplicated()][0]
        raise DataError(f"{place}: column {twice!r} is there more than once")
    if isinstance(table.index, pd.RangeIndex):
        return table
    if table.index.nlevels == 1 and table.index.name is None:
        if not isinstance(table.index, pd.DatetimeIndex):
            return table.reset_index(drop=True)
        table = table.rename_axis("time")
    if taken := [name for name in table.index.names if name in table.columns]:
        raise DataError(f"{place}: {taken[0]!r} is both a column and the index")
    return table.reset_index()


def match(table: pd.DataFrame, names: Sequence[str], place: str) -> str | None:
    """The one column with one of these names in any case."""
    matches = [c for c in table.columns if isinstance(c, str) and c.strip().lower() in names]
    if len(matches) > 1:
        raise DataError(
            f"{place}: columns {', '.join(map(repr, matches))} could all be {names[0]!r}; "
            f"say which with columns={{{names[0]}: ...}}"
        )
    return matches[0] if matches else None


def require(table: pd.DataFrame, name: str | None, place: str) -> None:
    """Raises `DataError` unless the table has the column."""
    if name not in table.columns:
        found = [str(c) for c in table.columns]
        raise DataError(
            f"{place}: no column {name!r}.{did_you_mean(str(name), found)} "
            f"Columns: {', '.join(found)}"
        )
