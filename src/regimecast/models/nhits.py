"""N-HiTS: hierarchical interpolation of multi-rate blocks."""

from collections.abc import Mapping, Sequence
from typing import Any

from regimecast.core.types import DataSpec
from regimecast.models.base import ModelRegistry
from regimecast.models.neuralforecast import NeuralForecastModel, using

__all__ = ["NHITS"]


@ModelRegistry.register("nhits")
class NHITS(NeuralForecastModel):
    """Stacks of MLPs, each with its own rate of reading and its own resolution of forecasting.

    Challu et al. (2023), N-HiTS: Neural Hierarchical Interpolation for Time Series Forecasting,
    AAAI, https://arxiv.org/abs/2201.12886.

    Args:
        spec: see `BaseTimeSeriesModel`.
        loss: see `BaseTimeSeriesModel`.
        n_blocks: blocks of each stack.
        n_pool_kernel_size: bars pooled into one at the input of each stack.
        n_freq_downsample: steps per interpolation knot of each stack.
        mlp_units: inputs and outputs of each hidden layer.
        pooling_mode: ``MaxPool1d`` or ``AvgPool1d``.
        interpolation_mode: ``linear`` or ``nearest``.
        dropout_prob_theta: dropout after each hidden layer.
        activation: class of `torch.nn`.
    """

    architecture = "NHITS"
    capabilities = using(past=True, known=True, static=True)

    def __init__(
        self,
        *,
        spec: DataSpec,
        loss: Mapping[str, Any],
        n_blocks: Sequence[int],
        n_pool_kernel_size: Sequence[int],
        n_freq_downsample: Sequence[int],
        mlp_units: Sequence[Sequence[int]],
        pooling_mode: str,
        interpolation_mode: str,
        dropout_prob_theta: float,
        activation: str,
    ) -> None:
        super().__init__(spec=spec, loss=loss)

    def arguments(self) -> dict[str, Any]:
        """Adds the stack types, of which there is one; all lists are per stack."""
        params = self._params
        stacks = len(params["n_blocks"])
        for key in ("n_pool_kernel_size", "n_freq_downsample"):
            self.require(len(params[key]) == stacks, key, f"{stacks} values, one per stack")
        modes = ("linear", "nearest")  # the library's cubic handles a single output only
        self.require(params["interpolation_mode"] in modes, "interpolation_mode", ", ".join(modes))
        return {**params, "stack_types": ["identity"] * stacks}
