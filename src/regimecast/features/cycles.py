"""Cycles: Ehlers' dominant cycle by the Hilbert transform."""

from functools import partial

import numpy as np
import talib
from jaxtyping import Float

from regimecast.features.base import FeatureRegistry
from regimecast.features.indicators import Indicator, IndicatorFamily, check_bars

__all__ = ["CycleFeatures"]

Column = Float[np.ndarray, " T"]


@FeatureRegistry.register("cycles")
class CycleFeatures(IndicatorFamily):
    """Length of the dominant cycle, its phase as a sine, and its amplitude.

    Args:
        settling: bars until the filters' start no longer matters.

    Raises:
        ConfigError: `settling` is below 63, the bars that TA-Lib needs.
    """

    def __init__(self, *, settling: int) -> None:
        check_bars("cycles.settling", settling, minimum=63)
        self._settling = settling

    def indicators(self) -> tuple[Indicator, ...]:
        """Columns in order."""
        columns = (
            ("cycle_period", "bars", talib.HT_DCPERIOD, "HT_DCPERIOD"),
            ("cycle_sine", "-1..1", partial(_sine, output=0), "HT_SINE; 0 without a cycle"),
            (
                "cycle_lead",
                "-1..1",
                partial(_sine, output=1),
                "HT_SINE, 45° ahead; 0 without a cycle",
            ),
            ("cycle_amplitude", "ratio to close", _amplitude, "HT_PHASOR, its length / close"),
        )
        return tuple(
            Indicator(
                name, self._settling, ("close",), units, f"TA-Lib {source} (Ehlers 2001)", function
            )
            for name, units, function, source in columns
        )


def _amplitude(close: Column) -> Column:
    return np.asarray(np.hypot(*talib.HT_PHASOR(close)) / close)


def _sine(close: Column, *, output: int) -> Column:
    # Of a price that stands still only rounding errors are left to have a phase.
    return np.where(_amplitude(close) > 1e-10, talib.HT_SINE(close)[output], 0.0)
