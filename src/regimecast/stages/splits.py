"""Splits: which samples train, validate and test."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from regimecast.core.errors import ConfigError, LeakageError
from regimecast.core.files import write_json
from regimecast.core.parts import component
from regimecast.core.types import Samples
from regimecast.data.panel import Panel
from regimecast.labels.base import TargetRegistry
from regimecast.splits.base import Fold, SplitRegistry, Splitter
from regimecast.splits.preflight import preflight
from regimecast.stages.base import Inputs, Stage, StageRegistry
from regimecast.stages.files import categories, write_table
from regimecast.stages.market import stored_market

__all__ = ["PARTS", "Splits", "context_length"]

PARTS = ("train", "validation", "test")
"""In the order in which one may look at them."""


@StageRegistry.register("splits")
class Splits(Stage):
    """Samples of the final labels, and the part of each in every fold, purged as in a run."""

    needs: ClassVar[tuple[str, ...]] = ("clean", "features", "final_labels")
    reads: ClassVar[tuple[str, ...]] = ("split", "target", "window.context_length")

    def __init__(self, *, config: Mapping[str, Any]) -> None:
        super().__init__(config=config)
        self._context = context_length(config)
        self._splitter: Splitter = component(SplitRegistry, "split", config)
        # Known before any data are read: the purge has to be as long as the label.
        target = component(TargetRegistry, "target", config)
        self._splitter.check(label_bars=target.label_bars)

    @property
    def components(self) -> Sequence[type]:
        """The splitter."""
        return (type(self._splitter),)

    def run(self, inputs: Inputs, folder: Path) -> str:
        """``samples.parquet`` with a column per fold, and ``splits.json``.

        Raises:
            LeakageError: the labels read further ahead than the purge reaches, or their barriers
                were fitted on bars that a fold validates or tests on.
            DataError: a part would be empty.
        """
        panel = Panel.load(inputs.folder("clean"))
        market = stored_market(
            panel,
            features=inputs.folder("features"),
            labels=inputs.folder("final_labels"),
            context_length=self._context,
        )
        samples, target = market.samples(complete=True), market.target_rule
        self._splitter.check(label_bars=target.label_bars)
        folds = self._splitter.split(samples)
        _check_fitted(samples, folds, target.fitted_until)
        columns: dict[str, Any] = {
            "row": samples.row,
            "asset": categories(samples.asset, panel.assets),
            "origin": samples.origin,
            "start": samples.start,
            "end": samples.end,
            "end_row": samples.end_row,
        }
        for number, fold in enumerate(folds):
            part = np.full(len(samples), -1)
            for code, name in enumerate(PARTS):
                part[getattr(fold, name)] = code
            columns[f"fold_{number}"] = categories(part, PARTS)
        write_table(folder / "samples.parquet", columns)
        rows = [
            {key: v if isinstance(v, int | str) else str(v) for key, v in asdict(row).items()}
            for row in preflight(folds, samples)
        ]
        intervals = [fold.train_interval.to_json() for fold in folds]
        write_json(folder / "splits.json", {"parts": rows, "train_intervals": intervals})
        purged = sum(fold.purged for fold in folds)
        return (
            f"{len(samples):,} samples in {len(folds)} fold{'s' if len(folds) > 1 else ''}, "
            f"{purged:,} purged"
        )


def context_length(config: Mapping[str, Any]) -> int:
    """``window.context_length`` of a config.

    Raises:
        ConfigError: it is no whole number of at least 1.
    """
    length = config["window"]["context_length"]
    if not isinstance(length, int) or isinstance(length, bool) or length < 1:
        raise ConfigError(f"window.context_length={length!r} must be a whole number of at least 1")
    return length


def _check_fitted(samples: Samples, folds: Sequence[Fold], until: np.datetime64 | None) -> None:
    """Settings of a target are fitted too: what judges them has to come later."""
    for number, fold in enumerate(folds):
        for name in PARTS[1:]:
            first = samples.origin[getattr(fold, name)].min()
            if until is not None and first < until:
                raise LeakageError(
                    f"barriers were fitted on bars up to {until}, and the {name} part of fold "
                    f"{number} begins at {first}. Fit them again with this split, or let that "
                    "part begin later"
                )
