"""Patterns: each of TA-Lib's candlestick patterns as a column of its own."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import talib
from jaxtyping import Float
from talib import abstract

from regimecast.core.errors import ConfigError, did_you_mean
from regimecast.features.base import FeatureRegistry
from regimecast.features.indicators import Indicator, IndicatorFamily

__all__ = ["PatternFeatures", "pattern_functions", "pattern_lookback"]

Column = Float[np.ndarray, " T"]

_PREFIX = "CDL"


@FeatureRegistry.register("patterns")
class PatternFeatures(IndicatorFamily):
    """Candlestick patterns that a bar completes: 1 bullish, -1 bearish, 0 none.

    Args:
        patterns: TA-Lib's names in lower case without ``CDL``, such as ``morningstar``.

    Raises:
        ConfigError: TA-Lib has no such pattern.
    """

    def __init__(self, *, patterns: Sequence[str]) -> None:
        self._functions = pattern_functions("patterns", patterns)

    def indicators(self) -> tuple[Indicator, ...]:
        """Columns in order."""
        return tuple(
            Indicator(
                f"pattern_{function.removeprefix(_PREFIX).lower()}",
                pattern_lookback(function),
                ("open", "high", "low", "close"),
                "-1, 0 or 1",
                f"sign of TA-Lib {function}",
                partial(_sign, function=function),
            )
            for function in self._functions
        )


def pattern_functions(family: str, patterns: Sequence[str]) -> tuple[str, ...]:
    """TA-Lib's functions of candlestick patterns, named in lower case without ``CDL``.

    Raises:
        ConfigError: TA-Lib has no such pattern.
    """
    known = {
        name.removeprefix(_PREFIX).lower()
        for name in talib.get_function_groups()["Pattern Recognition"]
    }
    for pattern in patterns:
        if pattern not in known:
            raise ConfigError(
                f"features.{family}.patterns has {pattern!r}, which TA-Lib does not know."
                f"{did_you_mean(pattern, known)} Allowed: {', '.join(sorted(known))}"
            )
    return tuple(f"{_PREFIX}{pattern.upper()}" for pattern in patterns)


def pattern_lookback(function: str) -> int:
    """Bars before a bar that one of these functions reads."""
    return int(abstract.Function(function).lookback)  # type: ignore[attr-defined]  # absent in stub


def _sign(open_: Column, high: Column, low: Column, close: Column, *, function: str) -> Column:
    return np.sign(getattr(talib, function)(open_, high, low, close)).astype(np.float64)
