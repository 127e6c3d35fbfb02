"""Huber loss: a point forecast that single crashes do not dominate."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from regimecast.core.batch import Batch
from regimecast.core.errors import ConfigError
from regimecast.core.types import DataSpec, ForecastKind, Task
from regimecast.losses.base import Loss, LossRegistry

__all__ = ["Huber"]


@LossRegistry.register("huber")
class Huber(Loss):
    """Squared error near the target, absolute error away from it (Huber 1964).

    Args:
        spec: shapes of the data.
        delta: error at which it turns from ``e^2 / 2`` to ``delta (|e| - delta / 2)``, in units
            of `batch.scale`.

    Raises:
        ConfigError: delta is not positive.
    """

    task: ClassVar[Task] = Task.FORECAST
    kind: ClassVar[ForecastKind] = ForecastKind.QUANTILES
    in_target_units: ClassVar[bool] = True

    def __init__(self, *, spec: DataSpec, delta: float) -> None:
        super().__init__(spec=spec)
        if not delta > 0:
            raise ConfigError(f"loss.delta={delta} must be greater than 0")
        self.delta = float(delta)

    @property
    def n_outputs(self) -> int:
        """One number per step."""
        return 1

    @property
    def levels(self) -> tuple[float, ...]:
        """The single level 0.5: a point forecast."""
        return (0.5,)

    def forward(self, output: Float[Tensor, "B H P"], batch: Batch) -> Float[Tensor, "B H"]:
        """Huber loss of every step."""
        return functional.huber_loss(
            output[:, :, 0], batch.target, reduction="none", delta=self.delta
        )

    def decode(self, output: Float[Tensor, "B H P"]) -> Float[Tensor, "B H Q"]:
        """The output as it is."""
        return output
