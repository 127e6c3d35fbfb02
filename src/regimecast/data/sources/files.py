"""Bars of files: which files, and what is wrong with one that cannot be read."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from glob import glob
from pathlib import Path

import pandas as pd
from typing_extensions import override

from regimecast.core.errors import DataError
from regimecast.data.sources.base import RawBars, Source
from regimecast.data.sources.frame import TableReader

__all__ = ["FileSource"]


class FileSource(Source):
    """Bars of one file or many; each file of several may be an asset of its own.

    Args:
        path: a file, a glob, or a list of both; ``~`` is the home folder.
        layout: this and the following see `TableReader`.
        columns: see `TableReader`.
        asset: see `TableReader`.
        time_format: see `TableReader`.
        timezone: see `TableReader`.
        stamp: see `TableReader`.
        frequency: see `TableReader`.
        calendar: see `TableReader`.
        roles: see `TableReader`.
        lags: see `TableReader`.
    """

    def __init__(
        self,
        *,
        path: str | Sequence[str],
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
        self.patterns = [path] if isinstance(path, str) else list(path)
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

    @abstractmethod
    def read(self, path: Path) -> pd.DataFrame:
        """One file as a table."""

    def load(self) -> RawBars:
        """Bars of every file, in the order of the patterns, then of the names."""
        tables: dict[str, pd.DataFrame] = {}
        for path in self.files():
            try:
                tables[str(path)] = self.read(path)
            # OSError: not readable. ValueError: the base of what both parsers raise.
            except (OSError, ValueError) as error:
                raise DataError(f"{path} cannot be read as {self.name}: {error}") from error
        return self.reader.bars(tables, origin=", ".join(self.patterns))

    @override
    def files(self) -> list[Path]:
        """Files that `load` reads, in its order.

        Raises:
            DataError: a pattern fits no file, or names a folder.
        """
        paths: dict[Path, None] = {}
        for pattern in self.patterns:
            expanded = Path(pattern).expanduser()
            matches = [expanded] if expanded.exists() else _matches(str(expanded))
            if not matches:
                raise DataError(f"path={pattern!r}: no such file (looked in {Path.cwd()})")
            if folders := [path for path in matches if path.is_dir()]:
                raise DataError(f"path={pattern!r}: {folders[0]} is a folder; use a glob below it")
            paths.update(dict.fromkeys(sorted(matches)))
        return list(paths)


def _matches(pattern: str) -> list[Path]:
    found = glob(pattern, recursive=True)  # noqa: PTH207  # Path.glob refuses absolute patterns
    return [Path(name) for name in found]
