"""The mean of a loss over an epoch."""

import torch
from jaxtyping import Float
from torch import Tensor, distributed

__all__ = ["EpochMean"]


class EpochMean:
    """Sum of totals over sum of counts, over batches and processes; 0 where nothing was counted.

    A mean of batch means would favour the cells of small batches. Adding a batch is two additions
    on its own device: no step waits for a device, and none pays for a metric's bookkeeping.
    """

    def __init__(self) -> None:
        self._total: Tensor | None = None
        self._count: Tensor | None = None

    def add(self, total: Float[Tensor, ""], count: Float[Tensor, ""]) -> None:
        """Adds a batch."""
        if self._total is None or self._count is None:
            self._total, self._count = total.detach().clone(), count.clone()
        else:
            self._total += total.detach()
            self._count += count

    def state(self) -> list[Tensor]:
        """What was added since the last `take`, for a checkpoint."""
        if self._total is None or self._count is None:
            return []
        return [self._total.clone(), self._count.clone()]

    def restore(self, state: list[Tensor], device: torch.device) -> None:
        """Takes a state up again.

        Args:
            state: that of `state`.
            device: where the batches will be.
        """
        self._total, self._count = (x.to(device) for x in state) if state else (None, None)

    def take(self, device: torch.device) -> Float[Tensor, ""]:
        """The mean since the last call, over all processes, which have to call it together.

        Args:
            device: where the batches were.
        """
        if self._total is None or self._count is None:
            sums = torch.zeros(2, device=device)
        else:
            sums = torch.stack((self._total, self._count))
            self._total = self._count = None
        if distributed.is_available() and distributed.is_initialized():
            distributed.all_reduce(sums)
        return sums[0] / sums[1].clamp_min(1)
