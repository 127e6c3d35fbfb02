"""No sampling: the training set as it is."""

import numpy as np
from jaxtyping import Int

from regimecast.weighting.base import Sampling, SamplingRegistry

__all__ = ["NaturalSampling"]


@SamplingRegistry.register("natural")
class NaturalSampling(Sampling):
    """Every training sample once, those with an unknown regime included."""

    def draw(
        self, regime: Int[np.ndarray, " N"], generator: np.random.Generator
    ) -> Int[np.ndarray, " M"]:
        """All positions; see `Sampling.draw`."""
        return np.arange(len(regime))
