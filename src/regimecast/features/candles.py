"""Candles: what one bar's open, high, low and close say about the trade inside it."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import talib
from jaxtyping import Float

from regimecast.core.errors import ConfigError
from regimecast.features.base import FeatureRegistry
from regimecast.features.indicators import Indicator, IndicatorFamily, check_bars
from regimecast.features.patterns import pattern_functions, pattern_lookback
from regimecast.features.rolling import ratio, rolling_mean

__all__ = ["CandleFeatures"]

Column = Float[np.ndarray, " T"]

_OHLC = ("open", "high", "low", "close")


@FeatureRegistry.register("candles")
class CandleFeatures(IndicatorFamily):
    """Shares of the bar's range, gap, range, and a count of classic patterns.

    Shares are 0 where a bar has no range.

    Args:
        patterns: TA-Lib candlestick patterns in lower case without ``CDL``, such as ``engulfing``.
        pattern_window: bars over which bullish patterns count +1 and bearish ones -1.

    Raises:
        ConfigError: TA-Lib has no such pattern, there is none, or the window is too short.
    """

    def __init__(self, *, patterns: Sequence[str], pattern_window: int) -> None:
        if not patterns:
            raise ConfigError("features.candles.patterns is empty; name one, such as engulfing")
        check_bars("candles.pattern_window", pattern_window, minimum=1)
        self._patterns = tuple(patterns)
        self._functions = pattern_functions("candles", patterns)
        self._pattern_window = pattern_window

    def indicators(self) -> tuple[Indicator, ...]:
        """Columns in order."""
        shares = (
            ("body", _OHLC, talib.BOP, "TA-Lib BOP, (close - open) / range (Livshin 2001)"),
            ("upper_shadow", _OHLC, _upper_shadow, "(high - top of the body) / range"),
            ("lower_shadow", _OHLC, _lower_shadow, "(bottom of the body - low) / range"),
            ("close_location", ("high", "low", "close"), _close_location, "place in the range"),
        )
        logs = (
            ("gap", 1, ("open", "close"), _gap, "ln(open / close before)"),
            ("open_to_close", 0, ("open", "close"), _log_ratio, "ln(close / open)"),
            ("range", 0, ("low", "high"), _log_ratio, "ln(high / low)"),
        )
        return (
            *(
                Indicator(f"candle_{name}", 0, inputs, "share of the range", source, function)
                for name, inputs, function, source in shares
            ),
            *(
                Indicator(f"candle_{name}", lookback, inputs, "log return", source, function)
                for name, lookback, inputs, function, source in logs
            ),
            self._balance(),
        )

    def _balance(self) -> Indicator:
        needed = max(pattern_lookback(name) for name in self._functions)
        window = self._pattern_window
        return Indicator(
            f"candle_patterns_{window}",
            needed + window - 1,
            _OHLC,
            "patterns per bar",
            f"bullish - bearish TA-Lib patterns: {', '.join(self._patterns)}",
            partial(_balance, functions=self._functions, window=window),
        )


def _upper_shadow(open_: Column, high: Column, low: Column, close: Column) -> Column:
    return ratio(high - np.maximum(open_, close), high - low, otherwise=0.0)


def _lower_shadow(open_: Column, high: Column, low: Column, close: Column) -> Column:
    return ratio(np.minimum(open_, close) - low, high - low, otherwise=0.0)


def _close_location(high: Column, low: Column, close: Column) -> Column:
    return ratio(2.0 * close - high - low, high - low, otherwise=0.0)


def _gap(open_: Column, close: Column) -> Column:
    result = np.full(len(close), np.nan)
    result[1:] = np.log(open_[1:] / close[:-1])
    return result


def _log_ratio(before: Column, after: Column) -> Column:
    return np.log(after / before)


def _balance(
    open_: Column,
    high: Column,
    low: Column,
    close: Column,
    *,
    functions: Sequence[str],
    window: int,
) -> Column:
    signs = sum(np.sign(getattr(talib, name)(open_, high, low, close)) for name in functions)
    return np.asarray(rolling_mean(np.asarray(signs, dtype=np.float64), window))
