"""The one reducer: how unreduced losses and sample weights become the number that is minimised."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from regimecast.core.batch import Batch
from regimecast.core.group import in_group, place_in_group
from regimecast.losses.base import Loss

__all__ = ["RegimeWeightedLoss"]


class RegimeWeightedLoss(nn.Module):
    """Weighted loss of a batch, ``sum(w * l * mask) / sum(mask)``.

    The weights were normalised once, over the training set (mean 1), by whoever made them. Here the
    sum is divided by the number of known cells and never by the sum of weights: dividing by the
    latter would train a batch that holds crashes only as if it were not weighted at all. Hence a
    weight of k is k copies of the cell in the numerator, and a weight of 0 leaves it out of there.

    With several processes the divisor is the mean number of known cells per process, so that the
    gradient, which is averaged over processes, is that of one process with the whole batch. With
    accumulated gradients each micro-batch is divided by its own number of known cells.
    """

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, output: Float[Tensor, "B H P"], batch: Batch) -> Float[Tensor, ""]:
        """Loss to minimise; 0, with zero gradient, where no cell is known."""
        total, count = self.parts(output, batch)
        return self.reduce(total, count)

    def parts(
        self, output: Float[Tensor, "B H P"], batch: Batch
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Weighted sum of losses over known cells, and the number of known cells, of this process.

        Sums of both over batches give the exact mean over an epoch.
        """
        loss = self.loss(output, batch)
        # where, not a product: whatever a masked cell holds, NaN included, must not reach the sum.
        total = torch.where(batch.mask, batch.weight * loss, 0.0).sum()
        return total, batch.mask.sum().to(total.dtype)

    @staticmethod
    def reduce(total: Float[Tensor, ""], count: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """Quotient of the two `parts`, the count being averaged over processes."""
        if in_group():
            count = count.clone()
            torch.distributed.all_reduce(count)
            count = count / place_in_group()[1]
        # The floor only matters where nothing is known, and the total is 0 then.
        return total / count.clamp_min(torch.finfo(count.dtype).tiny)
