"""Limits of the feature cache, from the config group ``feature_cache``."""

from dataclasses import dataclass

from regimecast.core.errors import ConfigError

__all__ = ["FeatureCacheSettings"]


@dataclass(frozen=True, kw_only=True)
class FeatureCacheSettings:
    """How much the tiers may hold, for how long, and where.

    Raises:
        ConfigError: a limit is not a number, too small, or the folder has no name.
    """

    memory_mb: float
    """Megabytes (1,000,000 bytes) of tables in memory; 0 keeps none."""
    ttl_seconds: float
    """Seconds after which memory forgets a table."""
    entries: int
    """Most tables in memory."""
    folder: str | None
    """Where tables are kept on disk, ``~`` for the home folder; null for none."""
    disk_mb: float
    """Megabytes of tables in the folder, of all processes together."""

    def __post_init__(self) -> None:
        allowed = {
            "memory_mb": (self.memory_mb >= 0, "0 or more megabytes"),
            "ttl_seconds": (self.ttl_seconds > 0, "more than 0 seconds"),
            "entries": (self.entries >= 1, "1 or more"),
            "disk_mb": (self.disk_mb > 0, "more than 0 megabytes; folder=null switches it off"),
            "folder": (self.folder is None or bool(self.folder.strip()), "a folder, or null"),
        }
        for key, (fits, wanted) in allowed.items():
            if not fits:  # NaN fits nothing
                raise ConfigError(f"feature_cache.{key}={getattr(self, key)!r}; allowed: {wanted}")
