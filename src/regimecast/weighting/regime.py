"""Weights by market regime."""

import math

import numpy as np
from jaxtyping import Float, Int

from regimecast.core.errors import ConfigError
from regimecast.core.types import Samples
from regimecast.weighting.base import Weighting, WeightingRegistry

__all__ = ["RegimeWeighting"]


@WeightingRegistry.register("regime")
class RegimeWeighting(Weighting):
    """One multiplier per regime at the origin, so that rare regimes are not drowned by calm ones.

    With a balanced sampling the two compound: what counts is `WeightReport.emphasis`.

    Args:
        low_volatility: multiplier of samples whose origin lies in that regime.
        normal: the same.
        high_volatility: the same.
        crash: the same.
        recovery: the same.
        unknown: multiplier where the regime is not known (-1).

    Raises:
        ConfigError: a multiplier is negative or not finite.
    """

    def __init__(
        self,
        *,
        low_volatility: float,
        normal: float,
        high_volatility: float,
        crash: float,
        recovery: float,
        unknown: float,
    ) -> None:
        # In the order of the regime codes; code -1 finds the last one.
        multipliers = {
            "low_volatility": low_volatility,
            "normal": normal,
            "high_volatility": high_volatility,
            "crash": crash,
            "recovery": recovery,
            "unknown": unknown,
        }
        for name, value in multipliers.items():
            if not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"weighting.regime.{name}={value!r}; allowed: 0 or more")
        self._multipliers = np.array(list(multipliers.values()), dtype=np.float64)

    def weigh(self, samples: Samples, regime: Int[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
        """Each sample's multiplier; see `Weighting.weigh`."""
        return self._multipliers[regime]
