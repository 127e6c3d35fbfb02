"""TimeXer: patches of the history attend to covariates."""

from collections.abc import Mapping
from typing import Any

from regimecast.core.types import DataSpec
from regimecast.models.base import ModelRegistry
from regimecast.models.neuralforecast import NeuralForecastModel, using

__all__ = ["TimeXer"]


@ModelRegistry.register("timexer")
class TimeXer(NeuralForecastModel):
    """A Transformer over patches of the history, with cross-attention to each past covariate.

    Wang et al. (2024), TimeXer: Empowering Transformers for Time Series Forecasting with Exogenous
    Variables, NeurIPS, https://arxiv.org/abs/2402.19072.

    Args:
        spec: see `BaseTimeSeriesModel`.
        loss: see `BaseTimeSeriesModel`.
        patch_len: bars per patch; divides the context length, or the newest bars would be lost.
        hidden_size: width.
        n_heads: attention heads, each hidden_size // n_heads wide.
        e_layers: Transformer layers.
        d_ff: width of the feed-forward layers.
        dropout: dropout of every layer.
        use_norm: standardise the history within its window and undo it on the output.
    """

    architecture = "TimeXer"
    capabilities = using(past=True)

    def __init__(
        self,
        *,
        spec: DataSpec,
        loss: Mapping[str, Any],
        patch_len: int,
        hidden_size: int,
        n_heads: int,
        e_layers: int,
        d_ff: int,
        dropout: float,
        use_norm: bool,
    ) -> None:
        super().__init__(spec=spec, loss=loss)

    def arguments(self) -> dict[str, Any]:
        """The hyper-parameters as given."""
        length = self.spec.context_length
        self.require(
            length % self._params["patch_len"] == 0,
            "patch_len",
            f"divisors of context_length={length}",
        )
        return dict(self._params)
