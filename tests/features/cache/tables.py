"""Tables whose every number is known from their key, and caches of a few of them."""

import hashlib
from typing import Any

import numpy as np

from regimecast.features.base import Feature
from regimecast.features.cache import FeatureCacheSettings
from regimecast.features.table import FeatureTable

ROWS, NAMES = 50, ("a", "b")
BYTES = ROWS * len(NAMES) * 4


def settings(**changes: Any) -> FeatureCacheSettings:
    """The packaged limits with some changed."""
    usual: dict[str, Any] = {
        "memory_mb": 512.0,
        "ttl_seconds": 600.0,
        "entries": 10_000,
        "folder": None,
        "disk_mb": 4096.0,
    }
    return FeatureCacheSettings(**{**usual, **changes})


def key(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def numbers(number: int) -> np.ndarray:
    """What the table of `key(number)` holds; the first number of its rows differs from all."""
    return np.arange(number, number + ROWS * len(NAMES), dtype=np.float32).reshape(ROWS, -1)


def table(number: int) -> FeatureTable:
    return FeatureTable(numbers(number), features())


def features() -> tuple[Feature, ...]:
    return tuple(Feature(name, 0, (), "none", "made up") for name in NAMES)


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now
