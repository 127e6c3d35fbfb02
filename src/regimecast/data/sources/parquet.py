"""Bars from parquet files."""

from pathlib import Path

import pandas as pd

from regimecast.data.sources.base import SourceRegistry
from regimecast.data.sources.files import FileSource

__all__ = ["ParquetSource"]


@SourceRegistry.register("parquet")
class ParquetSource(FileSource):
    """Bars of parquet files; an index that pandas stored comes back as columns."""

    def read(self, path: Path) -> pd.DataFrame:
        """One parquet file as a table."""
        return pd.read_parquet(path)
