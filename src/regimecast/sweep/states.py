"""Folders as they were at one moment, in an object store that fsspec reaches.

    <root>/states/<key>/<number>-<id>.json   files of a folder, and their hashes
    <root>/files/<key>/<sha256>              what is in them

A state is written after the files that it names, and never changed, so that whoever reads the
newest sees the folder as a whole, also while the next one is on its way or its writer was killed.
"""

import json
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import fsspec  # type: ignore[import-untyped]  # fsspec carries no types
from fsspec.registry import (  # type: ignore[import-untyped]  # as above
    available_protocols,
    get_filesystem_class,
)

from regimecast.core.errors import ConfigError, DataError, did_you_mean
from regimecast.core.hashing import hash_file

__all__ = ["State", "States", "check_remote", "check_remote_name", "next_name"]

_TRIES, _PAUSE = 3, 1.0
"""Attempts at a call, and seconds after the first; four times as many after the next."""
_NOT_SHARED = ("memory", "data")
"""Protocols of what only one process sees."""


@dataclass(frozen=True)
class State:
    """A folder at one moment."""

    name: str
    about: Mapping[str, str]
    files: Mapping[str, str]
    """Hash of each, by its path."""
    records: Mapping[str, str]
    """The same for files that lie elsewhere."""

    @property
    def hashes(self) -> set[str]:
        """Of all of them."""
        return {*self.files.values(), *self.records.values()}


def next_name(before: State | None) -> str:
    """Name of the state that follows another, or is the first."""
    number = 0 if before is None else int(before.name.partition("-")[0])
    return f"{1 + number:08d}-{secrets.token_hex(4)}.json"


class States:
    """What a store has of one study.

    Args:
        url: of the store.
        name: of the study.

    Raises:
        ConfigError: the URL cannot be used on this machine.
    """

    def __init__(self, url: str, name: str) -> None:
        self.url = url
        self._system, root = _opened(url)
        self._root = f"{root.rstrip('/')}/{name}"
        self._read: dict[tuple[str, str], State] = {}

    def newest(self, key: str) -> State | None:
        """The newest state that was written to its end; None where there is none."""
        try:
            paths = self._call(self._system.ls, self._at("states", key), False)
        except FileNotFoundError:
            return None
        for name in sorted((PurePosixPath(path).name for path in paths), reverse=True):
            if (key, name) not in self._read:
                with suppress(FileNotFoundError, ValueError, TypeError):
                    text = self._call(self._system.cat_file, self._at("states", key, name))
                    self._read[key, name] = State(**json.loads(text))
            if (key, name) in self._read:
                return self._read[key, name]
        return None

    def names(self) -> dict[str, str]:
        """Name of the newest state of every key."""
        paths = map(PurePosixPath, sorted(self._call(self._system.find, self._at("states"))))
        return {path.parent.name: path.name for path in paths}

    def send(self, key: str, digest: str, path: Path) -> None:
        """Puts a file there, for the next state."""
        self._call(self._system.put_file, str(path), self._at("files", key, digest))

    def fetch(self, key: str, digest: str, path: Path) -> None:
        """Brings a file of a state here.

        Raises:
            FileNotFoundError: the next state does without it.
            DataError: it is not what was put there.
        """
        source = self._at("files", key, digest)
        self._call(self._system.get_file, source, str(path))
        if hash_file(path) != digest:
            raise DataError(f"{self.url}: {source} is damaged, its content has another hash")

    def write(self, key: str, state: State, before: State | None) -> None:
        """Writes the next state, whose files are there; what only the one before had is removed."""
        self._put(json.dumps(asdict(state)), "states", key, state.name)
        self._read[key, state.name] = state
        if before is not None:
            self._remove("states", key, before.name)
            for digest in before.hashes - state.hashes:
                self._remove("files", key, digest)

    def flag(self, name: str) -> None:
        """Raises a flag that all see."""
        self._put("", "flags", name)

    def is_flagged(self, name: str) -> bool:
        """Whether somebody has."""
        return bool(self._call(self._system.exists, self._at("flags", name)))

    def lower_flags(self) -> None:
        """Takes all of them down."""
        with suppress(FileNotFoundError):
            self._call(self._system.rm, self._at("flags"), True)

    def _at(self, *parts: str) -> str:
        return "/".join((self._root, *parts))

    def _put(self, text: str, *parts: str) -> None:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "text"
            path.write_text(text, encoding="utf-8")
            self._call(self._system.put_file, str(path), self._at(*parts))

    def _remove(self, *parts: str) -> None:
        with suppress(FileNotFoundError):
            self._call(self._system.rm_file, self._at(*parts))

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the store answers; what it said before is not believed.

        Raises:
            FileNotFoundError: there is no such thing.
            OSError: it does not answer, or refuses.
        """
        pause = _PAUSE
        for left in reversed(range(_TRIES)):
            self._system.invalidate_cache()
            try:
                return function(*arguments)
            except FileNotFoundError:
                raise
            except Exception as error:  # every backend has errors of its own
                if not left:
                    raise OSError(f"sweep.remote={self.url}: {_said(error)}") from error
            time.sleep(pause)
            pause *= 4
        raise AssertionError("unreachable")


def check_remote_name(url: str) -> None:
    """Nothing, if a URL may name a store, on a machine that has what it needs.

    Raises:
        ConfigError: it may not.
    """
    protocol, separator, place = url.partition("://")
    if not separator or not place.strip("/") or "::" in url:
        raise ConfigError(
            f"sweep.remote={url!r} must be a URL such as s3://bucket/folder or file:///folder; "
            "null where all nodes share the runs' folder"
        )
    if protocol not in available_protocols():
        raise ConfigError(
            f"sweep.remote={url!r}: fsspec knows no {protocol!r}."
            f"{did_you_mean(protocol, available_protocols())} Such as s3, gs, abfs, sftp, file"
        )
    if protocol in _NOT_SHARED:
        raise ConfigError(f"sweep.remote={url!r}: no other process sees what is written there")


def check_remote(url: str) -> None:
    """Nothing, if this machine can write to a store, and read what it has written.

    Raises:
        ConfigError: it cannot.
    """
    system, root = _opened(url)
    probe = f"{root.rstrip('/')}/.probe-{secrets.token_hex(4)}"
    try:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "probe"
            path.write_text(probe, encoding="utf-8")
            system.put_file(str(path), probe)
            read = system.cat_file(probe)
            system.rm_file(probe)
    except Exception as error:  # every backend has errors of its own
        raise ConfigError(
            f"sweep.remote={url!r} cannot be written to: {_said(error)}. Bucket or folder must be "
            "there; credentials and endpoint are those of fsspec on each node (AWS_ACCESS_KEY_ID "
            "and so on)"
        ) from error
    if read != probe.encode():
        raise ConfigError(f"sweep.remote={url!r} does not give back what is written to it")


def _opened(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the place in it."""
    check_remote_name(url)
    protocol = url.partition("://")[0]
    try:
        get_filesystem_class(protocol)
        own = {"auto_mkdir": True} if protocol in ("file", "local") else {}
        system, root = fsspec.url_to_fs(url, **own)
    except ImportError as error:
        raise ConfigError(f"sweep.remote={url!r}: {error} (with pip, on every node)") from error
    except Exception as error:  # every backend has errors of its own
        raise ConfigError(f"sweep.remote={url!r} cannot be opened: {_said(error)}") from error
    return system, str(root)


def _said(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
