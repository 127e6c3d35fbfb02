"""Models on flat rows that learn every step by itself: boosters and most of scikit-learn."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from regimecast.core.errors import SpecError
from regimecast.core.files import atomic_path, read_json, write_json
from regimecast.core.types import ForecastKind
from regimecast.models.lagged import Labelled
from regimecast.models.rounds import Rounds
from regimecast.models.tabular import Rows, TabularModel, rows_of_step
from regimecast.training.progress import Reports
from regimecast.training.report import FitReport

__all__ = ["Curve", "Part", "StepwiseModel"]

_STATE = "parts.json"


@dataclass(frozen=True)
class Curve:
    """Objective of one part after each round; `validation` is empty without such rows."""

    train: list[float]
    validation: list[float]


@dataclass(frozen=True)
class Part:
    """One thing that learnt: a booster, an estimator."""

    model: Any
    rounds: int = 0
    """Rounds kept; 0 for what does not learn in rounds."""
    curve: Curve = field(default_factory=lambda: Curve([], []))


class StepwiseModel(TabularModel):
    """A model whose steps share nothing but their rows.

    A subclass fits the parts of one step, forecasts with them, and writes and reads one part in its
    library's own format. Classes that do not occur in training get probability 0 and reach no
    library; where only one class occurs nothing is fitted.
    """

    extension: ClassVar[str]
    """Of a part's file, without the dot."""

    _parts: list[dict[str, Part]] | None = None
    """Parts of each step by name."""
    _seen: list[list[int]]
    """Index of the classes that occur in training, per step; empty for a forecast."""

    @property
    def _most_rounds(self) -> int:
        """Most rounds of a part; 1 for what does not learn in rounds."""
        return 1

    @property
    def _parts_of_step(self) -> int:
        """Parts that a step is made of."""
        return 1

    @abstractmethod
    def _fit_step(
        self, train: Rows, validation: Rows | None, seed: int, shared: Any, rounds: Rounds
    ) -> dict[str, Part]:
        """Parts of one step, by names that can stand in a file name.

        Class targets are 0..K-1 with every one of the K classes in `train`, K of at least 2.

        Args:
            train: rows to learn from.
            validation: rows to stop on.
            seed: of what is drawn.
            shared: what `_share` made of the rows of all steps.
            rounds: hears the validation objective of each round, and where a part ends.
        """

    def _share(self, train: Labelled, validation: Labelled) -> Any:
        """What all steps have in common, made once for a fold; every row counts at some step.

        `Rows.table` is `train` or `validation`, the same objects, so that `Rows.used` says which of
        their rows are those of a step.
        """

    @abstractmethod
    def _predict_step(
        self, parts: dict[str, Part], x: Float[np.ndarray, "N D"]
    ) -> Float[np.ndarray, "N K"]:
        """Quantiles at `loss.levels`, in any order, or probabilities of the K classes."""

    @abstractmethod
    def _write_part(self, part: Part, path: Path) -> None:
        """Writes a part in a format that runs no code when read."""

    @abstractmethod
    def _read_part(self, path: Path) -> Any:
        """The `Part.model` that `_write_part` wrote."""

    def _learn(
        self, train: Labelled, validation: Labelled, seed: int, reports: Reports | None
    ) -> FitReport:
        self._parts, self._seen = [], []
        parts = self.spec.horizon * self._parts_of_step
        rounds = Rounds(reports, parts=parts, rounds=self._most_rounds)
        train, validation = (
            part.take(np.flatnonzero(part.counts.any(axis=1))) for part in (train, validation)
        )
        shared = self._share(train, validation)
        for step in range(self.spec.horizon):
            rows, held_out = rows_of_step(train, step), rows_of_step(validation, step)
            seen: list[int] = []
            if self.loss.kind is ForecastKind.PROBABILITIES:
                seen = [int(index) for index in np.unique(rows.y)]
                rows, held_out = _renumbered(rows, seen), _renumbered(held_out, seen)
            self._seen.append(seen)
            self._parts.append(
                {}
                if len(seen) == 1
                else self._fit_step(rows, held_out if len(held_out) else None, seed, shared, rounds)
            )
        return _report([part for parts in self._parts for part in parts.values()])

    def _decode(self, x: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N H Q"]:
        if self._parts is None:
            raise SpecError(f"model {self.name!r} is not trained: call fit or load first")
        decoded = np.zeros((len(x), self.spec.horizon, len(self.loss.levels)))
        for step, (parts, seen) in enumerate(zip(self._parts, self._seen, strict=True)):
            if not seen:
                decoded[:, step] = np.sort(self._predict_step(parts, x), axis=1)
            elif parts:
                decoded[:, step, seen] = self._predict_step(parts, x)
            else:
                decoded[:, step, seen] = 1.0
        return decoded

    def _save_state(self, folder: Path) -> None:
        if self._parts is None:
            raise SpecError(f"model {self.name!r} is not trained: call fit or load first")
        for step, parts in enumerate(self._parts, 1):
            for name, part in parts.items():
                with atomic_path(self._path(folder, step, name)) as path:
                    self._write_part(part, path)
        rounds = [{name: part.rounds for name, part in parts.items()} for parts in self._parts]
        write_json(folder / _STATE, {"rounds": rounds, "seen": self._seen})

    def _load_state(self, folder: Path) -> None:
        try:
            state = read_json(folder / _STATE)
            self._seen = state["seen"]
            self._parts = [
                {
                    name: Part(self._read_part(self._path(folder, step, name)), rounds)
                    for name, rounds in parts.items()
                }
                for step, parts in enumerate(state["rounds"], 1)
            ]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SpecError(f"{folder} does not hold parts of {self.name!r}: {error}") from error

    def _path(self, folder: Path, step: int, name: str) -> Path:
        return folder / f"step{step}-{name}.{self.extension}"


def _renumbered(rows: Rows, seen: Sequence[int]) -> Rows:
    """Rows of these classes, which become 0..K-1 in their order."""
    kept = np.isin(rows.y, seen)
    used = rows.used.copy()
    used[rows.used] = kept
    y = np.searchsorted(seen, rows.y[kept]).astype(np.float32)
    return Rows(rows.table, used, y, rows.weight[kept])


def _report(parts: Sequence[Part]) -> FitReport:
    """Means over the parts of their curves; one that stopped early counts with its last round."""
    curves = [part.curve for part in parts if part.curve.train]
    if not curves:
        return FitReport(seconds=0.0)
    epochs = max(len(curve.train) for curve in curves)
    columns = {"train/loss": [curve.train for curve in curves]}
    if all(curve.validation for curve in curves):
        columns["val/loss"] = [curve.validation for curve in curves]
    means = {
        name: np.mean([np.pad(c, (0, epochs - len(c)), mode="edge") for c in column], axis=0)
        for name, column in columns.items()
    }
    rows = [
        {"epoch": float(epoch), **{name: float(mean[epoch]) for name, mean in means.items()}}
        for epoch in range(epochs)
    ]
    best = [p.curve.validation[p.rounds - 1] for p in parts if p.curve.validation and p.rounds]
    return FitReport(
        seconds=0.0,
        epochs=epochs,
        best_epoch=round(float(np.mean([p.rounds for p in parts if p.rounds]))) - 1,
        best_score=float(np.mean(best)) if best else None,
        history=rows,
    )
