"""TCN: dilated causal convolutions."""

from collections.abc import Mapping, Sequence
from typing import Any

from regimecast.core.types import DataSpec
from regimecast.models.base import ModelRegistry
from regimecast.models.neuralforecast import NeuralForecastModel, using

__all__ = ["TCN"]


@ModelRegistry.register("tcn")
class TCN(NeuralForecastModel):
    """Causal convolutions with growing dilation, then an MLP per step.

    Bai, Kolter and Koltun (2018), An Empirical Evaluation of Generic Convolutional and Recurrent
    Networks for Sequence Modeling, https://arxiv.org/abs/1803.01271.

    Args:
        spec: see `BaseTimeSeriesModel`.
        loss: see `BaseTimeSeriesModel`.
        kernel_size: bars per kernel.
        dilations: bars between the kernel's points, one per layer.
        encoder_hidden_size: channels of the convolutions.
        encoder_activation: class of `torch.nn`.
        decoder_hidden_size: width of the MLP.
        decoder_layers: layers of the MLP.
    """

    architecture = "TCN"
    capabilities = using(past=True, known=True, static=True)

    def __init__(
        self,
        *,
        spec: DataSpec,
        loss: Mapping[str, Any],
        kernel_size: int,
        dilations: Sequence[int],
        encoder_hidden_size: int,
        encoder_activation: str,
        decoder_hidden_size: int,
        decoder_layers: int,
    ) -> None:
        super().__init__(spec=spec, loss=loss)
