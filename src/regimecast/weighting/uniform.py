"""Every sample counts the same."""

import numpy as np
from jaxtyping import Float, Int

from regimecast.core.types import Samples
from regimecast.weighting.base import Weighting, WeightingRegistry

__all__ = ["UniformWeighting"]


@WeightingRegistry.register("uniform")
class UniformWeighting(Weighting):
    """Weight 1 for every sample."""

    def weigh(self, samples: Samples, regime: Int[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
        """Ones; see `Weighting.weigh`."""
        return np.ones(len(samples))
