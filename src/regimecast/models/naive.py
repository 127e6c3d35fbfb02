"""The last value: what every forecast of a price has to beat."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from regimecast.core.types import DataSpec
from regimecast.models.base import ModelRegistry
from regimecast.models.baseline import PathBaseline

__all__ = ["Naive"]


@ModelRegistry.register("naive")
class Naive(PathBaseline):
    """The target stays at its last value: a return of 0, the random walk of prices.

    See `PathBaseline` for the quantiles around it and for classes.
    """

    def __init__(self, *, spec: DataSpec, loss: Mapping[str, Any]) -> None:
        super().__init__(spec=spec, loss=loss, lags=[0])

    def _path(self, x: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N H"]:
        return np.repeat(self._history(x), self.spec.horizon, axis=1)
