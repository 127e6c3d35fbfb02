"""Temporal Fusion Transformer."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from regimecast.core.types import DataSpec
from regimecast.models.base import ModelRegistry
from regimecast.models.neural import NeuralModel
from regimecast.networks.tft import TFTNetwork

__all__ = ["TFT"]


@ModelRegistry.register("tft")
class TFT(NeuralModel):
    """Gated selection of variables, a recurrent encoder and decoder, and attention over time.

    Lim et al. (2021), Temporal Fusion Transformers for Interpretable Multi-horizon Time Series
    Forecasting, International Journal of Forecasting 37(4), https://arxiv.org/abs/1912.09363.

    Args:
        spec: shapes and channel names.
        loss: config of the loss.
        hidden_size: width of every part; a multiple of `heads`.
        heads: attention heads.
        layers: LSTM layers of the encoder and of the decoder.
        dropout: share of units dropped before each gate but the last.
        attention_dropout: share of attention weights dropped.

    Raises:
        SpecError: a parameter is out of range, or `hidden_size` is no multiple of `heads`.
    """

    def __init__(
        self,
        *,
        spec: DataSpec,
        loss: Mapping[str, Any],
        hidden_size: int,
        heads: int,
        layers: int,
        dropout: float,
        attention_dropout: float,
    ) -> None:
        super().__init__(spec=spec, loss=loss)
        self._require(heads >= 1, "heads", "whole numbers from 1")
        self._require(
            hidden_size >= 1 and hidden_size % heads == 0,
            "hidden_size",
            f"multiples of heads={heads}",
        )
        self._require(layers >= 1, "layers", "whole numbers from 1")
        self._require(0 <= dropout < 1, "dropout", "0 to below 1")
        self._require(0 <= attention_dropout < 1, "attention_dropout", "0 to below 1")
        self.hidden_size = hidden_size
        self.heads = heads
        self.layers = layers
        self.dropout = dropout
        self.attention_dropout = attention_dropout

    def build_network(self) -> nn.Module:
        """A fresh `TFTNetwork`."""
        return TFTNetwork(
            spec=self.spec,
            n_outputs=self.loss.n_outputs,
            hidden_size=self.hidden_size,
            heads=self.heads,
            layers=self.layers,
            dropout=self.dropout,
            attention_dropout=self.attention_dropout,
        )
