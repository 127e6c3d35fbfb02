"""`DiskTier`: tables in a folder that any number of processes share.

A file is named after its key, which says what its content is, so that two processes can only ever
write the same. It is written beside its place and renamed, so that no reader sees half of one. The
time of a file is when it was used last; the oldest go first. A process that dies leaves at most a
temporary file, and the next one to write clears it away.
"""

import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import filelock
import numpy as np
from jaxtyping import Float32

from regimecast.core.files import atomic_path
from regimecast.core.stopping import stop_if_asked
from regimecast.features.cache.files import DamagedFileError, read_table, write_table
from regimecast.features.cache.statistics import TierStatistics

__all__ = ["DiskTier"]

_log = logging.getLogger(__name__)

_FILE = re.compile(r"[0-9a-f]{64}\.arrow")
_TEMPORARY = re.compile(r"\.[0-9a-f]{64}\.arrow\..+\.arrow")
"""Names of the tier's own files; nothing else in the folder is ever touched."""
_ABANDONED = 3600.0
"""Seconds after which nobody can still be writing a temporary file."""
_PATIENCE = 60.0
"""Seconds to wait for another process that computes the same table, before computing it too."""
_POLL = 0.01
"""Seconds between two looks at whether it has finished."""


@dataclass(frozen=True)
class _Found:
    path: Path
    size: int
    used: float


class DiskTier:
    """Tables on disk, checked whenever they are read. Safe for threads and processes.

    A folder that cannot be written to is said once, as a warning, and nothing more is written;
    a file that is not what was written is said every time, and computed anew.

    Args:
        folder: made when the first table is written.
        limit: bytes that all tables together may take; files that processes are writing at the
            same moment come on top.
    """

    def __init__(self, folder: Path, limit: float) -> None:
        self._folder = folder
        self._limit = limit
        self._lock = Lock()
        self._writable = True
        self._hits = self._misses = self._evictions = self._corrupt = 0

    def get(
        self, key: str, names: Sequence[str], compute: Callable[[], Float32[np.ndarray, "R F"]]
    ) -> Float32[np.ndarray, "R F"]:
        """The table of a key, computed and written where the folder has none.

        Args:
            key: SHA-256 of everything that the numbers depend on.
            names: of the columns.
            compute: makes the numbers. Of processes that want the same ones, one computes.
        """
        values = self._read(key, names)
        if values is None:
            with self._turn(key) as alone:
                values = self._read(key, names) if alone else None  # written in the meantime
                if values is None:
                    self._count(misses=1)
                    values = compute()
                    stop_if_asked()
                    self._write(key, names, values)
                    return values
        self._count(hits=1)
        return values

    def statistics(self) -> TierStatistics:
        """Counts of this process, and what the folder holds now."""
        found = [file for file in self._files() if _FILE.fullmatch(file.path.name)]
        with self._lock:
            return TierStatistics(
                hits=self._hits,
                misses=self._misses,
                entries=len(found),
                bytes=sum(file.size for file in found),
                evictions=self._evictions,
                corrupt=self._corrupt,
            )

    def _read(self, key: str, names: Sequence[str]) -> Float32[np.ndarray, "R F"] | None:
        path = self._path(key)
        try:
            values = read_table(path, key=key, names=names)
        except FileNotFoundError:
            return None
        except DamagedFileError as error:
            self._count(corrupt=1)
            _log.warning(
                "feature cache: %s is damaged: %s. Its features are computed anew", path, error
            )
            with suppress(OSError):  # what is written next takes its place anyhow
                path.unlink()
            return None
        except OSError as error:
            self._give_up("read", error)
            return None
        with suppress(OSError):  # a folder that is only to be read, or the file has gone since
            os.utime(path)
        return values

    def _write(self, key: str, names: Sequence[str], values: Float32[np.ndarray, "R F"]) -> None:
        if not self._writable or values.size == 0:
            return
        if values.nbytes > self._limit:
            _log.info(
                "feature cache: a table of %.0f MB does not go into a folder of disk_mb=%g",
                values.nbytes / 1e6,
                self._limit / 1e6,
            )
            return
        path = self._path(key)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._make_room(values.nbytes)
            # Not synced: what a power cut does to the file, its checksum tells.
            with atomic_path(path, synced=False) as temporary:
                write_table(temporary, values, key=key, names=names)
            self._make_room(0)
        except OSError as error:
            self._give_up("written to", error)

    @contextmanager
    def _turn(self, key: str) -> Iterator[bool]:
        """Whether no other process computes this table in the meantime.

        It need not be so: two that compute one table write the same file.
        """
        if not self._writable:
            yield False
            return
        # As many locks as the first two digits, so that their files need never be cleared away.
        lock = filelock.FileLock(self._folder / f"{key[:2]}.lock", timeout=_PATIENCE)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(poll_interval=_POLL)
        except filelock.Timeout:
            _log.info("feature cache: another process takes long; computing beside it")
        except OSError as error:
            self._give_up("written to", error)
        except NotImplementedError:
            _log.info("feature cache: %s has no file locks; computing unasked", self._folder)
        try:
            yield lock.is_locked
        finally:
            lock.release()

    def _make_room(self, size: int) -> None:
        """Deletes the tables used longest ago until `size` bytes fit, and what the dead left."""
        files = sorted(self._files(), key=lambda file: file.used)
        total = size + sum(file.size for file in files)
        abandoned = time.time() - _ABANDONED
        for file in files:
            table = _FILE.fullmatch(file.path.name) is not None
            if not (total > self._limit if table else file.used < abandoned):
                continue
            try:
                file.path.unlink()
            except FileNotFoundError:  # another process makes room as well
                total -= file.size
                continue
            except OSError:  # somebody reads it, on systems where that keeps it; the next will do
                continue
            total -= file.size
            self._count(evictions=int(table))

    def _files(self) -> list[_Found]:
        """The tier's own files, tables and temporary ones."""
        found = []
        with suppress(OSError), os.scandir(self._folder) as entries:  # there may be no folder yet
            for entry in entries:
                if _FILE.fullmatch(entry.name) or _TEMPORARY.fullmatch(entry.name):
                    with suppress(FileNotFoundError):  # another process makes room
                        facts = entry.stat()
                        found.append(_Found(Path(entry.path), facts.st_size, facts.st_mtime))
        return found

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.arrow"

    def _give_up(self, done: str, error: OSError) -> None:
        with self._lock:
            first, self._writable = self._writable, False
        if first:
            _log.warning(
                "feature cache: %s cannot be %s (%s); the run goes on and writes no more there",
                self._folder,
                done,
                error,
            )

    def _count(
        self, *, hits: int = 0, misses: int = 0, evictions: int = 0, corrupt: int = 0
    ) -> None:
        with self._lock:
            self._hits += hits
            self._misses += misses
            self._evictions += evictions
            self._corrupt += corrupt
