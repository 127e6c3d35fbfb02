"""BiTCN: convolutions over the past and, the other way, over known covariates."""

from collections.abc import Mapping
from typing import Any

from regimecast.core.types import DataSpec
from regimecast.models.base import ModelRegistry
from regimecast.models.neuralforecast import NeuralForecastModel, using

__all__ = ["BiTCN"]


@ModelRegistry.register("bitcn")
class BiTCN(NeuralForecastModel):
    """Two stacks of dilated convolutions: back over past bars, forth over known covariates.

    Sprangers, Schelter and de Rijke (2023), Parameter-efficient deep probabilistic forecasting,
    International Journal of Forecasting 39(1), https://doi.org/10.1016/j.ijforecast.2021.11.011.

    Args:
        spec: see `BaseTimeSeriesModel`.
        loss: see `BaseTimeSeriesModel`.
        hidden_size: channels of the convolutions.
        dropout: dropout of every layer.
    """

    architecture = "BiTCN"
    capabilities = using(past=True, known=True, static=True)

    def __init__(
        self, *, spec: DataSpec, loss: Mapping[str, Any], hidden_size: int, dropout: float
    ) -> None:
        super().__init__(spec=spec, loss=loss)
