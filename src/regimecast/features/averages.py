"""Averages: where the price stands against averages that lag less, or adapt to the market."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import talib
from jaxtyping import Float

from regimecast.core.errors import ConfigError
from regimecast.features.base import FeatureRegistry
from regimecast.features.indicators import Indicator, IndicatorFamily, check_bars, memory

__all__ = ["AverageFeatures"]

Column = Float[np.ndarray, " T"]

_EFFICIENCY = 0.2
"""Kaufman's efficiency ratio in a market without a trend; his average's memory follows from it."""


@FeatureRegistry.register("averages")
class AverageFeatures(IndicatorFamily):
    """Gaps to Kaufman's, double, triple, T3, Hull, zero-lag, MESA and Hilbert averages.

    Args:
        kama_window: bars of Kaufman's efficiency ratio.
        dema_span: span of each of the two averages of DEMA.
        tema_span: span of each of the three averages of TEMA.
        t3_span: span of each of the six averages of T3.
        t3_factor: volume factor of T3, 0 for a plain average, 1 for the fastest.
        hull_window: bars of Hull's average.
        zero_lag_span: span of the zero-lag average.
        mesa_limits: slow and fast limit of the MESA average's alpha, in (0, 1).

    Raises:
        ConfigError: a window is too short, or a factor is outside its range.
    """

    def __init__(
        self,
        *,
        kama_window: int,
        dema_span: int,
        tema_span: int,
        t3_span: int,
        t3_factor: float,
        hull_window: int,
        zero_lag_span: int,
        mesa_limits: Sequence[float],
    ) -> None:
        check_bars("averages.kama_window", kama_window, minimum=2)
        check_bars("averages.dema_span", dema_span, minimum=2)
        check_bars("averages.tema_span", tema_span, minimum=2)
        check_bars("averages.t3_span", t3_span, minimum=2)
        check_bars("averages.hull_window", hull_window, minimum=4)
        check_bars("averages.zero_lag_span", zero_lag_span, minimum=3)
        if not 0.0 <= t3_factor <= 1.0:
            raise ConfigError(f"features.averages.t3_factor={t3_factor!r}; allowed: 0 to 1")
        if len(mesa_limits) != 2 or not 0.01 <= mesa_limits[0] < mesa_limits[1] <= 0.99:
            raise ConfigError(
                f"features.averages.mesa_limits={list(mesa_limits)}; "
                "allowed: a slow and a faster limit between 0.01 and 0.99, such as [0.05, 0.5]"
            )
        self._kama_window = kama_window
        self._dema_span = dema_span
        self._tema_span = tema_span
        self._t3 = (t3_span, float(t3_factor))
        self._hull_window = hull_window
        self._zero_lag_span = zero_lag_span
        self._mesa = (float(mesa_limits[0]), float(mesa_limits[1]))

    def indicators(self) -> tuple[Indicator, ...]:
        """Columns in order."""
        t3, factor = self._t3
        slow, fast = self._mesa
        kama, hull, zero = self._kama_window, self._hull_window, self._zero_lag_span
        adaptive = (_EFFICIENCY * (2 / 3 - 2 / 31) + 2 / 31) ** 2
        mesa = partial(talib.MAMA, fastlimit=fast, slowlimit=slow)
        columns: tuple[tuple[str, int, Callable[..., object], str], ...] = (
            (
                f"kama_gap_{kama}",
                kama + memory(adaptive),
                partial(talib.KAMA, timeperiod=kama),
                "KAMA (Kaufman 1995)",
            ),
            _exponential("dema", 2, self._dema_span, talib.DEMA, "DEMA (Mulloy 1994)"),
            _exponential("tema", 3, self._tema_span, talib.TEMA, "TEMA (Mulloy 1994)"),
            _exponential("t3", 6, t3, partial(talib.T3, vfactor=factor), "T3 (Tillson 1998)"),
            (
                f"hull_gap_{hull}",
                hull - 2 + int(np.sqrt(hull)),
                partial(talib.HMA, timeperiod=hull),
                "HMA (Hull 2005)",
            ),
            (
                f"zero_lag_gap_{zero}",
                zero - 1 + (zero - 1) // 2 + memory(2 / (zero + 1)),
                partial(talib.ZLEMA, timeperiod=zero),
                "ZLEMA (Ehlers and Way 2010)",
            ),
            ("mama_gap", 32 + memory(slow), lambda c: mesa(c)[0], "MAMA (Ehlers 2001)"),
            (
                "fama_gap",
                32 + memory(slow, slow / 2),
                lambda c: mesa(c)[1],
                "FAMA (Ehlers 2001)",
            ),
            # Ehlers' filters settle within some periods of the longest cycle that they look for.
            ("hilbert_gap", 63 + 100, talib.HT_TRENDLINE, "HT_TRENDLINE (Ehlers 2001)"),
        )
        return tuple(
            Indicator(
                name,
                lookback,
                ("close",),
                "ratio to close",
                f"1 - TA-Lib {source} / close",
                partial(_gap, average=average),
            )
            for name, lookback, average, source in columns
        )


def _exponential(
    name: str, stages: int, span: int, average: Callable[..., object], source: str
) -> tuple[str, int, Callable[..., object], str]:
    lookback = stages * (span - 1) + memory(*[2 / (span + 1)] * stages)
    return f"{name}_gap_{span}", lookback, partial(average, timeperiod=span), source


def _gap(close: Column, *, average: Callable[..., object]) -> Column:
    # Not a logarithm: an average without lag can overshoot below 0.
    return np.asarray(1.0 - np.asarray(average(close)) / close)
