"""Autoformer: decomposition and auto-correlation."""

from collections.abc import Mapping
from typing import Any

from regimecast.core.types import DataSpec
from regimecast.models.base import ModelRegistry
from regimecast.models.neuralforecast import NeuralForecastModel, using

__all__ = ["Autoformer"]


@ModelRegistry.register("autoformer")
class Autoformer(NeuralForecastModel):
    """A Transformer that splits off the trend at every layer and attends to lagged copies of itself.

    Wu et al. (2021), Autoformer: Decomposition Transformers with Auto-Correlation for Long-Term
    Series Forecasting, NeurIPS, https://arxiv.org/abs/2106.13008.

    Args:
        spec: see `BaseTimeSeriesModel`.
        loss: see `BaseTimeSeriesModel`.
        hidden_size: width; a multiple of `n_head`.
        n_head: heads.
        conv_hidden_size: width of the feed-forward layers.
        encoder_layers: layers of the encoder.
        decoder_layers: layers of the decoder.
        MovingAvg_window: bars of the moving average that is the trend; odd.
        factor: lags attended to, as a multiple of the logarithm of the length.
        dropout: dropout of every layer.
    """

    architecture = "Autoformer"
    capabilities = using(known=True)

    def __init__(
        self,
        *,
        spec: DataSpec,
        loss: Mapping[str, Any],
        hidden_size: int,
        n_head: int,
        conv_hidden_size: int,
        encoder_layers: int,
        decoder_layers: int,
        MovingAvg_window: int,  # noqa: N803  # the library's name
        factor: int,
        dropout: float,
    ) -> None:
        super().__init__(spec=spec, loss=loss)

    def arguments(self) -> dict[str, Any]:
        """The hyper-parameters as given."""
        self.require(self._params["MovingAvg_window"] % 2 == 1, "MovingAvg_window", "odd numbers")
        return dict(self._params)
