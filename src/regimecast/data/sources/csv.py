"""Bars from comma-separated text."""

from pathlib import Path

import pandas as pd

from regimecast.data.sources.base import SourceRegistry
from regimecast.data.sources.files import FileSource

__all__ = ["CsvSource"]

_MISSING = ("", "#N/A", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null")
"""Text that means no number."""


@SourceRegistry.register("csv")
class CsvSource(FileSource):
    """Bars of csv files, compressed ones included."""

    def read(self, path: Path) -> pd.DataFrame:
        """One csv file as a table; ``NA``, ``nan`` and the like are missing numbers.

        In the asset column they are tickers: NA and NAN are listed companies.
        """
        asset = self.reader.columns.get("asset", "asset")
        names = pd.read_csv(path, nrows=0).columns
        return pd.read_csv(
            path,
            dtype={asset: "str"} if asset in names else None,
            keep_default_na=False,
            na_values={name: list(_MISSING) for name in names if name != asset},
        )
