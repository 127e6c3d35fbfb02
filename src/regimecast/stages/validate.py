"""Validate: what must hold of the artifacts, checked by other means than those that made them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int

from regimecast.core.errors import LeakageError
from regimecast.core.files import write_json
from regimecast.core.hashing import hash_file
from regimecast.data.panel import Panel
from regimecast.features.base import FeatureRegistry
from regimecast.features.pipeline import FeaturePipeline
from regimecast.labels.base import INCOMPLETE
from regimecast.splits.spans import ticks
from regimecast.stages.base import Inputs, Stage, StageRegistry
from regimecast.stages.files import read_columns, read_mapping, read_matrix
from regimecast.stages.market import declared
from regimecast.stages.splits import PARTS

__all__ = ["Check", "Validate", "shared_bars"]

_COLUMNS = 16
"""Feature columns in memory at a time."""


@dataclass(frozen=True)
class Check:
    """One thing that must hold."""

    what: str
    holds: bool
    detail: str
    """What was found, in a sentence."""


@StageRegistry.register("validate")
class Validate(Stage):
    """Hashes, labels, features and the distance between the parts of each fold.

    Features are computed again at one cut only; ``regimecast audit`` looks for leaks at many.
    """

    needs: ClassVar[tuple[str, ...]] = (
        "ingest", "clean", "features", "label", "barriers", "final_labels", "splits",
    )  # fmt: skip
    reads: ClassVar[tuple[str, ...]] = ("split", "features", "missing_features")

    def __init__(self, *, config: Mapping[str, Any]) -> None:
        super().__init__(config=config)
        self._pipeline = FeaturePipeline(config["features"], missing=config["missing_features"])

    @property
    def components(self) -> Sequence[type]:
        """The feature families."""
        return [FeatureRegistry.get(name) for name in self.config["features"]]

    def run(self, inputs: Inputs, folder: Path) -> str:
        """``checks.json``.

        Raises:
            LeakageError: something does not hold; the message says what.
        """
        checks = [
            _hashes(inputs),
            *_labels(inputs),
            *_features(inputs),
            self._prefix(inputs),
            *self._folds(inputs),
        ]
        write_json(folder / "checks.json", {"checks": [asdict(check) for check in checks]})
        if broken := [check for check in checks if not check.holds]:
            raise LeakageError(
                "; ".join(f"{check.what} does not hold: {check.detail}" for check in broken)
            )
        return f"all {len(checks)} checks hold"

    def _prefix(self, inputs: Inputs) -> Check:
        """Features of the first training interval are the same without the bars after it.

        Of several intervals that a fold trains on, the first.
        """
        panel = Panel.load(inputs.folder("clean"))
        intervals = read_mapping(inputs.folder("splits") / "splits.json")["train_intervals"]
        end = np.datetime64(np.ravel(intervals[0])[1], "ns")
        table = self._pipeline.compute(panel.until(end))
        path, early = inputs.folder("features") / "features.parquet", panel.time <= end
        changed: list[str] = []
        for columns, values in _blocks(path, table.names):
            same = values[early].view(np.int32) == table.values[:, columns].view(np.int32)
            names = table.names[columns]
            changed += [
                name for name, equal in zip(names, same.all(axis=0), strict=True) if not equal
            ]
        return Check(
            f"features up to {str(end)[:10]} the same bits without later bars",
            not changed,
            _named(changed, len(table.names)),
        )

    def _folds(self, inputs: Inputs) -> Iterator[Check]:
        """No bar is read on both sides of a border."""
        samples = read_columns(inputs.folder("splits") / "samples.parquet")
        windows = self.config["split"].get("purge", "auto") == "auto"
        reads = "windows and labels" if windows else "labels"
        # With a purge in bars only labels have to be apart; they read what follows their origin.
        start = ticks(samples["start"]) if windows else ticks(samples["origin"]) + 1
        end = ticks(samples["end"])
        for name in (name for name in samples if name.startswith("fold_")):
            part = samples[name]
            for place, earlier in enumerate(PARTS[:-1]):
                later = np.isin(part.astype(str), PARTS[place + 1 :])
                these = part == earlier
                shared = shared_bars(start[these], end[these], start[later], end[later])
                yield Check(
                    f"{reads} of {earlier} apart from later parts, {name.replace('_', ' ')}",
                    not shared.any(),
                    f"{int(shared.sum()):,} of {int(these.sum()):,} samples read a bar that a "
                    "later part reads",
                )


def shared_bars(
    start: Int[np.ndarray, " N"],
    end: Int[np.ndarray, " N"],
    later_start: Int[np.ndarray, " M"],
    later_end: Int[np.ndarray, " M"],
) -> Bool[np.ndarray, " N"]:
    """True where a closed interval meets one of the later ones, by counting ends.

    An interval meets none of M others just if those that end before it starts and those that start
    after it ends are M together. This is not how `splits.purging` finds out.

    Args:
        start: first time of each interval, nanoseconds.
        end: last time of each.
        later_start: first time of each later interval.
        later_end: last time of each.
    """
    before = np.searchsorted(np.sort(later_end), start, side="left")
    after = len(later_start) - np.searchsorted(np.sort(later_start), end, side="right")
    return before + after < len(later_start)


def _hashes(inputs: Inputs) -> Check:
    wrong = [
        f"{stage}/{name}"
        for stage, files in inputs.hashes.items()
        for name, expected in files.items()
        if hash_file(inputs.folder(stage) / name) != expected
    ]
    count = sum(map(len, inputs.hashes.values()))
    detail = f"differs for {', '.join(wrong)}" if wrong else f"{count} files hold what was written"
    return Check("SHA-256 of every artifact", not wrong, detail)


def _labels(inputs: Inputs) -> Iterator[Check]:
    """Labels of samples are complete, within their asset, and of a declared class."""
    panel = Panel.load(inputs.folder("clean"))
    header = read_mapping(inputs.folder("final_labels") / "labels.json")
    labels = read_columns(inputs.folder("final_labels") / "labels.parquet")
    samples = read_columns(inputs.folder("splits") / "samples.parquet", ["row", "end_row"])
    row, end_row = samples["row"], samples["end_row"]
    incomplete = labels["end_row"][row] < 0
    yield Check(
        "labels of samples complete",
        not incomplete.any(),
        f"{int(incomplete.sum()):,} of {len(row):,} samples have an incomplete label",
    )
    last = panel.offsets[1:][panel.asset_of_row[row]] - 1
    outside = (end_row <= row) | (end_row > np.minimum(last, row + header["label_bars"]))
    yield Check(
        "labels end after their origin, in their asset, within the horizon",
        not outside.any(),
        f"{int(outside.sum()):,} of {len(row):,} do not",
    )
    if "label" in labels:
        strange = ~np.isin(labels["label"], [INCOMPLETE, *header["classes"]])
        missing = labels["label"][row] == INCOMPLETE
        yield Check(
            f"classes among {', '.join(map(str, header['classes']))}",
            not (strange.any() or missing.any()),
            f"{int(strange.sum() + missing.sum()):,} labels of another value",
        )


def _features(inputs: Inputs) -> Iterator[Check]:
    """Features are never infinite, and NaN in warm-up."""
    panel = Panel.load(inputs.folder("clean"))
    path = inputs.folder("features") / "features.parquet"
    past = declared(inputs.folder("features"))
    place = np.arange(panel.n_rows) - panel.offsets[:-1][panel.asset_of_row]
    infinite, guessed = [], []
    for columns, values in _blocks(path, [feature.name for feature in past]):
        for column, feature in zip(values.T, past[columns], strict=True):
            if np.isinf(column).any():
                infinite.append(feature.name)
            if np.isfinite(column[place < feature.lookback]).any():
                guessed.append(feature.name)
    yield Check("features never infinite", not infinite, _named(infinite, len(past)))
    yield Check("features NaN in warm-up", not guessed, _named(guessed, len(past)))


def _blocks(path: Path, names: Sequence[str]) -> Iterator[tuple[slice, Float[np.ndarray, "R F"]]]:
    """Columns of a table, a few at a time, with their places among the names."""
    for first in range(0, len(names), _COLUMNS):
        columns = slice(first, first + _COLUMNS)
        yield columns, read_matrix(path, names[columns])


def _named(wrong: list[str], total: int) -> str:
    shown = f": {', '.join(wrong[:5])}" if wrong else ""
    return f"{len(wrong)} of {total} features break it{shown}"
