"""TiDE: a dense encoder and decoder."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from regimecast.core.types import DataSpec
from regimecast.models.base import ModelRegistry
from regimecast.models.neuralforecast import NeuralForecastModel, using

__all__ = ["TiDE"]


@ModelRegistry.register("tide")
class TiDE(NeuralForecastModel):
    """Residual MLPs over the whole window and its covariates, with a linear path beside them.

    Das et al. (2023), Long-term Forecasting with TiDE: Time-series Dense Encoder, TMLR,
    https://arxiv.org/abs/2304.08424.

    Args:
        spec: see `BaseTimeSeriesModel`.
        loss: see `BaseTimeSeriesModel`.
        hidden_size: width of encoder and decoder.
        num_encoder_layers: residual blocks of the encoder.
        num_decoder_layers: residual blocks of the decoder.
        decoder_output_dim: numbers per step between decoder and temporal decoder.
        temporal_decoder_dim: width of the temporal decoder.
        temporal_width: numbers that the covariates of a bar are reduced to.
        dropout: dropout of the residual blocks.
        layernorm: layer norm at the end of the residual blocks, the last one aside.
    """

    architecture = "TiDE"
    capabilities = using(past=True, known=True, static=True)

    def __init__(
        self,
        *,
        spec: DataSpec,
        loss: Mapping[str, Any],
        hidden_size: int,
        num_encoder_layers: int,
        num_decoder_layers: int,
        decoder_output_dim: int,
        temporal_decoder_dim: int,
        temporal_width: int,
        dropout: float,
        layernorm: bool,
    ) -> None:
        super().__init__(spec=spec, loss=loss)

    def adjust(self, network: Any) -> None:
        """Takes the norm off the output and removes a layer that would have no input.

        A layer norm over P outputs fixes their mean and variance: with P = 1 the output would be a
        constant, and nothing but the linear path would learn.
        """
        if self._params["layernorm"]:
            network.temporal_decoder.norm = nn.Identity()
        if len(self.spec.past) == 1 and self.spec.known:
            del network.hist_exog_projection
