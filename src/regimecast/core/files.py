"""Atomic writes: a reader sees the old file or the new one, never half of one."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["atomic_path", "read_json", "write_json", "write_text"]


@contextmanager
def atomic_path(path: Path, *, synced: bool = True) -> Iterator[Path]:
    """A temporary path beside `path` to write to; on success it is synced and takes its place.

    On any error, a full disk or Ctrl-C included, the temporary file is removed and `path` stays as
    it was.

    Args:
        path: file to write.
        synced: wait for the disk. Without, a power cut may leave an empty file; nothing else does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        if synced:
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str, *, synced: bool = True) -> None:
    """Text in UTF-8, written atomically."""
    with atomic_path(path, synced=synced) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any, *, synced: bool = True) -> None:
    """Indented json, written atomically; NaN and infinity are refused, write null instead."""
    write_text(
        path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", synced=synced
    )


def read_json(path: Path) -> Any:
    """Content of a json file."""
    return json.loads(path.read_text(encoding="utf-8"))
