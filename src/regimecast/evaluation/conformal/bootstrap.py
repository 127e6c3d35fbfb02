"""Training samples of an ensemble: blocks of time drawn with replacement."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int
from typing_extensions import override

from regimecast.core.seeding import derive_seed
from regimecast.core.types import Samples
from regimecast.splits.purging import purge
from regimecast.splits.spans import ticks
from regimecast.weighting.base import Sampling

__all__ = ["BlockBootstrap", "Everything", "out_of_bag"]


class Everything(Sampling):
    """Each training sample once, whatever the run's own sampling is."""

    @override
    def draw(
        self, regime: Int[np.ndarray, " N"], generator: np.random.Generator
    ) -> Int[np.ndarray, " M"]:
        return np.arange(len(regime))


@dataclass(frozen=True, eq=False)
class BlockBootstrap(Sampling):
    """What another sampling draws, each sample as often as the blocks that hold its origin.

    Blocks are runs of distinct origin times, of all assets together, that begin anywhere and
    overlap (moving blocks: Künsch 1989, Annals of Statistics 17).
    """

    base: Sampling
    """Draws from the training samples first."""
    copies: Int[np.ndarray, " N"]
    """How often each training sample was drawn."""

    @classmethod
    def of(cls, base: Sampling, samples: Samples, *, block: int, seed: int) -> "BlockBootstrap":
        """A draw of as many origin times as there are.

        Args:
            base: of the run.
            samples: all training samples.
            block: bars; at most as many as there are origin times are used.
            seed: of this draw.
        """
        times, place = np.unique(ticks(samples.origin), return_inverse=True)
        length = min(block, len(times))
        generator = np.random.default_rng(derive_seed(seed))
        starts = generator.integers(0, len(times) - length + 1, size=-(-len(times) // length))
        drawn = (starts[:, None] + np.arange(length)).ravel()[: len(times)]
        return cls(base, np.bincount(drawn, minlength=len(times))[place])

    @override
    def draw(
        self, regime: Int[np.ndarray, " N"], generator: np.random.Generator
    ) -> Int[np.ndarray, " M"]:
        chosen = self.base.draw(regime, generator)
        return np.repeat(chosen, self.copies[chosen])


def out_of_bag(samples: Samples, copies: Int[np.ndarray, " N"]) -> Bool[np.ndarray, " N"]:
    """True for samples that a model did not see: not drawn, and no bar of a drawn label in theirs.

    Purged on labels, from the origin's bar to the last one the target reads, and not on whole
    windows: those are longer than any block.

    Args:
        samples: all training samples.
        copies: how often each was drawn.
    """
    labels = Samples(
        samples.row, samples.asset, samples.origin, samples.origin, samples.end, samples.end_row
    )
    return purge(labels, labels.take(np.flatnonzero(copies)))
