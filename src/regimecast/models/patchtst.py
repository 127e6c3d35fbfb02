"""PatchTST: a Transformer over patches of the target's history."""

from collections.abc import Mapping
from typing import Any

from regimecast.core.types import DataSpec
from regimecast.models.base import ModelRegistry
from regimecast.models.neuralforecast import NeuralForecastModel, using

__all__ = ["PatchTST"]


@ModelRegistry.register("patchtst")
class PatchTST(NeuralForecastModel):
    """A Transformer encoder whose tokens are overlapping patches of the history.

    It reads the target's own history and nothing else. Nie et al. (2023), A Time Series is Worth 64
    Words, ICLR, https://arxiv.org/abs/2211.14730.

    Args:
        spec: see `BaseTimeSeriesModel`.
        loss: see `BaseTimeSeriesModel`.
        patch_len: bars per patch; at most context length + stride.
        stride: bars between patches; the context is padded by one stride at its end.
        hidden_size: width; a multiple of `n_heads`.
        n_heads: attention heads.
        encoder_layers: Transformer layers.
        linear_hidden_size: width of the feed-forward layers.
        dropout: dropout of the encoder.
        head_dropout: dropout of the output layer.
        revin: scale each window by its own deviation and undo it on the output.
    """

    architecture = "PatchTST"
    capabilities = using()

    def __init__(
        self,
        *,
        spec: DataSpec,
        loss: Mapping[str, Any],
        patch_len: int,
        stride: int,
        hidden_size: int,
        n_heads: int,
        encoder_layers: int,
        linear_hidden_size: int,
        dropout: float,
        head_dropout: float,
        revin: bool,
    ) -> None:
        super().__init__(spec=spec, loss=loss)

    def arguments(self) -> dict[str, Any]:
        """The hyper-parameters as given."""
        params = self._params
        longest = self.spec.context_length + params["stride"]
        self.require(
            params["patch_len"] <= longest, "patch_len", f"up to {longest}, context length + stride"
        )
        self.require(
            params["hidden_size"] % params["n_heads"] == 0, "hidden_size", "multiples of n_heads"
        )
        return dict(params)
