"""`MemoryTier`: the tables that were used last, within limits of bytes, number and age."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from regimecast.features.cache.settings import FeatureCacheSettings
from regimecast.features.cache.statistics import TierStatistics
from regimecast.features.table import FeatureTable

__all__ = ["MemoryTier"]


@dataclass(frozen=True, eq=False)
class _Entry:
    table: FeatureTable
    expires: float

    @property
    def size(self) -> int:
        return int(self.table.values.nbytes)


class MemoryTier:
    """Least recently used tables go first; every table goes when its time is up. Thread-safe.

    Args:
        settings: the limits.
        clock: seconds that only ever grow.
    """

    def __init__(self, settings: FeatureCacheSettings, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = Lock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._bytes = self._hits = self._misses = self._evictions = self._expirations = 0
        self._settings = settings

    def configure(self, settings: FeatureCacheSettings) -> None:
        """Other limits from now on; what they leave no room for goes.

        A table keeps the time at which it expires.
        """
        with self._lock:
            self._settings = settings
            self._expire()
            self._evict()

    def get(self, key: str) -> FeatureTable | None:
        """The table of a key, None where there is none or its time is up."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and entry.expires <= self._clock():
                self._drop(key)
                self._expirations += 1
                entry = None
            if entry is None:
                self._misses += 1
                return None
            self._entries.move_to_end(key)
            self._hits += 1
            return entry.table

    def put(self, key: str, table: FeatureTable) -> None:
        """Keeps a table, unless it alone is beyond the limit of bytes."""
        with self._lock:
            if key in self._entries:
                self._drop(key)
            self._expire()
            entry = _Entry(table, self._clock() + self._settings.ttl_seconds)
            if entry.size > self._limit:
                return
            self._entries[key] = entry
            self._bytes += entry.size
            self._evict()

    def statistics(self) -> TierStatistics:
        """Counts so far, and what it holds now."""
        with self._lock:
            self._expire()
            return TierStatistics(
                hits=self._hits,
                misses=self._misses,
                entries=len(self._entries),
                bytes=self._bytes,
                evictions=self._evictions,
                expirations=self._expirations,
            )

    @property
    def _limit(self) -> float:
        return self._settings.memory_mb * 1e6

    def _expire(self) -> None:
        now = self._clock()
        for key in [key for key, entry in self._entries.items() if entry.expires <= now]:
            self._drop(key)
            self._expirations += 1

    def _evict(self) -> None:
        while self._bytes > self._limit or len(self._entries) > self._settings.entries:
            self._drop(next(iter(self._entries)))
            self._evictions += 1

    def _drop(self, key: str) -> None:
        self._bytes -= self._entries.pop(key).size
