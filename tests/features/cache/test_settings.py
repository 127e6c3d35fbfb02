"""Limits that cannot be are named with what is allowed."""

import math
from typing import Any

import pytest

from regimecast.core.errors import ConfigError
from tests.features.cache.tables import settings


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("memory_mb", -1.0, "0 or more megabytes"),
        ("memory_mb", math.nan, "0 or more megabytes"),
        ("ttl_seconds", 0.0, "more than 0 seconds"),
        ("ttl_seconds", math.nan, "more than 0 seconds"),
        ("entries", 0, "1 or more"),
        ("disk_mb", 0.0, "more than 0 megabytes; folder=null"),
        ("folder", " ", "a folder, or null"),
    ],
)
def test_a_limit_that_cannot_be_is_named(key: str, value: Any, allowed: str) -> None:
    with pytest.raises(ConfigError, match=rf"feature_cache\.{key}={value!r}; allowed: {allowed}"):
        settings(**{key: value})


def test_no_memory_and_no_end_are_allowed() -> None:
    settings(memory_mb=0.0, ttl_seconds=math.inf)
