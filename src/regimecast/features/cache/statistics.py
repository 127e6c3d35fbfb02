"""What a feature cache was asked for and what it did, as numbers that do not change any more."""

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["CacheStatistics", "TierStatistics"]


@dataclass(frozen=True, kw_only=True)
class TierStatistics:
    """Counts of one tier since the process began."""

    hits: int = 0
    misses: int = 0
    entries: int = 0
    """Tables that it holds now; on disk those of all processes."""
    bytes: int = 0
    """Their bytes."""
    evictions: int = 0
    """Tables dropped to stay within the limits."""
    expirations: int = 0
    """Tables dropped for their age; never on disk, where a name says what the content is."""
    corrupt: int = 0
    """Files that were not what had been written; each was computed anew."""

    def __str__(self) -> str:
        counts = [f"{self.hits} hits, {self.misses} misses"]
        counts += [
            f"{count} {what}"
            for what, count in (
                ("evicted", self.evictions),
                ("expired", self.expirations),
                ("corrupt", self.corrupt),
            )
            if count
        ]
        tables = "1 table" if self.entries == 1 else f"{self.entries} tables"
        return f"{', '.join(counts)}, {tables} of {self.bytes / 1e6:.1f} MB"


@dataclass(frozen=True, kw_only=True)
class CacheStatistics:
    """Counts of both tiers."""

    memory: TierStatistics
    disk: TierStatistics | None
    """None where no folder is given."""
    joined: int
    """Requests that waited for another thread's computation of the same table."""

    @property
    def requests(self) -> int:
        """Tables that were asked for."""
        return self.memory.hits + self.memory.misses + self.joined

    @property
    def hits(self) -> int:
        """Requests that nothing was computed for."""
        return self.memory.hits + self.joined + (self.disk.hits if self.disk else 0)

    @property
    def hit_rate(self) -> float:
        """Share of such requests, 0 without any; 0 is right where one environment runs alone."""
        return self.hits / self.requests if self.requests else 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain values for the manifest."""
        return asdict(self)

    def __str__(self) -> str:
        disk = f"; disk: {self.disk}" if self.disk else ""
        joined = f"; {self.joined} waited for another thread" if self.joined else ""
        return (
            f"{self.hits} of {self.requests} requests ({self.hit_rate:.0%}) answered from the "
            f"cache; memory: {self.memory}{disk}{joined}"
        )
