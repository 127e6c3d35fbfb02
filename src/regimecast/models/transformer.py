"""Transformer: the worked example of an attention model."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from regimecast.core.errors import ConfigError
from regimecast.core.types import DataSpec
from regimecast.models.base import ModelRegistry
from regimecast.models.neural import NeuralModel
from regimecast.networks.transformer import TransformerNetwork

__all__ = ["Transformer"]


@ModelRegistry.register("transformer")
class Transformer(NeuralModel):
    """Pre-norm Transformer encoder over patches of the past and one token per step ahead.

    Vaswani et al. 2017, "Attention is all you need"; pre-norm after Xiong et al. 2020; patches
    after Nie et al. 2023 (PatchTST), here across channels.

    Args:
        spec: shapes and channel names.
        loss: config of the loss.
        patch_length: bars per token; 1 gives one token per bar.
        width: size of a token, a multiple of `heads`.
        heads: attention heads.
        layers: encoder blocks.
        dropout: share of activations dropped in attention and in the blocks.
    """

    def __init__(
        self,
        *,
        spec: DataSpec,
        loss: Mapping[str, Any],
        patch_length: int,
        width: int,
        heads: int,
        layers: int,
        dropout: float,
    ) -> None:
        super().__init__(spec=spec, loss=loss)
        self.patch_length = patch_length
        self.width = width
        self.heads = heads
        self.layers = layers
        self.dropout = dropout
        if width % heads:
            raise ConfigError(f"model.width={width} must be a multiple of model.heads={heads}")

    def build_network(self) -> nn.Module:
        """A fresh `TransformerNetwork`."""
        return TransformerNetwork(
            spec=self.spec,
            n_outputs=self.loss.n_outputs,
            patch_length=self.patch_length,
            width=self.width,
            heads=self.heads,
            layers=self.layers,
            dropout=self.dropout,
        )
