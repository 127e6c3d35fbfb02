"""PatchTST: a Transformer over patches of the target's history, with covariates where wanted."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import nn

from regimecast.core.types import DataSpec, ForecastKind
from regimecast.models.base import ModelRegistry
from regimecast.models.neural import NeuralModel
from regimecast.networks.patchtst import PatchTSTNetwork

__all__ = ["PatchTST"]


@ModelRegistry.register("patchtst")
class PatchTST(NeuralModel):
    """A Transformer encoder of patches, one channel at a time; covariates are an option.

    Without them it reads the target's own history and nothing else, as in the paper. With them all
    channels go through the same encoder and a mixing head adds what they say; a step then costs
    about as many times more as there are channels.

    Nie et al. (2023), A Time Series is Worth 64 Words, ICLR, https://arxiv.org/abs/2211.14730.

    Args:
        spec: shapes and channel names.
        loss: config of the loss.
        patch_length: bars per patch; at most context length + stride.
        stride: bars from one patch to the next; the context is filled up by as many at its end.
        width: size of a token, a multiple of `heads`.
        heads: attention heads.
        layers: encoder layers.
        feedforward: width inside the feed-forward part of a layer.
        dropout: share of activations dropped in the encoder.
        head_dropout: share of the encoded values dropped before the linear map to the forecast.
        norm: batch | layer; normalise a token by its batch, as the paper does, or by itself.
        residual_attention: add the attention scores of the layers below to those of a layer.
        revin: none | last | mean; divide each window's history by its deviation after taking off
            its newest value or its mean, and put both back on the forecast. Outputs that are no
            values of the target (classes, positions) are left as they are.
        covariates: use all channels, not the target's history alone.

    Raises:
        SpecError: a parameter is out of range, or does not fit the context length, another one or
            the loss.
    """

    def __init__(
        self,
        *,
        spec: DataSpec,
        loss: Mapping[str, Any],
        patch_length: int,
        stride: int,
        width: int,
        heads: int,
        layers: int,
        feedforward: int,
        dropout: float,
        head_dropout: float,
        norm: str,
        residual_attention: bool,
        revin: str,
        covariates: bool,
    ) -> None:
        if not covariates:
            self.capabilities = replace(self.capabilities, past=False, known=False, static=False)
        super().__init__(spec=spec, loss=loss)
        self._require(stride >= 1, "stride", "whole numbers from 1")
        longest = spec.context_length + stride
        self._require(
            1 <= patch_length <= longest, "patch_length", f"1 to {longest}, context length + stride"
        )
        self._require(heads >= 1, "heads", "whole numbers from 1")
        self._require(width >= 1 and width % heads == 0, "width", f"multiples of heads={heads}")
        self._require(layers >= 1, "layers", "whole numbers from 1")
        self._require(feedforward >= 1, "feedforward", "whole numbers from 1")
        self._require(0 <= dropout < 1, "dropout", "0 to below 1")
        self._require(0 <= head_dropout < 1, "head_dropout", "0 to below 1")
        self._require(norm in ("batch", "layer"), "norm", "batch, layer")
        self._require(revin in ("none", "last", "mean"), "revin", "none, last, mean")
        density = self.loss.kind is ForecastKind.QUANTILES and not self.loss.in_target_units
        self._require(
            revin == "none" or not density,
            "revin",
            f"none with loss={self.loss.name}, whose outputs cannot be shifted and scaled back",
        )

    def build_network(self) -> nn.Module:
        """A fresh `PatchTSTNetwork`."""
        return PatchTSTNetwork(
            spec=self.spec,
            n_outputs=self.loss.n_outputs,
            restore=self.loss.in_target_units,
            **self._params,
        )
