"""Student-t likelihood: a density with tails as heavy as the data say."""

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from jaxtyping import Float
from scipy.special import stdtrit
from torch import Tensor
from torch.nn import functional

from regimecast.core.batch import Batch
from regimecast.core.types import DataSpec, ForecastKind, Task
from regimecast.losses.base import Loss, LossRegistry
from regimecast.losses.levels import check_levels

__all__ = ["StudentT"]

_MIN_SCALE = 1e-4
"""Keeps the density finite where a network is sure of itself; in units of `batch.scale`."""


@LossRegistry.register("student_t")
class StudentT(Loss):
    """Negative log-likelihood of a Student-t per step (Lange, Little and Taylor 1989).

    The network gives location, scale and degrees of freedom; the last are above 2, so that the
    variance exists.

    Args:
        spec: shapes of the data.
        levels: quantile levels to read off the density, ascending, inside (0, 1), enclosing 0.5.

    Raises:
        ConfigError: the levels are empty, out of order, outside (0, 1) or do not enclose 0.5.
    """

    task: ClassVar[Task] = Task.FORECAST
    kind: ClassVar[ForecastKind] = ForecastKind.QUANTILES

    def __init__(self, *, spec: DataSpec, levels: Sequence[float]) -> None:
        super().__init__(spec=spec)
        self._levels = check_levels(levels)

    @property
    def n_outputs(self) -> int:
        """Location, scale and degrees of freedom."""
        return 3

    @property
    def levels(self) -> tuple[float, ...]:
        """Quantile levels, ascending."""
        return self._levels

    def forward(self, output: Float[Tensor, "B H P"], batch: Batch) -> Float[Tensor, "B H"]:
        """Negative log-likelihood of every step."""
        location, scale, freedom = self.parameters_of(output)
        z = (batch.target - location) / scale
        return (
            torch.lgamma(freedom / 2)
            - torch.lgamma((freedom + 1) / 2)
            + 0.5 * torch.log(freedom * math.pi)
            + torch.log(scale)
            + (freedom + 1) / 2 * torch.log1p(z.square() / freedom)
        )

    def decode(self, output: Float[Tensor, "B H P"]) -> Float[Tensor, "B H Q"]:
        """Quantiles of the density at `levels`."""
        location, scale, freedom = self.parameters_of(output.double())
        level = torch.tensor(self._levels, dtype=torch.float64)
        unit = torch.from_numpy(stdtrit(freedom.cpu()[:, :, None].numpy(), level.numpy()))
        return (location[:, :, None] + scale[:, :, None] * unit.to(output.device)).to(output.dtype)

    @staticmethod
    def parameters_of(
        output: Float[Tensor, "B H 3"],
    ) -> tuple[Float[Tensor, "B H"], Float[Tensor, "B H"], Float[Tensor, "B H"]]:
        """Location, scale (positive) and degrees of freedom (above 2) of every step."""
        location, scale, freedom = output.unbind(dim=-1)
        return location, functional.softplus(scale) + _MIN_SCALE, 2 + functional.softplus(freedom)
