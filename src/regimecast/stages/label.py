"""Label: the target as it is configured."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from regimecast.core.parts import component
from regimecast.data.panel import Panel
from regimecast.labels.base import Target, TargetRegistry
from regimecast.stages.base import Inputs, Stage, StageRegistry
from regimecast.stages.targets import write_labels

__all__ = ["Label"]


@StageRegistry.register("label")
class Label(Stage):
    """The configured target on every bar."""

    needs: ClassVar[tuple[str, ...]] = ("clean",)
    reads: ClassVar[tuple[str, ...]] = ("target",)

    def __init__(self, *, config: Mapping[str, Any]) -> None:
        super().__init__(config=config)
        self._target: Target = component(TargetRegistry, "target", config)

    @property
    def components(self) -> Sequence[type]:
        """The target."""
        return (type(self._target),)

    def run(self, inputs: Inputs, folder: Path) -> str:
        """``labels.parquet``, one row per bar, and ``labels.json`` with the shares of classes.

        Raises:
            DataError: the target needs a column that the bars lack.
        """
        return write_labels(self._target, Panel.load(inputs.folder("clean")), folder)
