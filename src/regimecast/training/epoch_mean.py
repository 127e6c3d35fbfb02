"""The mean of a loss over an epoch."""

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import Metric

__all__ = ["EpochMean"]


class EpochMean(Metric):
    """Sum of totals over sum of counts, over batches and processes; 0 where nothing was counted.

    A mean of batch means would favour the cells of small batches. torchmetrics' own `MeanMetric`
    drops its weights (1.9.0) where NaN is to pass through, and here it must: a loss that is NaN has
    to show.
    """

    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", default=torch.zeros(()), dist_reduce_fx="sum")
        self.add_state("count", default=torch.zeros(()), dist_reduce_fx="sum")

    def update(self, total: Float[Tensor, ""], count: Float[Tensor, ""]) -> None:
        """Adds a batch."""
        self.total += total.detach()
        self.count += count

    def compute(self) -> Float[Tensor, ""]:
        """The mean so far."""
        return self.total / self.count.clamp_min(1)
