"""LSTM: the worked example of a recurrent model."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from regimecast.core.types import DataSpec
from regimecast.models.base import ModelRegistry
from regimecast.models.neural import NeuralModel
from regimecast.networks.lstm import LSTMNetwork

__all__ = ["LSTM"]


@ModelRegistry.register("lstm")
class LSTM(NeuralModel):
    """Long short-term memory with a horizon head (Hochreiter and Schmidhuber 1997).

    Args:
        spec: shapes and channel names.
        loss: config of the loss.
        hidden_size: width of the memory and of the head.
        layers: stacked LSTM layers.
        dropout: share of activations dropped between layers and in the head.
    """

    def __init__(
        self,
        *,
        spec: DataSpec,
        loss: Mapping[str, Any],
        hidden_size: int,
        layers: int,
        dropout: float,
    ) -> None:
        super().__init__(spec=spec, loss=loss)
        self.hidden_size = hidden_size
        self.layers = layers
        self.dropout = dropout

    def build_network(self) -> nn.Module:
        """A fresh `LSTMNetwork`."""
        return LSTMNetwork(
            spec=self.spec,
            n_outputs=self.loss.n_outputs,
            hidden_size=self.hidden_size,
            layers=self.layers,
            dropout=self.dropout,
        )
