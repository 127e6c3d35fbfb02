"""Loaders of whole batches: PyTorch's own, with a place in the epoch that survives a checkpoint."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils.data import DataLoader

from regimecast.core.batch import Batch
from regimecast.core.errors import ConfigError, SpecError, did_you_mean
from regimecast.core.group import from_every_process, place_in_group
from regimecast.core.random_state import random_state, set_random_state
from regimecast.data.dataset import TimeSeriesDataset
from regimecast.data.dealing import DealtBatches
from regimecast.data.placement import Placement
from regimecast.data.shuffling import Order

__all__ = ["BatchLoader", "Pending", "check_loading"]

_log = logging.getLogger(__name__)


class Pending:
    """A batch yet to be gathered, on the device that asks for it: only positions travel there.

    Args:
        dataset: whose windows.
        positions: which of them.
    """

    def __init__(self, dataset: TimeSeriesDataset, positions: Int[Tensor, " B"]) -> None:
        self._dataset = dataset
        self._positions = positions

    def __len__(self) -> int:
        return len(self._positions)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """The batch, gathered there (the name Lightning looks for)."""
        return self._dataset.gather(self._positions.to(device, non_blocking=non_blocking))


class BatchLoader(DataLoader[Batch]):
    """Batches of a dataset; with ``placement=device``, what becomes one there (see `Pending`).

    Every pass is the next epoch, unless `DealtBatches.set_epoch` says which one, as Lightning does.
    `state_dict` is what a checkpoint has to hold for the rest of the epoch, and all epochs after
    it, to be the same to the bit: the epoch, how many of its batches were taken, and the random
    state of every process of the group: torch's, which dropout draws from, Python's and numpy's.
    All of them ask for it together, as they do when Lightning writes a checkpoint.

    Args:
        dataset: windows.
        order: in which they come.
        batch_size: windows per step and process.
        num_workers: processes that gather; 0 for this one.
        placement: where the windows are gathered.

    Raises:
        ConfigError: a number is out of range, or workers cannot help.
    """

    def __init__(
        self,
        dataset: TimeSeriesDataset,
        order: Order,
        *,
        batch_size: int,
        num_workers: int,
        placement: Placement,
    ) -> None:
        check_loading(batch_size, num_workers, placement)
        if 0 < len(order) < batch_size:
            _log.info(
                "window.batch_size=%d is more than the %d windows: every step takes all of them",
                batch_size,
                len(order),
            )
        self._batches = DealtBatches(order, batch_size=batch_size)
        self._placement = placement
        self._begun: int | None = None  # epoch of the latest pass
        self._taken = 0
        self._resumed: Mapping[str, Any] | None = None
        super().__init__(
            dataset,
            batch_sampler=self._batches,  # type: ignore[arg-type]  # tensors of positions, not lists
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
            collate_fn=_identity,
            # Its own: from torch's, every pass would draw a number that dropout then misses.
            generator=torch.Generator().manual_seed(0),
        )

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]  # begins at the first batch
        """One epoch, or what is left of one after `load_state_dict`."""
        # Nothing of this happens before the first batch is asked for: Lightning makes the iterator,
        # and then sets the epoch.
        if self._begun == self._batches.epoch and not self._batches.start:
            self._batches.epoch += 1
        self._resume()
        self._begun, self._taken = self._batches.epoch, self._batches.start
        for batch in self._gathered():
            self._taken += 1
            yield batch
        self._batches.epoch += 1

    def _gathered(self) -> Iterator[Any]:
        if self.num_workers:
            return super().__iter__()
        # What PyTorch's loader does in one process, less what it records of it.
        dataset: Any = self.dataset
        if self._placement == "device":
            return (Pending(dataset, positions) for positions in self._batches)
        return (dataset.gather(positions) for positions in self._batches)

    def state_dict(self) -> dict[str, Any]:
        """Where the epoch stands; plain values and tensors."""
        within = self._begun == self._batches.epoch
        return {
            "epoch": self._batches.epoch,
            "taken": self._taken if within else self._batches.start,
            "steps": len(self),
            "random": from_every_process(random_state()),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Makes the next pass continue where the state was taken.

        That pass raises `SpecError` if an epoch has another number of steps here.
        """
        self._batches.epoch, self._batches.start = state["epoch"], state["taken"]
        self._begun, self._resumed = None, state

    def _resume(self) -> None:
        """What has to wait for the first batch: for the group of processes, and for dropout."""
        state, self._resumed = self._resumed, None
        if state is None:
            return
        if state["steps"] != len(self):
            raise SpecError(
                f"the checkpoint is of epochs of {state['steps']} steps; here they have "
                f"{len(self)}. Resume on the same data, with the same window.batch_size and "
                "trainer.devices"
            )
        place, processes = place_in_group()
        if len(state["random"]) == processes:
            set_random_state(state["random"][place])


def check_loading(batch_size: Any, num_workers: Any, placement: Any) -> None:
    """Nothing, if a loader takes these values of ``window``.

    Raises:
        ConfigError: one is out of range, or workers are asked for that have nothing to do.
    """
    for key, value, least in (("batch_size", batch_size, 1), ("num_workers", num_workers, 0)):
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ConfigError(f"window.{key}={value!r} must be a whole number of at least {least}")
    if placement not in get_args(Placement):
        raise ConfigError(
            f"window.placement={placement!r} is unknown."
            f"{did_you_mean(str(placement), get_args(Placement))} "
            f"Allowed: {', '.join(get_args(Placement))}"
        )
    if placement == "device" and num_workers:
        raise ConfigError(
            f"window.num_workers={num_workers} workers have nothing to do with "
            "window.placement=device, where batches are gathered on the device. Allowed: 0"
        )


def _identity(batch: Any) -> Any:
    """The dataset gathers whole batches, so there is nothing to collate."""
    return batch
