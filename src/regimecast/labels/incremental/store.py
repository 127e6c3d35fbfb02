"""Rows of one asset on disk: parquet segments named after their content, and a state in json.

Only the last segment is written by an ordinary update; those before it hold finished rows. New
segments are written first, then the state is replaced, then what it no longer names is deleted: a
process that dies in between leaves the old state with all its files. Segments are synced to the
disk and the state is not: what a power cut does to it is found, and the segments tell what it said.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import filelock

from regimecast.core.errors import ConfigError, DataError
from regimecast.core.files import atomic_path, read_json, write_text
from regimecast.core.hashing import hash_json
from regimecast.labels.incremental.rows import Rows

__all__ = ["FORMAT", "DamageError", "FormatError", "LabelStore", "Segment", "State"]

FORMAT = 2
"""Version of the files' layout. 1 had no version, and labelled every bar."""

_STATE = "state.json"
_LOCK = "lock"


class DamageError(DataError):
    """A file is not what was written: missing, cut short or changed."""


class FormatError(DamageError):
    """The files have an older layout; their bars can be read and are labelled anew."""


@dataclass(frozen=True)
class Segment:
    """One parquet file of consecutive rows."""

    rows: int
    first: int
    """Time of the first row, nanoseconds since 1970."""
    last: int
    sha256: str
    size: int
    """Bytes."""
    mtime_ns: int
    """When the file was last seen to be what the checksum says."""

    @property
    def name(self) -> str:
        """Name of the file."""
        return f"segment-{self.sha256}.parquet"


@dataclass(frozen=True)
class State:
    """What is on disk for an asset, and under which rule it was labelled."""

    config_hash: str
    config: dict[str, Any]
    """Settings that the hash stands for, to be read by people."""
    lookback: int
    """Bars before the window that its first units read."""
    after: int | None
    """Rows up to this time have left the window; None where all are kept."""
    updated: str
    """When the last update was, ISO 8601 in UTC."""
    segments: tuple[Segment, ...]

    @property
    def last(self) -> int:
        """Time of the last bar."""
        return self.segments[-1].last

    @property
    def n_expendable(self) -> int:
        """Segments at the front that neither the window nor its first units read."""
        if self.after is None:
            return 0
        window = next(i for i, s in enumerate(self.segments) if s.last > self.after)
        before = 0
        for i in range(window, 0, -1):
            if before >= self.lookback:
                return i
            before += self.segments[i - 1].rows
        return 0


class LabelStore:
    """Files of one asset in a folder of its own."""

    @classmethod
    def of(cls, folder: Path, asset: object) -> "LabelStore":
        """The store of an asset among those in a folder.

        Raises:
            ConfigError: the asset's name cannot be that of a folder.
        """
        if not isinstance(asset, str) or asset in ("", ".", ".."):
            raise ConfigError(
                f"asset={asset!r}; allowed: any text that is not empty, '.' or '..', for it names "
                "a folder"
            )
        return cls(folder / quote(asset, safe=""))

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def locked(self, timeout: float) -> Iterator[None]:
        """This process alone writes; the lock ends with the process, however it ends.

        Raises:
            DataError: another process still holds the lock after `timeout` seconds, or the folder
                cannot be written to.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.folder / _LOCK, timeout=timeout)
            lock.acquire()
        except filelock.Timeout:
            raise DataError(
                f"{self.folder} is being updated by another process; gave up after {timeout} s"
            ) from None
        except OSError as error:
            raise DataError(f"{self.folder} cannot be written to: {error}") from error
        try:
            yield
        finally:
            lock.release()

    def state(self) -> State | None:
        """The state, None where there is none yet.

        Raises:
            DamageError: it is not what was written, or has an older layout (`FormatError`).
            DataError: it has a newer layout.
        """
        path = self.folder / _STATE
        try:
            content = read_json(path)
            checksum = content.pop("sha256")
            if checksum != hash_json(content):
                raise DamageError(f"{path} does not have the content that it was written with")
            _check_format(path, content.pop("format", 1))
            segments = tuple(Segment(**segment) for segment in content.pop("segments"))
            return State(**content, segments=segments)
        except FileNotFoundError:
            return None
        except DataError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamageError(f"{path} cannot be read: {error}") from error

    def read(self, segments: Sequence[Segment]) -> Rows:
        """Rows of consecutive segments, each checked against its checksum.

        Raises:
            DamageError: a file is missing or is not what was written.
        """
        return Rows.concatenated(*(self._read(segment) for segment in segments))

    def _read(self, segment: Segment) -> Rows:
        path = self.folder / segment.name
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise DamageError(f"{path} is missing") from None
        if hashlib.sha256(content).hexdigest() != segment.sha256:
            raise DamageError(f"{path} does not have the content that it was written with")
        return Rows.from_parquet(content)

    def checked(self, state: State, *, thorough: bool) -> tuple[State, tuple[Segment, ...]]:
        """The state with fresh times of its files, and the segments that are damaged.

        Args:
            state: as read.
            thorough: read every file, and not only those whose size or time has changed.
        """
        sound: list[Segment] = []
        damaged: list[Segment] = []
        for segment in state.segments:
            try:
                facts = os.stat(f"{self.folder}/{segment.name}")  # noqa: PTH116  # many, each update
                if thorough or (facts.st_size, facts.st_mtime_ns) != (
                    segment.size,
                    segment.mtime_ns,
                ):
                    self._read(segment)
            except (DamageError, FileNotFoundError):
                damaged.append(segment)
                continue
            same = facts.st_mtime_ns == segment.mtime_ns
            sound.append(segment if same else replace(segment, mtime_ns=facts.st_mtime_ns))
        return (state if damaged else replace(state, segments=tuple(sound))), tuple(damaged)

    def found(self, config_hash: str) -> tuple[list[Rows], bool]:
        """Rows of every file that has the content its name promises, whatever the state says.

        And whether all of them were labelled under the rule with that hash.
        """
        parts = []
        same = True
        for path in sorted(self.folder.glob("segment-*.parquet")):
            content = path.read_bytes()
            if path.stem == f"segment-{hashlib.sha256(content).hexdigest()}":
                parts.append(Rows.from_parquet(content))
                same &= Rows.rule_of(content) == config_hash
        return sorted(parts, key=lambda rows: int(rows.time[0])), same

    def write(self, rows: Rows, config_hash: str, *, compressed: bool) -> Segment:
        """A new segment, not part of the state yet."""
        content = rows.to_parquet(config_hash, compressed=compressed)
        sha256 = hashlib.sha256(content).hexdigest()
        path = self.folder / f"segment-{sha256}.parquet"
        with atomic_path(path) as temporary:
            temporary.write_bytes(content)
        facts = path.stat()
        return Segment(
            rows=len(rows),
            first=int(rows.time[0]),
            last=int(rows.time[-1]),
            sha256=sha256,
            size=facts.st_size,
            mtime_ns=facts.st_mtime_ns,
        )

    def commit(self, state: State) -> None:
        """Replaces the state, and then deletes the files that it does not name."""
        content: dict[str, Any] = {
            "format": FORMAT,
            **vars(state),
            "segments": [vars(segment) for segment in state.segments],
        }
        # Without indents, which cost more than all else here.
        text = json.dumps({**content, "sha256": hash_json(content)}, ensure_ascii=False)
        write_text(self.folder / _STATE, f"{text}\n", synced=False)
        named = {segment.name for segment in state.segments}
        for name in os.listdir(self.folder):  # noqa: PTH208  # names are all that is wanted
            left_behind = name.startswith(".") and name.endswith((".parquet", ".json"))
            if left_behind or (name.startswith("segment-") and name not in named):
                (self.folder / name).unlink(missing_ok=True)


def _check_format(path: Path, found: int) -> None:
    if found > FORMAT:
        raise DataError(
            f"{path} has format {found}, made by a newer version of this package; this one reads "
            f"{FORMAT}. Use that version, or another folder"
        )
    if found < FORMAT:
        raise FormatError(f"{path} has format {found}; this version writes {FORMAT}")
