"""What a loss is. One .py with a loss and one .yaml with its parameters add it.

A loss is the whole meaning of a network's output: how many numbers per step it wants
(`n_outputs`), how they are scored against the target (`forward`, unreduced) and what they say
(`decode`). A network never knows which one it is trained with.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn

from regimecast.core.batch import Batch
from regimecast.core.registry import Registry
from regimecast.core.types import DataSpec, ForecastKind, Task

__all__ = ["Loss", "LossRegistry"]


class Loss(nn.Module, ABC):
    """Elementwise loss and decoder of one kind of output."""

    name: ClassVar[str]
    task: ClassVar[Task]
    kind: ClassVar[ForecastKind]
    in_target_units: ClassVar[bool] = False
    """Every output is a value of the target, so that both can be shifted and scaled together."""

    def __init__(self, *, spec: DataSpec) -> None:
        super().__init__()
        self.spec = spec

    @property
    @abstractmethod
    def n_outputs(self) -> int:
        """P, numbers per step that a network must return."""

    @property
    @abstractmethod
    def levels(self) -> tuple[float, ...]:
        """Quantile levels or class values of `decode`'s last axis."""

    def fit(self, target: Float[np.ndarray, "N H"], weight: Float[np.ndarray, "N H"]) -> None:
        """Learns what the loss needs of the training targets (class weights); by default nothing.

        Called once per fold with training samples only, before training.
        """

    @abstractmethod
    def forward(self, output: Float[Tensor, "B H P"], batch: Batch) -> Float[Tensor, "B H"]:
        """Loss of every step, not reduced and not masked; finite wherever `batch.mask` is False."""

    @abstractmethod
    def decode(self, output: Float[Tensor, "B H P"]) -> Float[Tensor, "B H Q"]:
        """Quantiles (ascending, in units of `batch.scale`), probabilities or positions."""


LossRegistry: Registry[Loss] = Registry(
    "loss", Loss, package="regimecast.losses", attribute="LossRegistry"
)
"""Every loss by name; see `Registry`."""
