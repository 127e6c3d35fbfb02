"""Batches for processes that train together."""

from collections.abc import Iterator

from torch import distributed
from torch.utils.data import BatchSampler, RandomSampler, Sampler, SequentialSampler

from regimecast.core.errors import ConfigError
from regimecast.data.shuffling import ShuffledTimes

__all__ = ["DealtBatches"]


class DealtBatches(Sampler[list[int]]):
    """Batches of positions; every process of a group gets its share of each, one alone gets all.

    W processes take the next W times `batch_size` positions of one common order and deal them out
    in turn. A step is thus what one process would do with batches W times as large, and an epoch
    leaves nothing out and repeats nothing. (PyTorch's `DistributedSampler` repeats positions until
    the shares are equal, so that its validation loss is not that of the data.) Where fewer than W
    positions are left at the end, they join the batch before: no share is empty.

    Args:
        order: positions in the order of the epoch, the same in every process.
        batch_size: positions per process and step.
    """

    def __init__(
        self, order: RandomSampler | SequentialSampler | ShuffledTimes, *, batch_size: int
    ) -> None:
        self._order = order
        self._batch_size = batch_size

    def __iter__(self) -> Iterator[list[int]]:
        """This process's share of every batch.

        Raises:
            ConfigError: there are fewer positions than processes.
        """
        rank, processes = self._place()
        batches = list(BatchSampler(self._order, self._batch_size * processes, drop_last=False))
        if len(batches) > 1 and len(batches[-1]) < processes:
            last = batches.pop()
            batches[-1] = batches[-1] + last
        for batch in batches:
            yield batch[rank::processes]

    def __len__(self) -> int:
        """Steps per epoch, the same in every process."""
        _, processes = self._place()
        full, rest = divmod(len(self._order), self._batch_size * processes)
        return full + (rest >= processes or (rest > 0 and full == 0))

    def _place(self) -> tuple[int, int]:
        if not (distributed.is_available() and distributed.is_initialized()):
            return 0, 1
        rank, processes = distributed.get_rank(), distributed.get_world_size()
        if 0 < len(self._order) < processes:
            raise ConfigError(
                f"{len(self._order)} windows cannot be shared by trainer.devices={processes} "
                f"processes. Allowed: 1 to {len(self._order)} devices"
            )
        return rank, processes
