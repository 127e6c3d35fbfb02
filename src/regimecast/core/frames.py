"""Tables in files, for other programs."""

from pathlib import Path

import pandas as pd

from regimecast.core.errors import ConfigError
from regimecast.core.files import atomic_path, write_json

__all__ = ["write_frame"]


def write_frame(frame: pd.DataFrame, path: Path) -> None:
    """File of the suffix's format, ``.csv``, ``.json`` or ``.parquet``, written atomically.

    Raises:
        ConfigError: another suffix.
    """
    if path.suffix == ".json":
        missing = frame.astype(object).where(frame.notna(), None)
        write_json(path, missing.to_dict(orient="records"))
        return
    if path.suffix not in {".csv", ".parquet"}:
        raise ConfigError(f"cannot write {path.name!r}. Allowed: .csv, .json, .parquet")
    with atomic_path(path) as temporary:
        if path.suffix == ".csv":
            frame.to_csv(temporary, index=False)
        else:
            frame.to_parquet(temporary, index=False)
