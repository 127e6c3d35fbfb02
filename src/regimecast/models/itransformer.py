"""iTransformer: attention across channels."""

from collections.abc import Mapping
from typing import Any

from regimecast.core.types import DataSpec
from regimecast.models.base import ModelRegistry
from regimecast.models.neuralforecast import NeuralForecastModel, using

__all__ = ["ITransformer"]


@ModelRegistry.register("itransformer")
class ITransformer(NeuralForecastModel):
    """A Transformer encoder whose tokens are whole channels: the history and every covariate.

    The target's forecast is read from the token of its history. Liu et al. (2024), iTransformer:
    Inverted Transformers Are Effective for Time Series Forecasting, ICLR,
    https://arxiv.org/abs/2310.06625.

    Args:
        spec: see `BaseTimeSeriesModel`.
        loss: see `BaseTimeSeriesModel`.
        hidden_size: width.
        n_heads: attention heads, each hidden_size // n_heads wide.
        e_layers: Transformer layers.
        d_ff: width of the feed-forward layers.
        dropout: dropout of every layer.
        use_norm: standardise each channel within its window and undo it on the output.
    """

    architecture = "iTransformer"
    capabilities = using(past=True, known=True)
    channels_as_series = True

    def __init__(
        self,
        *,
        spec: DataSpec,
        loss: Mapping[str, Any],
        hidden_size: int,
        n_heads: int,
        e_layers: int,
        d_ff: int,
        dropout: float,
        use_norm: bool,
    ) -> None:
        super().__init__(spec=spec, loss=loss)
