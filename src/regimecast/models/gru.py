"""GRU: a recurrent encoder and an MLP per step."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from regimecast.core.types import DataSpec
from regimecast.models.base import ModelRegistry
from regimecast.models.neuralforecast import NeuralForecastModel, using

__all__ = ["GRU"]


@ModelRegistry.register("gru")
class GRU(NeuralForecastModel):
    """Gated recurrent units over the context; the newest state and a step's covariates give a step.

    Cho et al. (2014), Learning Phrase Representations using RNN Encoder-Decoder, EMNLP,
    https://arxiv.org/abs/1406.1078.

    Args:
        spec: see `BaseTimeSeriesModel`.
        loss: see `BaseTimeSeriesModel`.
        encoder_n_layers: recurrent layers.
        encoder_hidden_size: width of the recurrent layers.
        encoder_dropout: dropout between recurrent layers; 0 where there is one layer.
        decoder_hidden_size: width of the MLP.
        decoder_layers: layers of the MLP.
    """

    architecture = "GRU"
    capabilities = using(past=True, known=True, static=True)

    def __init__(
        self,
        *,
        spec: DataSpec,
        loss: Mapping[str, Any],
        encoder_n_layers: int,
        encoder_hidden_size: int,
        encoder_dropout: float,
        decoder_hidden_size: int,
        decoder_layers: int,
    ) -> None:
        super().__init__(spec=spec, loss=loss)

    def arguments(self) -> dict[str, Any]:
        """The hyper-parameters as given."""
        params = self._params
        self.require(
            params["encoder_n_layers"] > 1 or params["encoder_dropout"] == 0,
            "encoder_dropout",
            "0.0 with encoder_n_layers=1",
        )
        return dict(params)

    def adjust(self, network: Any) -> None:
        """Lets every step start from the newest state.

        The library decodes step h of H from the state of bar L - H + h, so that all steps but the
        last would forecast without having seen the newest bars.
        """
        network.hist_encoder = _NewestState(network.hist_encoder, self.spec.horizon)
        if self.spec.horizon > self.spec.context_length:
            # The library would stretch the states of the context over the horizon.
            network.upsample_sequence = nn.Identity()


class _NewestState(nn.Module):
    """State of each step ahead: the encoder's newest plus a learnt offset of the step."""

    def __init__(self, encoder: nn.GRU, horizon: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.step = nn.Parameter(torch.empty(horizon, encoder.hidden_size))
        nn.init.normal_(self.step, std=encoder.hidden_size**-0.5)

    def forward(
        self, channels: Float[Tensor, "B L F"], state: Tensor | None
    ) -> tuple[Float[Tensor, "B H D"], Float[Tensor, "layers B D"]]:
        states, newest = self.encoder(channels, state)
        return states[:, -1:] + self.step, newest
