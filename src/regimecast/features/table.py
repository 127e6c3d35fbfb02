"""`FeatureTable`: features of the rows of a panel."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from regimecast.features.base import Feature

__all__ = ["FeatureTable"]


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Past features of every row of a panel, as known at each close."""

    values: Float[np.ndarray, "R F"]
    """float32, NaN in warm-up and after gaps, never infinite."""
    features: tuple[Feature, ...]
    """Declarations of the columns; lookbacks and lags include the inputs' availability lags."""

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(feature.name for feature in self.features)

    @property
    def lookbacks(self) -> tuple[int, ...]:
        """Bars before t that each column reads."""
        return tuple(feature.lookback for feature in self.features)

    @property
    def lookback(self) -> int:
        """Most bars before t that any column reads; 0 without columns."""
        return max(self.lookbacks, default=0)
