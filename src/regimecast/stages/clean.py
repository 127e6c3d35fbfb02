"""Clean: a panel of the usable bars, and everything that looked wrong."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from regimecast.core.files import write_json
from regimecast.core.parts import settings
from regimecast.data.cleaning import CleaningSettings, clean
from regimecast.stages.base import Inputs, Stage, StageRegistry
from regimecast.stages.ingest import read_bars

__all__ = ["Clean"]


@StageRegistry.register("clean")
class Clean(Stage):
    """Bars sorted and without duplicates, as memory-mappable arrays; see `regimecast.data`."""

    needs: ClassVar[tuple[str, ...]] = ("ingest",)
    reads: ClassVar[tuple[str, ...]] = ("cleaning",)

    def __init__(self, *, config: Mapping[str, Any]) -> None:
        super().__init__(config=config)
        self._settings = settings(CleaningSettings, "cleaning", config)

    def run(self, inputs: Inputs, folder: Path) -> str:
        """The files of `Panel.save`, and ``findings.json``.

        Raises:
            DataError: a problem whose policy is ``error``, or bars that make no panel.
        """
        panel, report = clean(read_bars(inputs.folder("ingest")), settings=self._settings)
        panel.save(folder)
        write_json(folder / "findings.json", report.to_json())
        dropped = report.rows_before - report.rows_after
        kinds = len({finding.problem for finding in report.findings})
        found = (
            f"{kinds} kind{'s' if kinds > 1 else ''} of problem noted" if kinds else "no problem"
        )
        return f"{panel.n_rows:,} bars kept, {dropped:,} dropped, {found}"
