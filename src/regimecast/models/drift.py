"""The random walk with a drift learnt in training."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from regimecast.core.types import DataSpec
from regimecast.models.base import ModelRegistry
from regimecast.models.baseline import PathBaseline
from regimecast.models.lagged import Labelled

__all__ = ["Drift"]


@ModelRegistry.register("drift")
class Drift(PathBaseline):
    """The last value plus the weighted mean change of each step over the training samples.

    See `PathBaseline` for the quantiles around it and for classes.
    """

    def __init__(self, *, spec: DataSpec, loss: Mapping[str, Any]) -> None:
        super().__init__(spec=spec, loss=loss, lags=[0])

    def _learn_path(self, train: Labelled) -> dict[str, Any]:
        weight = np.where(train.mask, train.weight, 0).astype(np.float64)
        return {"drift": np.average(train.target - self._history(train.x), axis=0, weights=weight)}

    def _path(self, x: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N H"]:
        return self._history(x) + self.learnt["drift"]
