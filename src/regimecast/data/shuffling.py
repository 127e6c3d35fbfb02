"""Orders in which training windows are shuffled."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
from jaxtyping import Shaped
from torch.utils.data import Sampler

__all__ = ["Shuffle", "ShuffledTimes"]

Shuffle = Literal["windows", "times"]
"""What is shuffled: single windows, or bar times with the windows of every asset at each."""


class ShuffledTimes(Sampler[int]):
    """Positions of all windows, those of one origin time next to each other, times in any order.

    A batch then holds whole cross-sections, as the long-horizon papers train, and its gradient is
    that of a few moments seen on every asset. Shuffling single windows mixes more moments.

    Args:
        origin: origin time of every position, as numbers or datetime64.
        generator: source of chance; every epoch draws a new order from it.
    """

    def __init__(self, origin: Shaped[np.ndarray, " N"], generator: torch.Generator) -> None:
        times, time = np.unique(origin, return_inverse=True)
        self._n_times = len(times)
        self._time = torch.from_numpy(time.astype(np.int64))
        self._generator = generator

    def __iter__(self) -> Iterator[int]:
        """One epoch."""
        place = torch.randperm(self._n_times, generator=self._generator)
        yield from torch.argsort(place[self._time], stable=True).tolist()

    def __len__(self) -> int:
        return len(self._time)
