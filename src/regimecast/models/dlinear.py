"""DLinear: one linear map for the trend and one for the rest."""

from collections.abc import Mapping
from typing import Any

from regimecast.core.types import DataSpec
from regimecast.models.base import ModelRegistry
from regimecast.models.neuralforecast import NeuralForecastModel, using

__all__ = ["DLinear"]


@ModelRegistry.register("dlinear")
class DLinear(NeuralForecastModel):
    """Linear maps of the history's moving average and of what remains; reads the history only.

    Zeng et al. (2023), Are Transformers Effective for Time Series Forecasting?, AAAI,
    https://arxiv.org/abs/2205.13504.

    Args:
        spec: see `BaseTimeSeriesModel`.
        loss: see `BaseTimeSeriesModel`.
        moving_avg_window: bars of the moving average; odd.
    """

    architecture = "DLinear"
    capabilities = using()

    def __init__(self, *, spec: DataSpec, loss: Mapping[str, Any], moving_avg_window: int) -> None:
        super().__init__(spec=spec, loss=loss)

    def arguments(self) -> dict[str, Any]:
        """The hyper-parameters as given."""
        self.require(self._params["moving_avg_window"] % 2 == 1, "moving_avg_window", "odd numbers")
        return dict(self._params)
