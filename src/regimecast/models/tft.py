"""Temporal Fusion Transformer."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from regimecast.core.types import DataSpec
from regimecast.models.base import ModelRegistry
from regimecast.models.neuralforecast import NeuralForecastModel, using

__all__ = ["TFT"]


@ModelRegistry.register("tft")
class TFT(NeuralForecastModel):
    """Gated selection of variables, a recurrent encoder and decoder, and attention over time.

    Lim et al. (2021), Temporal Fusion Transformers for Interpretable Multi-horizon Time Series
    Forecasting, International Journal of Forecasting 37(4), https://arxiv.org/abs/1912.09363.

    Args:
        spec: see `BaseTimeSeriesModel`.
        loss: see `BaseTimeSeriesModel`.
        hidden_size: width; a multiple of `n_head`.
        n_head: attention heads.
        rnn_type: ``lstm`` or ``gru``.
        n_rnn_layers: layers of the encoder and of the decoder.
        dropout: dropout of the gated layers.
        attn_dropout: dropout of the attention weights.
    """

    architecture = "TFT"
    capabilities = using(past=True, known=True, static=True)

    def __init__(
        self,
        *,
        spec: DataSpec,
        loss: Mapping[str, Any],
        hidden_size: int,
        n_head: int,
        rnn_type: str,
        n_rnn_layers: int,
        dropout: float,
        attn_dropout: float,
    ) -> None:
        super().__init__(spec=spec, loss=loss)

    def arguments(self) -> dict[str, Any]:
        """The hyper-parameters as given."""
        params = self._params
        self.require(
            params["hidden_size"] % params["n_head"] == 0, "hidden_size", "multiples of n_head"
        )
        self.require(params["rnn_type"] in ("lstm", "gru"), "rnn_type", "lstm, gru")
        return dict(params)

    def adjust(self, network: nn.Module) -> None:
        """Drops the attention maps that the library keeps of every step, and with them its graph."""
        network.register_forward_hook(_forget_weights)


def _forget_weights(network: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
    network.interpretability_params.clear()  # type: ignore[operator]  # a dict on an untyped class
