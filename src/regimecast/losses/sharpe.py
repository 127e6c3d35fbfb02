"""Sharpe loss: the network trades, and is judged by its profit after costs."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from regimecast.core.batch import Batch
from regimecast.core.errors import ConfigError
from regimecast.core.types import DataSpec, ForecastKind, Task
from regimecast.losses.base import Loss, LossRegistry

__all__ = ["Sharpe"]

_BASIS_POINT = 1e-4


@LossRegistry.register("sharpe")
class Sharpe(Loss):
    """Quadratic utility of the net profit of every step, ``(1 - k pnl)^2 / 2``.

    A Sharpe ratio is one number per batch and could be neither weighted nor masked by the step.
    This loss can, and leads to the same place: over the scale of the positions, the least mean of
    ``(1 - pnl)^2`` is ``1 / (1 + S^2)`` with S the Sharpe ratio per step, so that less loss is more
    Sharpe (Britten-Jones 1999, "The Sampling Error in Estimates of Mean-Variance Efficient
    Portfolio Weights", Journal of Finance 54(2): the tangency portfolio as a regression of a
    constant on returns).

    The network's position for step h is ``tanh(output)``, taken at the close of step h - 1 and held
    for one step; before the first step it is flat:

        pnl_h = p_h r_h - cost |p_h - p_(h-1)|,    p_0 = 0

    with r_h the simple return of the step. Both terms are in units of `batch.scale`.

    Args:
        spec: shapes of the data.
        risk_aversion: k; the smaller, the larger the positions (they are limited to ±1).
        cost_bps: cost of a change of position by 1, in basis points of its value.

    Raises:
        ConfigError: a parameter is outside its range.
    """

    task: ClassVar[Task] = Task.FORECAST
    kind: ClassVar[ForecastKind] = ForecastKind.POSITIONS

    def __init__(self, *, spec: DataSpec, risk_aversion: float, cost_bps: float) -> None:
        super().__init__(spec=spec)
        if not risk_aversion > 0:
            raise ConfigError(f"loss.risk_aversion={risk_aversion} must be greater than 0")
        if not cost_bps >= 0:
            raise ConfigError(f"loss.cost_bps={cost_bps} must be at least 0")
        self.risk_aversion = float(risk_aversion)
        self.cost = float(cost_bps) * _BASIS_POINT

    @property
    def n_outputs(self) -> int:
        """One position per step."""
        return 1

    @property
    def levels(self) -> tuple[float, ...]:
        """The single level 0.5: a position."""
        return (0.5,)

    def forward(self, output: Float[Tensor, "B H P"], batch: Batch) -> Float[Tensor, "B H"]:
        """Quadratic disutility of every step."""
        return 0.5 * (1 - self.risk_aversion * self.profit(output, batch)).square()

    def profit(self, output: Float[Tensor, "B H P"], batch: Batch) -> Float[Tensor, "B H"]:
        """Net profit of every step, in units of `batch.scale`."""
        position = output[:, :, 0].tanh()
        change = torch.diff(functional.pad(position, (1, 0)), dim=1)
        return position * _step_returns(batch) - self.cost / batch.scale * change.abs()

    def decode(self, output: Float[Tensor, "B H P"]) -> Float[Tensor, "B H Q"]:
        """Positions in [-1, 1]."""
        return output.tanh()


def _step_returns(batch: Batch) -> Float[Tensor, "B H"]:
    """Simple return of every step in units of scale, from the cumulative log return.

    A step after unknown ones returns what happened since the last known one; unknown steps return
    nothing.
    """
    steps = torch.arange(1, batch.target.shape[1] + 1, device=batch.target.device)
    # Step of the last known target up to each step; 0 is the origin, where the return is 0.
    known = torch.where(batch.mask, steps, 0).cummax(dim=1).values
    path = functional.pad(batch.target, (1, 0)).gather(1, functional.pad(known, (1, 0)))
    return torch.expm1(torch.diff(path, dim=1) * batch.scale) / batch.scale
