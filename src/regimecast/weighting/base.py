"""What a weighting and a sampling are. One .py and one .yaml add either."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int

from regimecast.core.registry import Registry
from regimecast.core.types import Samples

__all__ = ["Sampling", "SamplingRegistry", "Weighting", "WeightingRegistry"]


class Weighting(ABC):
    """Rule that says how much each sample counts in the loss, relative to the others.

    Several weightings compose by product (`weighting.compose.sample_weights`), normalised once over
    the training set to mean 1. The weight k means the same as k copies of the sample.
    """

    name: ClassVar[str]

    @abstractmethod
    def weigh(self, samples: Samples, regime: Int[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
        """Non-negative float64 weights, not normalised.

        Args:
            samples: training samples.
            regime: regime code known at each origin, -1 where unknown.
        """


class Sampling(ABC):
    """Rule that draws training samples after the split; validation and test are never drawn."""

    name: ClassVar[str]

    @abstractmethod
    def draw(
        self, regime: Int[np.ndarray, " N"], generator: np.random.Generator
    ) -> Int[np.ndarray, " M"]:
        """Positions into the training samples, repeats allowed, ascending.

        Raises:
            ConfigError: a target share cannot be reached, such as a regime with no sample.
        """


WeightingRegistry: Registry[Weighting] = Registry(
    "weighting", Weighting, package="regimecast.weighting", attribute="WeightingRegistry"
)
"""Every weighting by name; see `Registry`."""

SamplingRegistry: Registry[Sampling] = Registry(
    "sampling", Sampling, package="regimecast.weighting", attribute="SamplingRegistry"
)
"""Every sampling by name; see `Registry`."""
