"""Bars from comma-separated text."""

from pathlib import Path

import pandas as pd

from regimecast.data.sources.base import SourceRegistry
from regimecast.data.sources.frame import FileSource

__all__ = ["CsvSource"]


@SourceRegistry.register("csv")
class CsvSource(FileSource):
    """Bars of csv files, compressed ones included."""

    def read(self, path: Path) -> pd.DataFrame:
        """One csv file as a table; numbers are read to the last bit."""
        name = self.reader.columns.get("asset", "asset")
        return pd.read_csv(
            path,
            float_precision="round_trip",
            # A converter keeps the tickers NA, NAN and TRUE text.
            converters={name: str} if name is not None else None,
        )
