"""What a source is. One .py with a source and one .yaml with its parameters add it."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from regimecast.core.registry import Registry
from regimecast.data.schema import RawBars

__all__ = ["RawBars", "Source", "SourceRegistry"]


class Source(ABC):
    """Where raw bars come from."""

    name: ClassVar[str]

    @abstractmethod
    def load(self) -> RawBars:
        """All bars of the source.

        Raises:
            DataError: nothing there, unreadable, or a column that is mapped is missing; the message
                names the file, the column and what was found instead.
        """

    def files(self) -> list[Path]:
        """The user's own files that `load` reads, for the manifest; by default none."""
        return []


SourceRegistry: Registry[Source] = Registry(
    "data", Source, package="regimecast.data.sources", attribute="SourceRegistry"
)
"""Every source by name; see `Registry`."""
