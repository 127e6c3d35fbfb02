"""Cross-entropy for classes that are rarely balanced."""

from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from regimecast.core.batch import Batch
from regimecast.core.errors import ConfigError
from regimecast.core.types import DataSpec, ForecastKind, Task
from regimecast.losses.base import Loss, LossRegistry

__all__ = ["CrossEntropy"]


@LossRegistry.register("cross_entropy")
class CrossEntropy(Loss):
    """Cross-entropy of the class, with class weights, focus on hard samples and smoothed labels.

    Without focus it is torch's own ``cross_entropy``. The focus multiplies it by
    ``(1 - p)^gamma``, p being the probability of the true class (Lin et al. 2017, "Focal Loss for
    Dense Object Detection", ICCV, equation 5).

    Args:
        spec: shapes of the data.
        class_weights: ``none``, or ``balanced``: in inverse proportion to the weighted frequency of
            the class in the training samples, with mean 1 over them. They multiply the sample
            weights.
        gamma: focus; 0 is none.
        label_smoothing: share of the target spread evenly over all classes, in [0, 1).

    Raises:
        ConfigError: a parameter is outside its range.
    """

    task: ClassVar[Task] = Task.CLASSIFICATION
    kind: ClassVar[ForecastKind] = ForecastKind.PROBABILITIES

    class_weight: Tensor

    def __init__(
        self,
        *,
        spec: DataSpec,
        class_weights: Literal["none", "balanced"],
        gamma: float,
        label_smoothing: float,
    ) -> None:
        super().__init__(spec=spec)
        if class_weights not in ("none", "balanced"):
            raise ConfigError(f"loss.class_weights={class_weights!r} must be 'none' or 'balanced'")
        if not gamma >= 0:
            raise ConfigError(f"loss.gamma={gamma} must be at least 0")
        if not 0 <= label_smoothing < 1:
            raise ConfigError(f"loss.label_smoothing={label_smoothing} must be in [0, 1)")
        self.balanced = class_weights == "balanced"
        self.gamma = float(gamma)
        self.label_smoothing = float(label_smoothing)
        # A buffer, so that fitted weights are saved with the model and follow it to its device.
        self.register_buffer("class_weight", torch.ones(len(spec.classes)))

    @property
    def n_outputs(self) -> int:
        """One logit per class."""
        return len(self.spec.classes)

    @property
    def levels(self) -> tuple[float, ...]:
        """Class values, ascending."""
        return tuple(float(value) for value in self.spec.classes)

    def fit(self, target: Float[np.ndarray, "N H"], weight: Float[np.ndarray, "N H"]) -> None:
        """Class weights from the training samples; a class that never occurs there keeps 1."""
        if not self.balanced:
            return
        mass = np.bincount(
            target.astype(np.int64).ravel(),
            weights=weight.astype(np.float64).ravel(),
            minlength=self.n_outputs,
        )
        seen = mass > 0
        balanced = np.ones(self.n_outputs)
        balanced[seen] = mass.sum() / (seen.sum() * mass[seen])
        self.class_weight.copy_(torch.from_numpy(balanced))

    def forward(self, output: Float[Tensor, "B H P"], batch: Batch) -> Float[Tensor, "B H"]:
        """Cross-entropy of every step."""
        logits, target = output.movedim(-1, 1), batch.target.long()
        loss = functional.cross_entropy(
            logits,
            target,
            weight=self.class_weight,
            label_smoothing=self.label_smoothing,
            reduction="none",
        )
        if self.gamma == 0:
            return loss
        true = functional.log_softmax(logits, dim=1).gather(1, target[:, None]).squeeze(1)
        # The slope of x^gamma at 0 is infinite for gamma < 1, hence the floor.
        miss = (-torch.expm1(true)).clamp_min(torch.finfo(true.dtype).tiny)
        return miss.pow(self.gamma) * loss

    def decode(self, output: Float[Tensor, "B H P"]) -> Float[Tensor, "B H Q"]:
        """Class probabilities."""
        return output.softmax(dim=-1)
