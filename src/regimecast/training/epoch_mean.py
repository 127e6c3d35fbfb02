"""The mean of a loss over an epoch."""

import torch
from jaxtyping import Float
from torch import Tensor, distributed

from regimecast.core.group import from_every_process, in_group, place_in_group

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
            # What was restored has neither the device nor the type of the batches yet.
            self._total = self._total.to(total).add_(total.detach())
            self._count = self._count.to(count).add_(count)

    def state(self) -> list[list[float]]:
        """What each process added since the last `take`, for a checkpoint; all call it together."""
        return from_every_process([float(x) for x in (self._total, self._count) if x is not None])

    def restore(self, state: list[list[float]]) -> None:
        """Takes a state up again.

        Args:
            state: that of `state`; of another number of processes, the first one takes all of it.
        """
        place, processes = place_in_group()
        if len(state) == processes:
            mine = state[place]
        else:
            mine = [sum(x) for x in zip(*filter(None, state), strict=True)] if place == 0 else []
        self._total, self._count = torch.tensor(mine, dtype=torch.float64) if mine else (None, None)

    def take(self, device: torch.device) -> Float[Tensor, ""]:
        """The mean since the last call, over all processes, which have to call it together.

        Args:
            device: where the batches were.
        """
        if self._total is None or self._count is None:
            sums = torch.zeros(2, device=device)
        else:
            sums = torch.stack((self._total, self._count)).to(device)
            self._total = self._count = None
        if in_group():
            distributed.all_reduce(sums)
        return sums[0] / sums[1].clamp_min(1)
