"""Trend: where the price stands against its own averages, and how steadily it moves."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import talib
from jaxtyping import Float

from regimecast.features.base import FeatureRegistry
from regimecast.features.indicators import Indicator, IndicatorFamily, check_bars, memory

__all__ = ["TrendFeatures"]

Column = Float[np.ndarray, " T"]


@FeatureRegistry.register("trend")
class TrendFeatures(IndicatorFamily):
    """Gaps to moving averages, MACD, directional movement, Aroon, slope and TRIX.

    Args:
        sma_windows: bars of the simple averages.
        ema_spans: bars of the exponential averages, alpha = 2 / (span + 1).
        macd_fast: span of MACD's fast average.
        macd_slow: span of MACD's slow average.
        macd_signal: span of MACD's signal line.
        adx_window: bars of Wilder's directional movement.
        aroon_window: bars of Aroon.
        slope_window: bars of the regression line.
        trix_window: span of each of TRIX's three averages.

    Raises:
        ConfigError: a window is too short.
    """

    def __init__(
        self,
        *,
        sma_windows: Sequence[int],
        ema_spans: Sequence[int],
        macd_fast: int,
        macd_slow: int,
        macd_signal: int,
        adx_window: int,
        aroon_window: int,
        slope_window: int,
        trix_window: int,
    ) -> None:
        check_bars("trend.sma_windows", *sma_windows, minimum=2)
        check_bars("trend.ema_spans", *ema_spans, minimum=2)
        check_bars("trend.macd_fast", macd_fast, minimum=2)
        check_bars("trend.macd_slow", macd_slow, minimum=macd_fast + 1)
        check_bars("trend.macd_signal", macd_signal, minimum=2)
        check_bars("trend.adx_window", adx_window, minimum=2)
        check_bars("trend.aroon_window", aroon_window, minimum=2)
        check_bars("trend.slope_window", slope_window, minimum=2)
        check_bars("trend.trix_window", trix_window, minimum=2)
        self._sma_windows = tuple(sma_windows)
        self._ema_spans = tuple(ema_spans)
        self._macd = (macd_fast, macd_slow, macd_signal)
        self._adx_window = adx_window
        self._aroon_window = aroon_window
        self._slope_window = slope_window
        self._trix_window = trix_window

    def indicators(self) -> tuple[Indicator, ...]:
        """Columns in order."""
        return (*self._averages(), *self._convergence(), *self._directional(), *self._lines())

    def _averages(self) -> list[Indicator]:
        simple = [
            Indicator(
                f"sma_gap_{window}",
                window - 1,
                ("close",),
                "log ratio",
                "ln(close / TA-Lib SMA)",
                partial(_gap, average=talib.SMA, window=window),
            )
            for window in self._sma_windows
        ]
        exponential = [
            Indicator(
                f"ema_gap_{span}",
                span - 1 + memory(_alpha(span)),
                ("close",),
                "log ratio",
                "ln(close / TA-Lib EMA)",
                partial(_gap, average=talib.EMA, window=span),
            )
            for span in self._ema_spans
        ]
        return simple + exponential

    def _convergence(self) -> list[Indicator]:
        fast, slow, signal = self._macd
        lookback = slow + signal - 2 + memory(_alpha(slow), _alpha(signal))

        def macd(close: Column, *, output: int) -> Column:
            return np.asarray(talib.MACD(close, fast, slow, signal)[output] / close)

        return [
            Indicator(
                name,
                lookback,
                ("close",),
                "ratio to close",
                "TA-Lib MACD / close (Appel 1979)",
                partial(macd, output=output),
            )
            for name, output in (("macd", 0), ("macd_histogram", 2))
        ]

    def _directional(self) -> list[Indicator]:
        window = self._adx_window

        def balance(high: Column, low: Column, close: Column) -> Column:
            plus = talib.PLUS_DI(high, low, close, window)
            return np.asarray(plus - talib.MINUS_DI(high, low, close, window))

        return [
            Indicator(
                f"adx_{window}",
                2 * window - 1 + memory(1 / window, 1 / window),
                ("high", "low", "close"),
                "0..100",
                "TA-Lib ADX (Wilder 1978)",
                partial(talib.ADX, timeperiod=window),
            ),
            Indicator(
                f"directional_balance_{window}",
                window + memory(1 / window),
                ("high", "low", "close"),
                "-100..100",
                "TA-Lib PLUS_DI - MINUS_DI (Wilder 1978)",
                balance,
            ),
        ]

    def _lines(self) -> list[Indicator]:
        aroon, slope, trix = self._aroon_window, self._slope_window, self._trix_window

        def regression_slope(close: Column) -> Column:
            return np.asarray(talib.LINEARREG_SLOPE(np.log(close), slope))

        return [
            Indicator(
                f"aroon_{aroon}",
                aroon,
                ("high", "low"),
                "-100..100",
                "TA-Lib AROONOSC (Chande 1995)",
                partial(talib.AROONOSC, timeperiod=aroon),
            ),
            Indicator(
                f"slope_{slope}",
                slope - 1,
                ("close",),
                "log return per bar",
                "TA-Lib LINEARREG_SLOPE of ln(close)",
                regression_slope,
            ),
            Indicator(
                f"trix_{trix}",
                3 * (trix - 1) + 1 + memory(*[_alpha(trix)] * 3),
                ("close",),
                "percent per bar",
                "TA-Lib TRIX (Hutson 1983)",
                partial(talib.TRIX, timeperiod=trix),
            ),
        ]


def _alpha(span: int) -> float:
    return 2.0 / (span + 1)


def _gap(close: Column, *, average: Callable[..., np.ndarray], window: int) -> Column:
    return np.asarray(np.log(close / average(close, window)))
