"""Labels on disk: a target's series as a table, and a target that reads them back."""

from pathlib import Path
from typing import Any

import numpy as np

from regimecast.core.errors import DataError
from regimecast.core.files import write_json
from regimecast.core.types import Task
from regimecast.data.panel import Panel
from regimecast.labels.base import INCOMPLETE, Target, TargetSeries
from regimecast.stages.files import read_columns, read_mapping, row_columns, write_table

__all__ = ["StoredTarget", "describe", "write_labels"]


def write_labels(target: Target, panel: Panel, folder: Path) -> str:
    """``labels.parquet`` and ``labels.json`` of a target on a panel; what they hold in a sentence.

    Raises:
        DataError: the target needs a column that the panel lacks, or cannot be computed.
    """
    series = target.compute(panel)
    columns = row_columns(panel)
    if series.label is not None:
        columns["label"] = series.label
    last = panel.time[np.maximum(series.end_row, 0)].copy()
    last[series.end_row < 0] = np.datetime64("NaT", "ns")
    columns |= {
        "end": last,
        "end_row": series.end_row,
        "series": series.series,
        "scale": series.scale,
    }
    write_table(folder / "labels.parquet", columns)
    until = target.fitted_until
    header = {
        "target": target.name,
        "task": str(series.task),
        "horizon": series.horizon,
        "label_bars": target.label_bars,
        "anchored": series.anchored,
        "lookback": series.lookback,
        "classes": list(series.classes),
        "fitted_until": None if until is None else str(until),
        "complete": int(series.complete.sum()),
        "shares": _shares(panel, series),
    }
    write_json(folder / "labels.json", header)
    return describe(header, panel.n_rows)


def describe(header: dict[str, Any], rows: int) -> str:
    """What a ``labels.json`` says, in a sentence."""
    text = f"{header['target']}: {header['complete']:,} of {rows:,} bars have a complete label"
    shares = header["shares"].get("all")
    if not shares:
        return text
    return f"{text} ({', '.join(f'{c} {share:.1%}' for c, share in shares.items())})"


class StoredTarget(Target):
    """A target whose series were computed and stored by an earlier stage.

    Args:
        folder: what `write_labels` wrote to.

    Raises:
        DataError: a file is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "labels.parquet"
        self._header = read_mapping(folder / "labels.json")
        # What is a constant of the class elsewhere is read from the file here.
        self.name = self._header["target"]  # type: ignore[misc]  # see above
        self.classes = tuple(self._header["classes"])  # type: ignore[misc]  # see above

    @property
    def label_bars(self) -> int:
        """Most bars after the origin that the stored target reads."""
        return int(self._header["label_bars"])

    @property
    def fitted_until(self) -> np.datetime64 | None:
        """The last bar that settings of the stored target were fitted on."""
        until = self._header["fitted_until"]
        return None if until is None else np.datetime64(until, "ns")

    def compute(self, panel: Panel) -> TargetSeries:
        """The stored series.

        Raises:
            DataError: they are of other bars.
        """
        stored = read_columns(self._path)
        if not np.array_equal(stored["time"], panel.time):
            raise DataError(f"{self._path} holds labels of other bars")
        return TargetSeries(
            task=Task(self._header["task"]),
            horizon=self._header["horizon"],
            series=stored["series"],
            anchored=self._header["anchored"],
            scale=stored["scale"],
            end_row=stored["end_row"],
            lookback=self._header["lookback"],
            label=stored.get("label"),
            classes=self.classes,
        )


def _shares(panel: Panel, series: TargetSeries) -> dict[str, dict[str, float]]:
    """Share of each class among complete labels, over all assets and for each."""
    if series.label is None:
        return {}
    complete = series.complete & (series.label != INCOMPLETE)
    groups = {"all": complete}
    if panel.n_assets > 1:
        groups |= {n: complete & (panel.asset_of_row == a) for a, n in enumerate(panel.assets)}
    return {
        name: {str(value): float(np.mean(series.label[rows] == value)) for value in series.classes}
        for name, rows in groups.items()
        if rows.any()
    }
