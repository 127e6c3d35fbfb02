"""What naive forecasts share: a path without parameters and a band as wide as it has been wrong."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy.special import ndtri

from regimecast.core.errors import SpecError
from regimecast.core.files import atomic_path
from regimecast.core.types import DataSpec, ForecastKind, Task
from regimecast.models.base import Capabilities
from regimecast.models.lagged import Labelled
from regimecast.models.tabular import TabularModel, rows_of_step
from regimecast.training.progress import Reports
from regimecast.training.report import FitReport

__all__ = ["Baseline", "PathBaseline", "class_shares"]

_STATE = "baseline.safetensors"


def class_shares(train: Labelled, classes: int) -> Float[np.ndarray, " C"]:
    """Share of weight of each class in training."""
    rows = rows_of_step(train, 0)
    shares = np.bincount(rows.y.astype(np.int64), weights=rows.weight, minlength=classes)
    return shares / shares.sum()


class Baseline(TabularModel):
    """A forecast from the target's own history and a few numbers per step.

    Any loss will do that names quantile levels or classes; its own formula is not used.
    """

    capabilities: Capabilities = Capabilities(
        tasks=frozenset(Task),
        kinds=frozenset({ForecastKind.QUANTILES, ForecastKind.PROBABILITIES}),
        sample_weight=True,
    )

    _learnt: dict[str, Any] | None = None

    def __init__(self, *, spec: DataSpec, loss: Mapping[str, Any], lags: Sequence[int]) -> None:
        super().__init__(spec=spec, loss=loss, lags=lags)

    @property
    def learnt(self) -> dict[str, Any]:
        """Labelled that were learnt, by name.

        Raises:
            SpecError: neither `fit` nor `load` was called.
        """
        if self._learnt is None:
            raise SpecError(f"model {self.name!r} is not trained: call fit or load first")
        return self._learnt

    def _history(self, x: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N K"]:
        """The target's own series at each lag: the first channel of each lag's columns."""
        return x[:, : len(self.lags) * len(self.spec.past) : len(self.spec.past)].astype(np.float64)

    def _save_state(self, folder: Path) -> None:
        with atomic_path(folder / _STATE) as path:
            save_file({k: np.ascontiguousarray(v) for k, v in self.learnt.items()}, path)

    def _load_state(self, folder: Path) -> None:
        try:
            self._learnt = load_file(folder / _STATE)
        except (OSError, SafetensorError) as error:
            raise SpecError(f"{folder} does not hold a {self.name!r} model: {error}") from error


class PathBaseline(Baseline):
    """A path, and Gaussian quantiles around it.

    Their standard deviation per step is the weighted root mean square of the path's errors in
    training, in units of the scale: for a random walk it is about the square root of the step.
    Classes are forecast by their share in training.
    """

    @abstractmethod
    def _path(self, x: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N H"]:
        """Median forecast of every step, in units of the scale."""

    def _learn_path(self, train: Labelled) -> dict[str, Any]:
        """What the path itself has to learn; by default nothing."""
        return {}

    def _learn(
        self, train: Labelled, validation: Labelled, seed: int, reports: Reports | None
    ) -> FitReport:
        if self.loss.kind is ForecastKind.PROBABILITIES:
            self._learnt = {"shares": class_shares(train, len(self.loss.levels))}
            return FitReport(seconds=0.0)
        self._learnt = self._learn_path(train)
        weight = np.where(train.mask, train.weight, 0).astype(np.float64)
        error = train.target - self._path(train.x)
        self._learnt["deviation"] = np.sqrt(np.average(error**2, axis=0, weights=weight))
        return FitReport(seconds=0.0, parameters=sum(v.size for v in self._learnt.values()))

    def _decode(self, x: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N H Q"]:
        if self.loss.kind is ForecastKind.PROBABILITIES:
            return np.tile(self.learnt["shares"], (len(x), 1, 1))
        band = self.learnt["deviation"][:, None] * ndtri(np.array(self.loss.levels))
        return self._path(x)[:, :, None] + band
