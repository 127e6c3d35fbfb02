"""Quantile (pinball) loss."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from regimecast.core.batch import Batch
from regimecast.core.types import DataSpec, ForecastKind, Task
from regimecast.losses.base import Loss, LossRegistry
from regimecast.losses.levels import check_levels

__all__ = ["Quantile"]


@LossRegistry.register("quantile")
class Quantile(Loss):
    """Mean over levels of the pinball loss ``max(q e, (q - 1) e)`` with ``e = target - output``.

    Its minimum in expectation is the quantile at each level (Koenker and Bassett 1978,
    "Regression Quantiles", Econometrica 46(1)).

    Args:
        spec: shapes of the data.
        levels: quantile levels, ascending, inside (0, 1), enclosing 0.5.

    Raises:
        ConfigError: the levels are empty, out of order, outside (0, 1) or do not enclose 0.5.
    """

    task: ClassVar[Task] = Task.FORECAST
    kind: ClassVar[ForecastKind] = ForecastKind.QUANTILES
    in_target_units: ClassVar[bool] = True

    _level: Tensor

    def __init__(self, *, spec: DataSpec, levels: Sequence[float]) -> None:
        super().__init__(spec=spec)
        self._levels = check_levels(levels)
        self.register_buffer("_level", torch.tensor(self._levels), persistent=False)

    @property
    def n_outputs(self) -> int:
        """One number per level."""
        return len(self._levels)

    @property
    def levels(self) -> tuple[float, ...]:
        """Quantile levels, ascending."""
        return self._levels

    def forward(self, output: Float[Tensor, "B H P"], batch: Batch) -> Float[Tensor, "B H"]:
        """Pinball loss of every step, averaged over levels."""
        error = batch.target[:, :, None] - output
        return torch.maximum(self._level * error, (self._level - 1) * error).mean(dim=-1)

    def decode(self, output: Float[Tensor, "B H P"]) -> Float[Tensor, "B H Q"]:
        """The output, sorted so that quantiles never cross.

        Sorting never increases the pinball loss (Chernozhukov, Fernández-Val and Galichon 2010,
        "Quantile and Probability Curves Without Crossing", Econometrica 78(3)).
        """
        return output.sort(dim=-1).values
