"""Orders in which the windows of a split are gone through, each a function of seed and epoch."""

from abc import ABC, abstractmethod
from typing import Literal

import numpy as np
import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from regimecast.core.seeding import derive_seed
from regimecast.core.types import Samples

__all__ = ["InOrder", "Order", "Shuffle", "ShuffledTimes", "ShuffledWindows", "order_of"]

Shuffle = Literal["windows", "times"]
"""What is shuffled: single windows, or bar times with the windows of every asset at each."""


class Order(ABC):
    """Every position of a split once per epoch, in an order that can be made again.

    Args:
        n: positions per epoch.
    """

    def __init__(self, n: int) -> None:
        self._n = n

    def __len__(self) -> int:
        return self._n

    @abstractmethod
    def of(self, epoch: int) -> Int[Tensor, " N"]:
        """Positions in the order of an epoch."""


class InOrder(Order):
    """The same order in every epoch, that of the samples."""

    def of(self, epoch: int) -> Int[Tensor, " N"]:
        """0 to N - 1."""
        return torch.arange(self._n)


class ShuffledWindows(Order):
    """Every window on its own, in any order.

    Args:
        n: positions per epoch.
        seed: source of chance; with the epoch's number it gives the epoch's order.
    """

    def __init__(self, n: int, seed: int) -> None:
        super().__init__(n)
        self._seed = seed

    def of(self, epoch: int) -> Int[Tensor, " N"]:
        """One of all permutations."""
        return torch.randperm(self._n, generator=_chance(self._seed, epoch))


class ShuffledTimes(Order):
    """Positions of all windows, those of one origin time next to each other, times in any order.

    A batch then holds whole cross-sections, as the long-horizon papers train, and its gradient is
    that of a few moments seen on every asset. Shuffling single windows mixes more moments.

    Args:
        origin: origin time of every position, as numbers or datetime64.
        seed: source of chance; with the epoch's number it gives the epoch's order.
    """

    def __init__(self, origin: Shaped[np.ndarray, " N"], seed: int) -> None:
        super().__init__(len(origin))
        times, time = np.unique(origin, return_inverse=True)
        self._n_times = len(times)
        self._time = torch.from_numpy(time.astype(np.int64))
        self._seed = seed

    def of(self, epoch: int) -> Int[Tensor, " N"]:
        """Times permuted, the positions of each in their own order."""
        place = torch.randperm(self._n_times, generator=_chance(self._seed, epoch))
        return torch.argsort(place[self._time], stable=True)


def order_of(samples: Samples, shuffle: Shuffle | None, seed: int) -> Order:
    """The order that shuffles so much of some samples; None leaves them as they are."""
    if shuffle is None:
        return InOrder(len(samples))
    if shuffle == "windows":
        return ShuffledWindows(len(samples), seed)
    return ShuffledTimes(samples.origin, seed)


def _chance(seed: int, epoch: int) -> torch.Generator:
    # One more than the epoch: zeros at the end of the keys count for nothing.
    return torch.Generator().manual_seed(derive_seed(seed, epoch + 1))
