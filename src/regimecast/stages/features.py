"""Features: one table of everything that is known at each close."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from regimecast.core.errors import DataError
from regimecast.core.files import write_json
from regimecast.core.values import fitting
from regimecast.data.channels import known_channels
from regimecast.data.panel import Panel
from regimecast.features.base import FeatureRegistry
from regimecast.features.pipeline import FeaturePipeline, Missing
from regimecast.stages.base import Inputs, Stage, StageRegistry
from regimecast.stages.files import row_columns, write_table

__all__ = ["Features"]

_FAMILIES: Any = Mapping[str, Mapping[str, Any]]


@StageRegistry.register("features")
class Features(Stage):
    """The chosen families on every bar, then the calendar features of the bar's time."""

    needs: ClassVar[tuple[str, ...]] = ("clean",)
    reads: ClassVar[tuple[str, ...]] = ("features", "missing_features")

    def __init__(self, *, config: Mapping[str, Any]) -> None:
        super().__init__(config=config)
        self._families = fitting("features", config["features"], _FAMILIES)
        missing = fitting("missing_features", config["missing_features"], Missing)
        self._pipeline = FeaturePipeline(self._families, missing=missing)

    @property
    def components(self) -> Sequence[type]:
        """The families."""
        return [FeatureRegistry.get(name) for name in self._families]

    def run(self, inputs: Inputs, folder: Path) -> str:
        """``features.parquet``, and ``features.json`` with the declaration of each column.

        Raises:
            DataError: a column is missing that a feature needs, or a name stands for two columns.
        """
        panel = Panel.load(inputs.folder("clean"))
        table = self._pipeline.compute(panel)
        known, names, place = known_channels(panel, self._pipeline, horizon=1)
        if repeated := {"asset", "time"} & {*table.names, *names}:
            raise DataError(f"features may not be called {', '.join(sorted(repeated))}")
        columns = row_columns(panel)
        columns |= {name: table.values[:, i] for i, name in enumerate(table.names)}
        columns |= {name: known[place, i] for i, name in enumerate(names)}
        write_table(folder / "features.parquet", columns)
        write_json(
            folder / "features.json",
            {
                "version": self._pipeline.version,
                "past": [asdict(feature) for feature in table.features],
                "known": list(names),
            },
        )
        return (
            f"{len(table.names)} features and {len(names)} of the calendar, "
            f"looking back {table.lookback:,} bars at most"
        )
