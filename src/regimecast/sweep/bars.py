"""What the bars of a sweep's jobs are, before any of them is run."""

import logging
from collections.abc import Mapping
from typing import Any

from regimecast.core.hashing import hash_json
from regimecast.core.parts import component
from regimecast.data.sources.base import SourceRegistry

__all__ = ["BarsHashes"]

_log = logging.getLogger(__name__)


class BarsHashes:
    """Content hashes of bars; each source is read once."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def of(self, config: Mapping[str, Any]) -> str:
        """Hash of what the source of a job's config gives; empty where it gives nothing now.

        Args:
            config: resolved, plain values.
        """
        key = hash_json(config["data"])
        if key not in self._known:
            self._known[key] = _hash(config)
        return self._known[key]


def _hash(config: Mapping[str, Any]) -> str:
    try:
        return component(SourceRegistry, "data", config).load().content_hash
    except Exception as error:  # noqa: BLE001  # the job meets it too, and its folder keeps it
        _log.debug("bars cannot be read: %s", error)
        return ""
