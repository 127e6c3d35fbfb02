"""NLinear: one linear map."""

from regimecast.models.base import ModelRegistry
from regimecast.models.neuralforecast import NeuralForecastModel, using

__all__ = ["NLinear"]


@ModelRegistry.register("nlinear")
class NLinear(NeuralForecastModel):
    """A linear map of the history relative to its last value; the baseline for networks.

    Zeng et al. (2023), Are Transformers Effective for Time Series Forecasting?, AAAI,
    https://arxiv.org/abs/2205.13504.
    """

    architecture = "NLinear"
    capabilities = using()
