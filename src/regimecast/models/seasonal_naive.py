"""The last season again."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from regimecast.core.errors import ConfigError
from regimecast.core.types import DataSpec, Task
from regimecast.models.base import ModelRegistry
from regimecast.models.baseline import PathBaseline

__all__ = ["SeasonalNaive"]


@ModelRegistry.register("seasonal_naive")
class SeasonalNaive(PathBaseline):
    """The changes of the last `season` bars, repeated over the horizon from the last value on.

    With y the target's own series up to the origin and s the season, the change at step h is
    ``y[h - s] - y[-s]``, and each further season adds ``y[0] - y[-s]``. See `PathBaseline` for the
    quantiles around it.

    Args:
        spec: see `BaseTimeSeriesModel`; forecasts only.
        loss: see `BaseTimeSeriesModel`.
        season: bars, at least 1 and fewer than the context window.

    Raises:
        ConfigError: the season is outside the context window.
    """

    capabilities = replace(PathBaseline.capabilities, tasks=frozenset({Task.FORECAST}))

    def __init__(self, *, spec: DataSpec, loss: Mapping[str, Any], season: int) -> None:
        if not 1 <= season < spec.context_length:
            raise ConfigError(
                f"model.season={season} must be 1 to {spec.context_length - 1}, "
                "inside the context window"
            )
        super().__init__(spec=spec, loss=loss, lags=range(season, -1, -1))

    def _path(self, x: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N H"]:
        history = self._history(x)
        season = history.shape[1] - 1
        whole, rest = np.divmod(np.arange(1, self.spec.horizon + 1), season)
        change = history - history[:, :1]
        return history[:, -1:] + whole * change[:, -1:] + change[:, rest]
