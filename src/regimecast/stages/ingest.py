"""Ingest: bars of the source, as they were found."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from regimecast.core.files import write_json
from regimecast.core.hashing import hash_file
from regimecast.core.parts import component
from regimecast.data.panel import Column, Role
from regimecast.data.schema import RawBars, validate
from regimecast.data.sources.base import Source, SourceRegistry
from regimecast.data.sources.files import FileSource
from regimecast.stages.base import Inputs, Stage, StageRegistry
from regimecast.stages.files import categories, read_columns, read_mapping, write_table

__all__ = ["Ingest", "read_bars"]


@StageRegistry.register("ingest")
class Ingest(Stage):
    """Bars of the source in one long table, checked for the columns and types that all else needs.

    A source of files is read again when the content of a file changes. Any other may say something
    else tomorrow, and is read every time.
    """

    reads: ClassVar[tuple[str, ...]] = ("data",)

    def __init__(self, *, config: Mapping[str, Any]) -> None:
        super().__init__(config=config)
        self._source: Source = component(SourceRegistry, "data", config)

    @property
    def components(self) -> Sequence[type]:
        """The source."""
        return (type(self._source),)

    def outside(self) -> Mapping[str, str] | None:
        """SHA-256 of each file of the source; None for a source of another kind.

        Raises:
            DataError: a file is missing.
        """
        if not isinstance(self._source, FileSource):
            return None
        return {str(path): hash_file(path) for path in self._source.files()}

    def run(self, inputs: Inputs, folder: Path) -> str:
        """``bars.parquet`` and ``bars.json``.

        Raises:
            DataError: the source cannot be read, or a required column is missing.
        """
        raw = self._source.load()
        frame = validate(raw.frame, raw.columns, origin=raw.origin)
        write_table(folder / "bars.parquet", _columns(frame))
        if raw.empty_cells is not None:
            write_table(folder / "empty_cells.parquet", _columns(raw.empty_cells))
        write_json(
            folder / "bars.json",
            {
                "columns": [asdict(column) for column in raw.columns],
                "frequency": raw.frequency,
                "calendar": raw.calendar,
                "origin": raw.origin,
                "unused": list(raw.unused),
            },
        )
        assets = frame["asset"].nunique()
        return (
            f"{len(frame):,} bars of {assets} asset{'s' if assets > 1 else ''}, "
            f"{len(raw.columns)} columns"
        )


def read_bars(folder: Path) -> RawBars:
    """The bars that `Ingest` left in its folder.

    Raises:
        DataError: a file is missing or not what `Ingest` writes.
    """
    header = read_mapping(folder / "bars.json")
    empty = folder / "empty_cells.parquet"
    return RawBars(
        frame=_frame(folder / "bars.parquet"),
        columns=tuple(Column(c["name"], Role(c["role"]), c["lag"]) for c in header["columns"]),
        frequency=header["frequency"],
        calendar=header["calendar"],
        origin=header["origin"],
        empty_cells=_frame(empty) if empty.exists() else None,
        unused=tuple(header["unused"]),
    )


def _columns(frame: pd.DataFrame) -> dict[str, Any]:
    codes, names = pd.factorize(frame["asset"])
    asset = categories(codes.astype(np.int64), [str(name) for name in names])
    rest = {str(name): frame[name].to_numpy() for name in frame.columns if name != "asset"}
    return {"asset": asset, **rest}


def _frame(path: Path) -> pd.DataFrame:
    frame = pd.DataFrame(read_columns(path), copy=False)
    frame["asset"] = frame["asset"].astype("str")
    return frame
