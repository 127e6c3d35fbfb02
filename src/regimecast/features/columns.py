"""Columns of the source as they are: a signal, a sentiment, a funding rate of one's own."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from regimecast.core.errors import ConfigError
from regimecast.features.base import FeatureRegistry
from regimecast.features.indicators import PRICES, Indicator, IndicatorFamily

__all__ = ["ColumnFeatures"]


@FeatureRegistry.register("columns")
class ColumnFeatures(IndicatorFamily):
    """Values of columns as they were known at each close.

    Args:
        names: columns of the source whose values mean the same at all times, which prices do not.

    Raises:
        ConfigError: no name, one twice, or that of a price.
    """

    def __init__(self, *, names: Sequence[str]) -> None:
        if not names or len(set(names)) != len(names) or PRICES & set(names):
            raise ConfigError(
                f"features.columns.names={list(names)}; allowed: one or more columns, each once, "
                f"but not {', '.join(sorted(PRICES))}, whose level says nothing"
            )
        self._names = tuple(names)

    def indicators(self) -> tuple[Indicator, ...]:
        """Columns in order."""
        return tuple(
            Indicator(
                f"{name}_value", 0, (name,), "the column's own", "the source's column", _as_it_is
            )
            for name in self._names
        )


def _as_it_is(values: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    return values
