"""`FeatureCache`: memory over disk, and the one that all of a process shares."""

import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock
from typing import Any

import numpy as np
from jaxtyping import Float32

from regimecast.core.errors import ConfigError
from regimecast.core.memory import available_bytes
from regimecast.features.base import Feature
from regimecast.features.cache.disk import DiskTier
from regimecast.features.cache.memory import MemoryTier
from regimecast.features.cache.settings import FeatureCacheSettings
from regimecast.features.cache.statistics import CacheStatistics
from regimecast.features.table import FeatureTable

__all__ = ["FeatureCache", "shared_cache"]

_SHARE = 0.25
"""Part of the available memory that a table may take which somebody else holds as well."""


class FeatureCache:
    """Tables by key, computed once however many threads and processes ask. Thread-safe.

    Args:
        settings: limits of both tiers.
        clock: seconds that only ever grow; for the age of tables in memory.

    Raises:
        ConfigError: the folder is below a home folder that nobody knows.
    """

    def __init__(
        self, settings: FeatureCacheSettings, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lock = Lock()
        self._in_flight: dict[str, _Flight] = {}
        self._joined = 0
        self._settings = settings
        self._memory = MemoryTier(settings, clock=clock)
        self._disk = _disk(settings)

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process it is that process's own."""
        return shared_cache, (self._settings,)

    @property
    def settings(self) -> FeatureCacheSettings:
        """Limits now in force."""
        return self._settings

    def configure(self, settings: FeatureCacheSettings) -> None:
        """Other limits from now on, for everybody; what memory holds within them stays."""
        with self._lock:
            before, self._settings = self._settings, settings
            if (before.folder, before.disk_mb) != (settings.folder, settings.disk_mb):
                self._disk = _disk(settings)
        self._memory.configure(settings)

    def keeps(self, size: int) -> bool:
        """Whether a table of so many bytes is kept, and memory has room to keep it."""
        settings, available = self._settings, available_bytes()
        on_disk = settings.disk_mb if settings.folder is not None else 0.0
        return size <= max(settings.memory_mb, on_disk) * 1e6 and (
            available is None or size <= available * _SHARE
        )

    def table(
        self,
        key: str,
        features: Callable[[], tuple[Feature, ...]],
        compute: Callable[[], Float32[np.ndarray, "R F"]],
    ) -> FeatureTable:
        """The table of a key; its values cannot be written to.

        Args:
            key: SHA-256 of everything that the table depends on.
            features: declares the columns; called where memory has no such table.
            compute: makes the values; called where the disk has none either. Threads that ask for
                a key that is being computed wait for it. Where it raises, each tries itself.
        """
        while True:
            with self._lock:
                flight = self._in_flight.get(key)
                if flight is None:
                    if (table := self._memory.get(key)) is not None:
                        return table
                    flight = self._in_flight[key] = _Flight()
                    break
            flight.landed.wait()
            if flight.table is not None:
                with self._lock:
                    self._joined += 1
                return flight.table
        try:
            flight.table = self._make(key, features(), compute)
            self._memory.put(key, flight.table)
            return flight.table
        finally:
            with self._lock:
                del self._in_flight[key]
            flight.landed.set()

    def statistics(self) -> CacheStatistics:
        """Counts of both tiers so far."""
        disk = self._disk
        return CacheStatistics(
            memory=self._memory.statistics(),
            disk=None if disk is None else disk.statistics(),
            joined=self._joined,
        )

    def _make(
        self,
        key: str,
        features: tuple[Feature, ...],
        compute: Callable[[], Float32[np.ndarray, "R F"]],
    ) -> FeatureTable:
        disk = self._disk

        def computed() -> Float32[np.ndarray, "R F"]:
            # One layout, whichever tier a table comes from.
            return np.ascontiguousarray(compute())

        if disk is None:
            values = computed()
        else:
            values = disk.get(key, [feature.name for feature in features], computed)
        values.flags.writeable = False
        return FeatureTable(values, features)


class _Flight:
    """A table that a thread is computing."""

    def __init__(self) -> None:
        self.landed = Event()
        self.table: FeatureTable | None = None
        """None where computing it failed."""


def _disk(settings: FeatureCacheSettings) -> DiskTier | None:
    if settings.folder is None:
        return None
    try:
        folder = Path(settings.folder).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"feature_cache.folder={settings.folder!r}: {error}") from error
    return DiskTier(folder, settings.disk_mb * 1e6)


_shared_lock = Lock()
_shared: FeatureCache | None = None


def shared_cache(settings: FeatureCacheSettings) -> FeatureCache:
    """The process's one cache, with these limits from now on.

    There is never a second one: tables that one part of a process has computed are there for all.
    """
    global _shared
    with _shared_lock:
        if _shared is None:
            _shared = FeatureCache(settings)
        elif _shared.settings != settings:
            _shared.configure(settings)
        return _shared
