"""In what a source's bars are not those of a run: which file, asset, column, time and value."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from regimecast.assembly import Assembly
from regimecast.core.errors import DataError
from regimecast.core.hashing import hash_file
from regimecast.data.cleaning import clean
from regimecast.data.schema import RawBars
from regimecast.tracking.digests import only_change
from regimecast.tracking.stage_hashes import Stage, bars_stage, raw_stage

__all__ = ["data_changes"]

_NAMED = 6
_DIGITS = 12
_KINDS = ("rows", "layout")


def data_changes(parts: Assembly, manifest: Mapping[str, Any]) -> tuple[Stage, list[str]]:
    """Bars of the source as they are now, and in what they are not those of the run, in words.

    Args:
        parts: whose source is read.
        manifest: of the run.

    Raises:
        DataError: the source cannot be read, for which a changed file may be the reason.
    """
    recorded = manifest.get("data", {}).get("files", {})
    try:
        files = _files(parts, recorded)
        raw = parts.source.load()
    except DataError as error:
        hint = f". The run read {', '.join(recorded)}" if recorded else ""
        changed = "; ".join(_files_if_any(parts, recorded))
        raise DataError(f"{error}{f'. {changed}' if changed else hint}") from error
    now = raw_stage(raw)
    if now.sha256 == manifest["stages"]["raw"]:
        return now, [f"{file}, though the bars in it are the same" for file in files]
    before = manifest["parts"]["raw"]
    said = [*files]
    if before["rows"] != now.parts["rows"]:
        said.append(f"{int(now.parts['rows']):,} bars, the run had {int(before['rows']):,}")
    if before["layout"] != now.parts["layout"]:
        said.append("columns, their roles or lags, the frequency or the calendar are others")
    names = [name for name in {**before, **now.parts} if name not in _KINDS]
    changed_names = [name for name in names if before.get(name) != now.parts.get(name)]
    located = []
    if before["rows"] == now.parts["rows"]:
        located = [_located(raw, name, before) for name in changed_names]
    if located and None not in located:
        return now, [*said, *filter(None, located)]
    columns = dict.fromkeys(name.partition("=")[2] for name in changed_names)
    said.append(f"several values of {_listed(list(columns))}")
    return now, [*said, *_assets(parts, raw, manifest["parts"].get("bars", {}))]


def _located(raw: RawBars, name: str, before: Mapping[str, str]) -> str | None:
    """What changed in a column, if it is one value."""
    kind, _, column = name.partition("=")
    if kind != "column" or column == "asset" or name not in before or column not in raw.frame:
        return None
    values = raw.frame[column].to_numpy()
    change = only_change(before[name], values)
    if change is None:
        return None
    row = raw.frame.iloc[change.position]
    now = values[change.position]
    where = f"row {change.position} of {row['asset']}" if column == "time" else _place(row)
    return f"{column} at {where} is {_value(now)}, and was {_value(change.before)}"


def _place(row: "pd.Series[Any]") -> str:
    return f"{row['time']} of {row['asset']}".replace(" 00:00:00", "")


def _value(value: np.generic) -> str:
    return str(value) if isinstance(value, np.datetime64) else repr(value.item())


def _assets(parts: Assembly, raw: RawBars, before: Mapping[str, str]) -> list[str]:
    """Which assets changed, if they can be told."""
    try:
        now = bars_stage(clean(raw, settings=parts.cleaning)[0]).parts
    except DataError:
        return []
    names = [name for name in {**before, **now} if name.startswith("asset=")]
    changed = [n.partition("=")[2] for n in names if before.get(n) != now.get(n)]
    if not changed or len(changed) == len(names) == 1:
        return []
    return [f"assets that are not the same: {_listed(changed)}, of {len(names)}"]


def _files_if_any(parts: Assembly, recorded: Mapping[str, str]) -> list[str]:
    try:
        return _files(parts, recorded)
    except DataError:
        return []


def _files(parts: Assembly, recorded: Mapping[str, str]) -> list[str]:
    """Files that are not what the run read, in words."""
    paths = parts.source.files() if recorded else []
    by_name = {Path(path).name: content for path, content in recorded.items()}
    said = []
    for path in paths:
        content, was = hash_file(path), recorded.get(str(path), by_name.get(path.name))
        if was is None:
            if content not in recorded.values():
                said.append(f"file {path} is none that the run read")
        elif was != content:
            said.append(
                f"file {path} has changed: its sha256 is {content[:_DIGITS]}, "
                f"and was {was[:_DIGITS]}"
            )
    gone = {Path(path).name for path in recorded} - {path.name for path in paths}
    if gone and len(paths) != len(recorded):
        said.append(f"files that the run read are not there: {_listed(sorted(gone))}")
    return said


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
