"""Batches for processes that train together."""

from collections.abc import Iterator

from jaxtyping import Int
from torch import Tensor
from torch.utils.data import Sampler

from regimecast.core.errors import ConfigError
from regimecast.core.group import place_in_group
from regimecast.data.shuffling import Order

__all__ = ["DealtBatches"]


class DealtBatches(Sampler[Int[Tensor, " B"]]):
    """Batches of positions; every process of a group gets its share of each, one alone gets all.

    W processes take the next W times `batch_size` positions of one common order and deal them out
    in turn. A step is thus what one process would do with batches W times as large, and an epoch
    leaves nothing out and repeats nothing. (PyTorch's `DistributedSampler` repeats positions until
    the shares are equal, so that its validation loss is not that of the data.) Where fewer than W
    positions are left at the end, they join the batch before: no share is empty.

    Args:
        order: positions in the order of an epoch, the same in every process.
        batch_size: positions per process and step.
    """

    def __init__(self, order: Order, *, batch_size: int) -> None:
        self._order = order
        self._batch_size = batch_size
        self.epoch = 0
        """Whose order the next iteration follows."""
        self.start = 0
        """Batches that the next iteration leaves out, as they were seen before a restart."""

    def __iter__(self) -> Iterator[Int[Tensor, " B"]]:
        """This process's share of every batch.

        Raises:
            ConfigError: there are fewer positions than processes.
        """
        rank, processes = self._place()
        start, self.start = self.start, 0
        positions = self._order.of(self.epoch)
        size, steps = self._batch_size * processes, len(self)
        for step in range(start, steps):
            end = None if step == steps - 1 else (step + 1) * size
            yield positions[step * size : end][rank::processes]

    def __len__(self) -> int:
        """Steps per epoch, the same in every process."""
        _, processes = self._place()
        full, rest = divmod(len(self._order), self._batch_size * processes)
        return full + (rest >= processes or (rest > 0 and full == 0))

    @property
    def sampler(self) -> "DealtBatches":
        """Itself: it is what Lightning tells the epoch."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Makes the next iteration that of an epoch, from its start unless it is that one."""
        if epoch != self.epoch:
            self.epoch, self.start = epoch, 0

    def _place(self) -> tuple[int, int]:
        rank, processes = place_in_group()
        if 0 < len(self._order) < processes:
            raise ConfigError(
                f"{len(self._order)} windows cannot be shared by trainer.devices={processes} "
                f"processes. Allowed: 1 to {len(self._order)} devices"
            )
        return rank, processes
