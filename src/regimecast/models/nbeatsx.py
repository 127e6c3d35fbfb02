"""N-BEATSx: basis expansion with covariates."""

from collections.abc import Mapping, Sequence
from typing import Any

from regimecast.core.types import DataSpec
from regimecast.models.base import ModelRegistry
from regimecast.models.neuralforecast import NeuralForecastModel, using

__all__ = ["NBEATSx"]


@ModelRegistry.register("nbeatsx")
class NBEATSx(NeuralForecastModel):
    """Residual stacks of MLPs that write the forecast in a trend, a seasonal or a free basis.

    Without covariates it is N-BEATS. Over one step there is no trend or season, so that with a
    horizon of 1 every stack has the free basis. Olivares et al. (2023), Neural basis expansion
    analysis with exogenous variables, International Journal of Forecasting 39(2),
    https://arxiv.org/abs/2104.05522.

    Args:
        spec: see `BaseTimeSeriesModel`.
        loss: see `BaseTimeSeriesModel`.
        stack_types: ``identity``, ``trend`` or ``seasonality``, one per stack.
        n_blocks: blocks of each stack.
        mlp_units: inputs and outputs of each hidden layer.
        n_polynomials: degree of the trend basis.
        n_harmonics: harmonics of the seasonal basis.
        dropout_prob_theta: dropout after each hidden layer.
        activation: class of `torch.nn`.
    """

    architecture = "NBEATSx"
    capabilities = using(past=True, known=True, static=True)

    def __init__(
        self,
        *,
        spec: DataSpec,
        loss: Mapping[str, Any],
        stack_types: Sequence[str],
        n_blocks: Sequence[int],
        mlp_units: Sequence[Sequence[int]],
        n_polynomials: int,
        n_harmonics: int,
        dropout_prob_theta: float,
        activation: str,
    ) -> None:
        super().__init__(spec=spec, loss=loss)

    def arguments(self) -> dict[str, Any]:
        """Replaces the trend and seasonal stacks where there is a single step."""
        params = self._params
        stacks = len(params["stack_types"])
        self.require(
            len(params["n_blocks"]) == stacks, "n_blocks", f"{stacks} values, one per stack"
        )
        kinds = ("identity", "trend", "seasonality")
        self.require(set(params["stack_types"]) <= set(kinds), "stack_types", ", ".join(kinds))
        if self.spec.horizon > 1:
            return dict(params)
        free = {"trend": "identity", "seasonality": "identity"}
        return {**params, "stack_types": [free.get(kind, kind) for kind in params["stack_types"]]}
