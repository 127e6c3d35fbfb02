"""What a stage is. One .py with a stage adds it; its place follows from what it needs."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from regimecast.core.errors import ConfigError
from regimecast.core.registry import Registry

__all__ = ["Inputs", "Stage", "StageRegistry", "ordered", "values_at"]


@dataclass(frozen=True)
class Inputs:
    """Artifacts of the stages that a stage needs, and of no other."""

    stage: str
    folders: Mapping[str, Path]
    hashes: Mapping[str, Mapping[str, str]]
    """SHA-256 of each file by stage and name."""

    def folder(self, stage: str) -> Path:
        """Folder with the artifacts of a stage that is needed.

        Raises:
            ConfigError: the stage does not declare that it needs the other.
        """
        if stage not in self.folders:
            raise ConfigError(
                f"stage {self.stage!r} reads stage {stage!r} without needing it; it needs "
                f"{', '.join(self.folders) or 'none'}"
            )
        return self.folders[stage]


class Stage(ABC):
    """One step of the pipeline: a pure function of its config, its code and its inputs' artifacts.

    Args:
        config: the values at the paths that `reads` names, and no others, so that a stage cannot
            depend on what its key does not hold.

    Raises:
        ConfigError: the config cannot be used; every stage is made before any runs.
    """

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()
    """Stages whose artifacts it reads."""
    reads: ClassVar[tuple[str, ...]] = ()
    """Paths in the config that it depends on, such as ``target`` or ``window.context_length``."""

    def __init__(self, *, config: Mapping[str, Any]) -> None:
        self.config = config

    @property
    def components(self) -> Sequence[type]:
        """Classes that the config names, whose code the stage runs beside its own module's."""
        return ()

    def outside(self) -> Mapping[str, str] | None:
        """SHA-256 of everything it reads outside the pipeline, by name; None where unknown.

        A stage of which it is unknown runs every time.
        """
        return {}

    @abstractmethod
    def run(self, inputs: Inputs, folder: Path) -> str:
        """One sentence on what was done; all that it leaves are files in `folder`.

        The same config, code and inputs give the same bytes.

        Raises:
            RegimecastError: the data cannot be used.
        """


StageRegistry: Registry[Stage] = Registry(
    "stage", Stage, package="regimecast.stages", attribute="StageRegistry"
)
"""Every stage by name; see `Registry`."""


def ordered() -> tuple[str, ...]:
    """Names of all stages, each after those that it needs, in alphabetical order where free.

    Raises:
        ConfigError: a stage needs one that does not exist, or two need each other.
    """
    names = StageRegistry.available()
    waiting = {name: set(StageRegistry.get(name).needs) for name in names}
    for name, needs in waiting.items():
        if unknown := sorted(needs.difference(names)):
            raise ConfigError(f"stage {name!r} needs {unknown[0]!r}, which does not exist")
    order: list[str] = []
    while waiting:
        free = next((name for name in sorted(waiting) if waiting[name] <= set(order)), None)
        if free is None:
            raise ConfigError(f"stages {', '.join(sorted(waiting))} need each other")
        order.append(free)
        del waiting[free]
    return tuple(order)


def values_at(config: Mapping[str, Any], paths: Sequence[str]) -> dict[str, Any]:
    """The part of a config at these dotted paths, in its own shape.

    A group of several options of which none is chosen is missing from a config, and empty here.
    """
    found: dict[str, Any] = {}
    for path in paths:
        *parents, last = path.split(".")
        source, target = config, found
        for key in parents:
            source, target = source[key], target.setdefault(key, {})
        target[last] = source.get(last, {})
    return found
