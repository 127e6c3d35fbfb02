"""Atomic writes: a reader sees the old file or the new one, never half of one."""

import errno
import json
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from regimecast.core.errors import ConfigError

__all__ = [
    "atomic_path",
    "check_writable",
    "check_writable_folder",
    "out_of_space",
    "overwrite_json",
    "read_json",
    "read_json_entries",
    "remove_leftovers",
    "write_json",
    "write_text",
]

_TEMPORARY = re.compile(r"\.[^.].*\.[a-z0-9_]{8}(\.[A-Za-z0-9]+)?")
_HEAD = 4096
"""Bytes that hold the first entries of a json file."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
_FULL_TEXTS = (
    os.strerror(errno.ENOSPC),
    os.strerror(errno.EDQUOT),
    "database or disk is full",
    "disk I/O error",
)
"""What libraries say that wrap the system's error: files of weights, SQLite."""


@contextmanager
def atomic_path(path: Path, *, synced: bool = True, replaces: bool = True) -> Iterator[Path]:
    """A temporary path beside `path` to write to; on success it is synced and takes its place.

    On any error, a full disk or Ctrl-C included, the temporary file is removed and `path` stays as
    it was.

    Args:
        path: file to write.
        synced: wait for the disk. Without, a power cut may leave an empty file; nothing else does.
        replaces: whether a file that is there already may give way.

    Raises:
        FileExistsError: it is there already, perhaps since a moment ago, and may not give way.
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
        if replaces:
            temporary.replace(path)
        else:
            _link(temporary, path)
    except OSError as error:
        if error.errno is not None and error.filename is None:  # a failed write does not say where
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Removes what processes that were killed were writing by `atomic_path` below a folder.

    For a folder that nobody else writes to.
    """
    for path in folder.rglob(".*"):
        if _TEMPORARY.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)


def _link(source: Path, path: Path) -> None:
    """The file under a second name, which nothing may have.

    Some file systems have no links (exFAT, network shares): there the content is copied into a file
    that only one process can make.
    """
    try:
        path.hardlink_to(source)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with path.open("xb") as file:
            file.write(source.read_bytes())
            file.flush()
            os.fsync(file.fileno())


def check_writable(path: Path, option: str) -> None:
    """Nothing, if a file can be written to `path`; it leaves no trace.

    For the start of a long command, so that a slip does not cost the work.

    Args:
        path: file to be written later, in a folder that need not exist yet.
        option: what the user calls it, such as ``--output``.

    Raises:
        ConfigError: it is a folder, or lies below a file or where nothing can be written.
    """
    _check_below(path, path.parent, option)
    if path.is_dir():
        raise ConfigError(f"{option} {path} is a folder; name a file")


def check_writable_folder(folder: Path, option: str) -> None:
    """Nothing, if files can be written to `folder`; it need not exist and is not made.

    Args:
        folder: where files are to be written later.
        option: what the user calls it, such as ``--folder``.

    Raises:
        ConfigError: it is a file, or lies below one or where nothing can be written.
    """
    _check_below(folder, folder, option)


def _check_below(path: Path, folder: Path, option: str) -> None:
    """Writes a file to the nearest folder that exists, and removes it."""
    nearest = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
    if nearest.exists() and not nearest.is_dir():
        which = "it" if nearest == path else str(nearest)
        raise ConfigError(f"{option} {path} cannot be written to: {which} is a file, no folder")
    try:
        with tempfile.NamedTemporaryFile(dir=nearest):
            pass
    except OSError as error:
        if out_of_space(error):  # another option would not help
            raise
        raise ConfigError(
            f"{option} {path} cannot be written to: no file can be made in {nearest} "
            f"({error.strerror})"
        ) from error


def write_text(path: Path, text: str, *, synced: bool = True) -> None:
    """Text in UTF-8, written atomically."""
    with atomic_path(path, synced=synced) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any, *, room: int = 0, synced: bool = True) -> None:
    """Indented json, written atomically; NaN and infinity are refused, write null instead.

    Args:
        path: where to.
        value: plain values.
        room: blanks at the end, which `overwrite_json` can use when the disk is full.
        synced: see `atomic_path`.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, f"{text}{' ' * room}\n", synced=synced)


def overwrite_json(path: Path, value: Any) -> None:
    """Compact json over the file's own bytes: the last resort when the disk is full.

    Raises:
        OSError: the file is missing or shorter than what is to be written.
    """
    content = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    with path.open("rb+") as file:
        size = path.stat().st_size
        if len(content) > size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        file.write(content.ljust(size))
        file.flush()
        os.fsync(file.fileno())


def out_of_space(error: BaseException | None) -> bool:
    """Whether a full disk, a used-up quota or a limit on file sizes is behind the error."""
    while error is not None:
        if getattr(error, "errno", None) in _FULL or any(t in str(error) for t in _FULL_TEXTS):
            return True
        error = error.__cause__ or error.__context__
    return False


def read_json(path: Path) -> Any:
    """Content of a json file."""
    return json.loads(path.read_text(encoding="utf-8"))


def read_json_entries(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """Some entries of a json file that holds a mapping; quick where they are the first ones.

    Raises:
        ValueError: it is not json, or holds no mapping.
    """
    with path.open("rb") as file:
        text = file.read(_HEAD).decode("utf-8", errors="ignore")
    decoder, wanted = json.JSONDecoder(), set(names)
    found: Any = {}
    try:
        place = _past(text, 0, "{")
        while not wanted <= found.keys():
            key, place = decoder.raw_decode(text, _past(text, place, ""))
            value, place = decoder.raw_decode(text, _past(text, place, ":"))
            found[key] = value
            place = _past(text, place, ",")
    except ValueError:  # they are further down, or not there
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError(f"{path} holds no mapping") from None
    return {name: found[name] for name in names if name in found}


def _past(text: str, place: int, sign: str) -> int:
    """Place after blanks and a sign."""
    rest = text[place:].lstrip()
    if not rest.startswith(sign):
        raise ValueError(f"no {sign!r}")
    return len(text) - len(rest[len(sign) :].lstrip())
