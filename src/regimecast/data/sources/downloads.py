"""Downloads kept as checksummed files, so that a study runs again without the network."""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from regimecast.core.errors import ConfigError, DataError
from regimecast.core.files import atomic_path, read_json, write_json
from regimecast.core.hashing import hash_file, hash_json

__all__ = ["cached", "check_range", "optional_package"]

logger = logging.getLogger(__name__)


def cached(
    folder: Path, request: Mapping[str, Any], download: Callable[[], pd.DataFrame]
) -> tuple[pd.DataFrame, Path]:
    """The table that a request returns, and the file that holds it.

    The first call downloads and writes ``<hash of the request>.parquet`` with a json sidecar
    (sha256, request, time); every later one reads the file and never touches the network.

    Raises:
        DataError: the file is not what was downloaded, or the download is empty.
    """
    path = folder.expanduser() / f"{hash_json(request)[:16]}.parquet"
    sidecar = path.with_suffix(".json")
    # The sidecar is written last: without it, an earlier download did not finish.
    if sidecar.exists():
        return _verified(path, sidecar), path
    table = download()
    if table.empty:
        raise DataError(f"nothing came back for {dict(request)}")
    with atomic_path(path) as temporary:
        table.to_parquet(temporary, index=False)
    write_json(
        sidecar,
        {
            "sha256": hash_file(path),
            "request": dict(request),
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )
    logger.info("downloaded %d rows to %s", len(table), path)
    return table, path


def _verified(path: Path, sidecar: Path) -> pd.DataFrame:
    advice = f"delete {sidecar} to download it again"
    try:
        expected = str(read_json(sidecar)["sha256"])
        found = hash_file(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"cached download {path} cannot be checked: {error!r}; {advice}") from error
    if found != expected:
        raise DataError(
            f"cached download {path} is damaged: sha256 is {found}, downloaded was {expected}; "
            f"{advice}"
        )
    return pd.read_parquet(path)


def check_range(start: str, end: str) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Both ends as naive UTC timestamps.

    Raises:
        ConfigError: not dates, out of order, or an end that is not over yet: what a request returns
            must not depend on when it was made.
    """
    try:
        first, last = pd.Timestamp(start), pd.Timestamp(end)
        if first.tzinfo is not None or last.tzinfo is not None or pd.isna(first) or pd.isna(last):
            raise ConfigError(f"start={start!r}, end={end!r}: expected dates in UTC without a zone")
    except ValueError as error:
        raise ConfigError(f"start={start!r}, end={end!r}: {error}") from error
    now = pd.Timestamp.now("UTC").tz_localize(None)
    if not first < last <= now:
        raise ConfigError(f"start={start!r}, end={end!r}: expected start < end <= now ({now:%F})")
    return first, last


def optional_package(name: str) -> Any:
    """A package that only one source needs.

    Raises:
        ConfigError: it is not installed; the message names the extra that installs it.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ConfigError(
            f"data={name} needs the package {name!r}: pip install 'regimecast[{name}]'"
        ) from error
