"""Momentum: how far and how fast the price has moved."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import talib
from jaxtyping import Float

from regimecast.core.errors import ConfigError
from regimecast.features.base import FeatureRegistry
from regimecast.features.indicators import Indicator, IndicatorFamily, check_bars, memory
from regimecast.features.rolling import log_return

__all__ = ["MomentumFeatures"]

Column = Float[np.ndarray, " T"]


@FeatureRegistry.register("momentum")
class MomentumFeatures(IndicatorFamily):
    """Log returns and bounded oscillators.

    Oscillators are TA-Lib's and give 0 where the range that they divide by is 0.

    Args:
        return_windows: bars of the log returns.
        rsi_windows: bars of Wilder's relative strength index.
        stochastic_window: bars of the stochastic oscillator's range.
        stochastic_smoothing: bars of each of its two averages, %K and %D.
        williams_window: bars of Williams %R.
        cci_window: bars of the commodity channel index.
        ultimate_windows: the three windows of the ultimate oscillator, ascending.

    Raises:
        ConfigError: a window is too short, or there are not three ascending ultimate windows.
    """

    def __init__(
        self,
        *,
        return_windows: Sequence[int],
        rsi_windows: Sequence[int],
        stochastic_window: int,
        stochastic_smoothing: int,
        williams_window: int,
        cci_window: int,
        ultimate_windows: Sequence[int],
    ) -> None:
        check_bars("momentum.return_windows", *return_windows, minimum=1)
        check_bars("momentum.rsi_windows", *rsi_windows, minimum=2)
        check_bars("momentum.stochastic_window", stochastic_window, minimum=2)
        check_bars("momentum.stochastic_smoothing", stochastic_smoothing, minimum=1)
        check_bars("momentum.williams_window", williams_window, minimum=2)
        check_bars("momentum.cci_window", cci_window, minimum=2)
        check_bars("momentum.ultimate_windows", *ultimate_windows, minimum=1)
        if len(ultimate_windows) != 3 or sorted(set(ultimate_windows)) != list(ultimate_windows):
            raise ConfigError(
                f"features.momentum.ultimate_windows={list(ultimate_windows)}; "
                "allowed: three ascending windows, such as [7, 14, 28]"
            )
        self._return_windows = tuple(return_windows)
        self._rsi_windows = tuple(rsi_windows)
        self._stochastic = (stochastic_window, stochastic_smoothing)
        self._williams_window = williams_window
        self._cci_window = cci_window
        self._ultimate_windows = tuple(ultimate_windows)

    def indicators(self) -> tuple[Indicator, ...]:
        """Columns in order."""
        returns = [
            Indicator(
                f"return_{window}",
                window,
                ("close",),
                "log return",
                "ln(close[t] / close[t - window])",
                partial(log_return, bars=window),
            )
            for window in self._return_windows
        ]
        strength = [
            Indicator(
                f"rsi_{window}",
                window + memory(1 / window),
                ("close",),
                "0..100",
                "TA-Lib RSI (Wilder 1978)",
                partial(talib.RSI, timeperiod=window),
            )
            for window in self._rsi_windows
        ]
        return (*returns, *strength, *self._stochastics(), *self._oscillators())

    def _stochastics(self) -> list[Indicator]:
        window, smoothing = self._stochastic

        def stochastic(high: Column, low: Column, close: Column, *, output: int) -> Column:
            lines = talib.STOCH(
                high,
                low,
                close,
                fastk_period=window,
                slowk_period=smoothing,
                slowd_period=smoothing,
            )
            return np.asarray(lines[output])

        return [
            Indicator(
                f"stochastic_{line}_{window}",
                window - 1 + 2 * (smoothing - 1),
                ("high", "low", "close"),
                "0..100",
                "TA-Lib STOCH (Lane 1984)",
                partial(stochastic, output=output),
            )
            for output, line in enumerate("kd")
        ]

    def _oscillators(self) -> list[Indicator]:
        bars = ("high", "low", "close")
        short, middle, long = self._ultimate_windows

        def commodity_channel(high: Column, low: Column, close: Column) -> Column:
            window = self._cci_window
            values = talib.CCI(high, low, close, window)
            # Without movement TA-Lib divides one rounding error by another.
            still = talib.MAX(high, window) == talib.MIN(low, window)
            return np.where(still, 0.0, values)

        return [
            Indicator(
                f"williams_r_{self._williams_window}",
                self._williams_window - 1,
                bars,
                "-100..0",
                "TA-Lib WILLR (Williams 1973)",
                partial(talib.WILLR, timeperiod=self._williams_window),
            ),
            Indicator(
                f"cci_{self._cci_window}",
                self._cci_window - 1,
                bars,
                "mean deviations / 0.015",
                "TA-Lib CCI (Lambert 1980)",
                commodity_channel,
            ),
            Indicator(
                "ultimate_oscillator",
                long,
                bars,
                "0..100",
                "TA-Lib ULTOSC (Williams 1985)",
                partial(talib.ULTOSC, timeperiod1=short, timeperiod2=middle, timeperiod3=long),
            ),
        ]
