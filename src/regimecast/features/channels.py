"""Channels: where the price stands between moving bounds, and on which side of a trailing stop."""

from functools import partial

import numpy as np
import talib
from jaxtyping import Float

from regimecast.core.errors import ConfigError
from regimecast.features.base import FeatureRegistry
from regimecast.features.indicators import Indicator, IndicatorFamily, check_bars, memory
from regimecast.features.rolling import ratio

__all__ = ["ChannelFeatures"]

Column = Float[np.ndarray, " T"]

_BARS = ("high", "low", "close")


@FeatureRegistry.register("channels")
class ChannelFeatures(IndicatorFamily):
    """Position in Donchian's, Keltner's and Headley's channels; distance to trailing stops.

    Args:
        donchian_window: bars of the highest high and the lowest low.
        keltner_span: span of the exponential average in the middle.
        keltner_atr: bars of the average true range that the bounds are two of apart from it.
        acceleration_window: bars of Headley's acceleration bands.
        sar_acceleration: step by which Wilder's parabolic stop accelerates.
        sar_maximum: its greatest acceleration.
        supertrend_window: bars of the supertrend's average true range.
        supertrend_width: average true ranges from the middle to the supertrend's stop.

    Raises:
        ConfigError: a window is too short, or a step or width is not positive.
    """

    def __init__(
        self,
        *,
        donchian_window: int,
        keltner_span: int,
        keltner_atr: int,
        acceleration_window: int,
        sar_acceleration: float,
        sar_maximum: float,
        supertrend_window: int,
        supertrend_width: float,
    ) -> None:
        check_bars("channels.donchian_window", donchian_window, minimum=2)
        check_bars("channels.keltner_span", keltner_span, minimum=2)
        check_bars("channels.keltner_atr", keltner_atr, minimum=2)
        check_bars("channels.acceleration_window", acceleration_window, minimum=2)
        check_bars("channels.supertrend_window", supertrend_window, minimum=2)
        if not 0.0 < sar_acceleration <= sar_maximum <= 1.0:
            raise ConfigError(
                f"features.channels: sar_acceleration={sar_acceleration!r}, "
                f"sar_maximum={sar_maximum!r}; allowed: 0 < acceleration <= maximum <= 1"
            )
        if not supertrend_width > 0.0:
            raise ConfigError(
                f"features.channels.supertrend_width={supertrend_width!r}; allowed: above 0"
            )
        self._donchian = donchian_window
        self._keltner = (keltner_span, keltner_atr)
        self._acceleration = acceleration_window
        self._sar = (float(sar_acceleration), float(sar_maximum))
        self._supertrend = (supertrend_window, float(supertrend_width))

    def indicators(self) -> tuple[Indicator, ...]:
        """Columns in order."""
        return (*self._positions(), *self._stops())

    def _positions(self) -> list[Indicator]:
        span, atr = self._keltner
        keltner = max(span - 1 + memory(2 / (span + 1)), atr + memory(1 / atr))
        columns = (
            (
                f"donchian_position_{self._donchian}",
                self._donchian - 1,
                partial(_donchian, window=self._donchian),
                "TA-Lib DONCHIAN (Donchian 1960)",
            ),
            (
                f"keltner_position_{span}",
                keltner,
                partial(_keltner, span=span, atr=atr),
                "TA-Lib KC (Keltner 1960, Raschke)",
            ),
            (
                f"acceleration_position_{self._acceleration}",
                self._acceleration - 1,
                partial(_acceleration, window=self._acceleration),
                "TA-Lib ACCBANDS (Headley 2002)",
            ),
        )
        return [
            Indicator(
                name,
                lookback,
                _BARS,
                "half widths from the middle",
                f"{source}; 0 where the channel has no width",
                function,
            )
            for name, lookback, function, source in columns
        ]

    def _stops(self) -> list[Indicator]:
        acceleration, maximum = self._sar
        window, width = self._supertrend
        # A stop is forgotten at its second turn; the number of bars until then is the market's.
        # These are as many as the S&P 500 takes in all but a few stretches.
        sar, supertrend = 126, window + 126
        return [
            Indicator(
                "sar_gap",
                sar,
                _BARS,
                "ratio to close",
                "1 - TA-Lib SAR / close (Wilder 1978)",
                partial(_sar, acceleration=acceleration, maximum=maximum),
            ),
            Indicator(
                f"supertrend_gap_{window}",
                supertrend,
                _BARS,
                "ratio to close",
                "1 - TA-Lib SUPERTREND / close (Seban)",
                partial(_supertrend, window=window, width=width),
            ),
        ]


def _position(close: Column, upper: Column, middle: Column, lower: Column) -> Column:
    half = (upper - lower) / 2.0
    # A narrower channel is the rounding error of running sums.
    return ratio(close - middle, np.where(half > 1e-9 * middle, half, 0.0), otherwise=0.0)


def _donchian(high: Column, low: Column, close: Column, window: int) -> Column:
    return _position(close, *talib.DONCHIAN(high, low, window))


def _keltner(high: Column, low: Column, close: Column, span: int, atr: int) -> Column:
    return _position(close, *talib.KC(high, low, close, span, atr, 2.0))


def _acceleration(high: Column, low: Column, close: Column, window: int) -> Column:
    return _position(close, *talib.ACCBANDS(high, low, close, window))


def _sar(high: Column, low: Column, close: Column, acceleration: float, maximum: float) -> Column:
    return np.asarray(1.0 - talib.SAR(high, low, acceleration, maximum) / close)


def _supertrend(high: Column, low: Column, close: Column, window: int, width: float) -> Column:
    stop, _ = talib.SUPERTREND(high, low, close, window, width)
    return np.asarray(1.0 - stop / close)
