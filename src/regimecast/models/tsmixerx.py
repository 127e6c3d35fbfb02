"""TSMixerx: MLPs that mix time and channels in turn."""

from collections.abc import Mapping
from typing import Any

from regimecast.core.types import DataSpec
from regimecast.models.base import ModelRegistry
from regimecast.models.neuralforecast import NeuralForecastModel, using

__all__ = ["TSMixerx"]


@ModelRegistry.register("tsmixerx")
class TSMixerx(NeuralForecastModel):
    """MLPs along time and along channels in turn, with past and known covariates.

    Chen et al. (2023), TSMixer: An All-MLP Architecture for Time Series Forecasting, TMLR,
    https://arxiv.org/abs/2303.06053.

    Args:
        spec: see `BaseTimeSeriesModel`.
        loss: see `BaseTimeSeriesModel`.
        n_block: mixing layers.
        ff_dim: width of the channel mixing.
        dropout: dropout of every layer.
        revin: standardise the history within its window and undo it on the output.
    """

    architecture = "TSMixerx"
    capabilities = using(past=True, known=True)

    def __init__(
        self,
        *,
        spec: DataSpec,
        loss: Mapping[str, Any],
        n_block: int,
        ff_dim: int,
        dropout: float,
        revin: bool,
    ) -> None:
        super().__init__(spec=spec, loss=loss)
