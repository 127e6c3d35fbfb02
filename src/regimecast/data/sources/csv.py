"""Bars from comma-separated text, and from text with other separators."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from regimecast.core.errors import ConfigError
from regimecast.data.sources.base import SourceRegistry
from regimecast.data.sources.files import FileSource

__all__ = ["CsvSource"]

_MISSING = ("", "#N/A", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null")
"""Text that means no number."""
_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t"}
_DECIMALS = {"point": ".", "comma": ","}


@SourceRegistry.register("csv")
class CsvSource(FileSource):
    """Bars of csv files, compressed ones included.

    Args:
        path: this and the following see `FileSource`.
        delimiter: ``comma``, ``semicolon`` or ``tab`` between cells; None finds it in the header.
        decimal: ``point`` or ``comma`` before the decimals of a number.
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

    Raises:
        ConfigError: a value is not allowed, or the decimals are behind what parts the cells.
    """

    def __init__(
        self,
        *,
        path: str | Sequence[str],
        delimiter: str | None,
        decimal: str,
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
        super().__init__(
            path=path,
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
        if delimiter is not None and delimiter not in _DELIMITERS:
            raise ConfigError(
                f"data.delimiter={delimiter!r}; allowed: null, {', '.join(_DELIMITERS)}"
            )
        if decimal not in _DECIMALS:
            raise ConfigError(f"data.decimal={decimal!r}; allowed: {', '.join(_DECIMALS)}")
        if delimiter == decimal:
            raise ConfigError(f"data.delimiter and data.decimal are both {decimal}")
        self._delimiter = delimiter
        self._decimal = _DECIMALS[decimal]

    def read(self, path: Path) -> pd.DataFrame:
        """One csv file as a table; ``NA``, ``nan`` and the like are missing numbers.

        In the asset column they are tickers: NA and NAN are listed companies.
        """
        asset = self.reader.columns.get("asset", "asset")
        separator = _DELIMITERS[self._delimiter] if self._delimiter else _separator(path)
        names = pd.read_csv(path, sep=separator, nrows=0).columns
        return pd.read_csv(
            path,
            sep=separator,
            decimal=self._decimal,
            dtype={asset: "str"} if asset in names else None,
            keep_default_na=False,
            na_values={name: list(_MISSING) for name in names if name != asset},
        )


def _separator(path: Path) -> str:
    """A comma, unless the header then is a single cell that holds another separator."""
    names = pd.read_csv(path, nrows=0).columns
    if len(names) == 1:
        for separator in _DELIMITERS.values():
            if separator in names[0]:
                return separator
    return ","
