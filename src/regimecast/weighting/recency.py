"""Weights that halve with age."""

import numpy as np
from jaxtyping import Float, Int

from regimecast.core.errors import ConfigError
from regimecast.core.types import Samples
from regimecast.weighting.base import Weighting, WeightingRegistry

__all__ = ["RecencyWeighting"]


@WeightingRegistry.register("recency")
class RecencyWeighting(Weighting):
    """Weight 2^(-age / half_life), never below `floor`.

    Age is measured from the latest origin among the samples given. Without a floor old crashes are
    forgotten: at a half-life of 60 days a sample five years old weighs 2^-30.

    Args:
        half_life: days in which a weight halves.
        floor: least weight, relative to the newest sample's; 0 for none.

    Raises:
        ConfigError: the half-life is not positive, or the floor is not in [0, 1].
    """

    def __init__(self, *, half_life: float, floor: float) -> None:
        if not half_life > 0:
            raise ConfigError(f"weighting.recency.half_life={half_life!r} is not above 0 days")
        if not 0 <= floor <= 1:
            raise ConfigError(f"weighting.recency.floor={floor!r} is not in [0, 1]")
        self._half_life = half_life
        self._floor = floor

    def weigh(self, samples: Samples, regime: Int[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
        """Weight by age, at most 1; see `Weighting.weigh`."""
        if len(samples) == 0:
            return np.ones(0)
        age = (samples.origin.max() - samples.origin) / np.timedelta64(1, "D")
        return np.maximum(np.exp2(-age / self._half_life), self._floor)
