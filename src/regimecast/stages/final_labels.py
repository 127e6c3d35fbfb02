"""Final labels: the target with the barriers that were found."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from regimecast.core.parts import component
from regimecast.data.panel import Panel
from regimecast.labels.barrier_target import TripleBarrier
from regimecast.labels.base import TargetRegistry
from regimecast.stages.base import Inputs, Stage, StageRegistry
from regimecast.stages.files import read_mapping
from regimecast.stages.targets import write_labels

__all__ = ["FinalLabels"]


@StageRegistry.register("final_labels")
class FinalLabels(Stage):
    """What models learn: labels with the barriers that were found, or else those of `Label`."""

    needs: ClassVar[tuple[str, ...]] = ("clean", "label", "barriers")

    @property
    def components(self) -> Sequence[type]:
        """The only target whose barriers are searched for."""
        return (TripleBarrier,)

    def run(self, inputs: Inputs, folder: Path) -> str:
        """``labels.parquet`` and ``labels.json``, as `Label` writes them."""
        found = read_mapping(inputs.folder("barriers") / "barriers.json")
        if not found["searched"]:
            for name in ("labels.parquet", "labels.json"):
                shutil.copyfile(inputs.folder("label") / name, folder / name)
            return "those of stage label, for no barriers were sought"
        target = component(TargetRegistry, "target", found)
        return write_labels(target, Panel.load(inputs.folder("clean")), folder)
