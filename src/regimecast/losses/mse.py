"""Mean squared error: a point forecast of the mean."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from regimecast.core.batch import Batch
from regimecast.core.types import ForecastKind, Task
from regimecast.losses.base import Loss, LossRegistry

__all__ = ["SquaredError"]


@LossRegistry.register("mse")
class SquaredError(Loss):
    """Squared error (e^2), which is least at the mean."""

    task: ClassVar[Task] = Task.FORECAST
    kind: ClassVar[ForecastKind] = ForecastKind.QUANTILES
    in_target_units: ClassVar[bool] = True

    @property
    def n_outputs(self) -> int:
        """One number per step."""
        return 1

    @property
    def levels(self) -> tuple[float, ...]:
        """The single level 0.5: a point forecast."""
        return (0.5,)

    def forward(self, output: Float[Tensor, "B H P"], batch: Batch) -> Float[Tensor, "B H"]:
        """Squared error of every step."""
        return functional.mse_loss(output[:, :, 0], batch.target, reduction="none")

    def decode(self, output: Float[Tensor, "B H P"]) -> Float[Tensor, "B H Q"]:
        """The output as it is."""
        return output
