"""KAN: a Kolmogorov-Arnold network."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from regimecast.core.types import DataSpec
from regimecast.models.base import ModelRegistry
from regimecast.models.neuralforecast import NeuralForecastModel, using

__all__ = ["KAN"]


@ModelRegistry.register("kan")
class KAN(NeuralForecastModel):
    """Sums of learnt splines of every input, with all channels of the window as inputs.

    Its size grows with context length times channels. Liu et al. (2024), KAN: Kolmogorov-Arnold
    Networks, https://arxiv.org/abs/2404.19756.

    Args:
        spec: see `BaseTimeSeriesModel`.
        loss: see `BaseTimeSeriesModel`.
        n_hidden_layers: hidden layers.
        hidden_size: width of the hidden layers.
        grid_size: spline intervals.
        spline_order: order of the splines.
        grid_range: lowest and highest value the splines cover, in units of the scaled channels;
            beyond it only the SiLU base function acts.
    """

    architecture = "KAN"
    capabilities = using(past=True, known=True, static=True)

    def __init__(
        self,
        *,
        spec: DataSpec,
        loss: Mapping[str, Any],
        n_hidden_layers: int,
        hidden_size: int,
        grid_size: int,
        spline_order: int,
        grid_range: Sequence[float],
    ) -> None:
        super().__init__(spec=spec, loss=loss)

    def adjust(self, network: Any) -> None:
        """Draws the splines' small initial coefficients.

        The library draws points and solves for the coefficients with more unknowns than equations,
        and the last bit of that solution changes from run to run.
        """
        for layer in network.layers:
            bound = layer.scale_noise / (2 * layer.grid_size)
            nn.init.uniform_(layer.spline_weight, -bound, bound)
