"""Volatility: how much the price moves, from closes and from ranges, and on which side."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import talib
from jaxtyping import Float

from regimecast.core.errors import ConfigError
from regimecast.features.base import FeatureRegistry
from regimecast.features.indicators import Indicator, IndicatorFamily, check_bars, memory
from regimecast.features.rolling import (
    exponential_mean,
    log_return,
    ratio,
    rolling_mean,
    rolling_std,
)

__all__ = ["VolatilityFeatures"]

Column = Float[np.ndarray, " T"]

_OHLC = ("open", "high", "low", "close")


@FeatureRegistry.register("volatility")
class VolatilityFeatures(IndicatorFamily):
    """Close-to-close and range estimators, Bollinger bands, downside and jump shares.

    Args:
        realised_windows: bars of the standard deviation of log returns, ascending; the first over
            the last gives the term ratio.
        ewma_decay: weight that the variance so far keeps at the next bar, in (0, 1).
        atr_window: bars of Wilder's average true range.
        range_window: bars of the range estimators.
        bollinger_window: bars of Bollinger's bands, two standard deviations wide.
        share_window: bars of the downside share, the jump share and the dispersion.

    Raises:
        ConfigError: a window is too short, or the decay is not between 0 and 1.
    """

    def __init__(
        self,
        *,
        realised_windows: Sequence[int],
        ewma_decay: float,
        atr_window: int,
        range_window: int,
        bollinger_window: int,
        share_window: int,
    ) -> None:
        check_bars("volatility.realised_windows", *realised_windows, minimum=2)
        check_bars("volatility.atr_window", atr_window, minimum=2)
        check_bars("volatility.range_window", range_window, minimum=2)
        check_bars("volatility.bollinger_window", bollinger_window, minimum=2)
        check_bars("volatility.share_window", share_window, minimum=2)
        if not 0.0 < ewma_decay < 1.0:
            raise ConfigError(
                f"features.volatility.ewma_decay={ewma_decay!r}; allowed: above 0, below 1"
            )
        if len(realised_windows) < 2 or sorted(set(realised_windows)) != list(realised_windows):
            raise ConfigError(
                f"features.volatility.realised_windows={list(realised_windows)}; "
                "allowed: two or more ascending windows, such as [5, 21, 63]"
            )
        self._realised_windows = tuple(realised_windows)
        self._ewma_decay = ewma_decay
        self._atr_window = atr_window
        self._range_window = range_window
        self._bollinger_window = bollinger_window
        self._share_window = share_window

    def indicators(self) -> tuple[Indicator, ...]:
        """Columns in order."""
        return (*self._closes(), *self._ranges(), *self._bollinger(), *self._shares())

    def _closes(self) -> list[Indicator]:
        decay = self._ewma_decay
        short, long = self._realised_windows[0], self._realised_windows[-1]

        def exponential(close: Column) -> Column:
            return np.asarray(np.sqrt(exponential_mean(log_return(close) ** 2, decay)))

        def term_ratio(close: Column) -> Column:
            return ratio(_realised(close, short), _realised(close, long), otherwise=1.0)

        realised = [
            Indicator(
                f"volatility_{window}",
                window,
                ("close",),
                "log return per bar",
                "standard deviation of log returns",
                partial(_realised, window=window),
            )
            for window in self._realised_windows
        ]
        return [
            *realised,
            Indicator(
                "volatility_ewma",
                1 + memory(1.0 - decay),
                ("close",),
                "log return per bar",
                "exponentially weighted, zero mean (RiskMetrics 1996)",
                exponential,
            ),
            Indicator(
                f"volatility_term_{short}_{long}",
                long,
                ("close",),
                "ratio",
                "short over long volatility; 1 where the long one is 0",
                term_ratio,
            ),
        ]

    def _ranges(self) -> list[Indicator]:
        window = self._range_window
        estimators = (
            ("parkinson", window - 1, ("high", "low"), _parkinson, "Parkinson (1980)"),
            ("garman_klass", window - 1, _OHLC, _garman_klass, "Garman and Klass (1980)"),
            ("rogers_satchell", window - 1, _OHLC, _rogers_satchell, "Rogers and Satchell (1991)"),
            ("yang_zhang", window, _OHLC, _yang_zhang, "Yang and Zhang (2000)"),
        )
        return [
            Indicator(
                f"natr_{self._atr_window}",
                self._atr_window + memory(1 / self._atr_window),
                ("high", "low", "close"),
                "percent of close",
                "TA-Lib NATR (Wilder 1978)",
                partial(talib.NATR, timeperiod=self._atr_window),
            ),
            *(
                Indicator(
                    f"{name}_{window}",
                    lookback,
                    inputs,
                    "log return per bar",
                    source,
                    partial(function, window=window),
                )
                for name, lookback, inputs, function, source in estimators
            ),
        ]

    def _bollinger(self) -> list[Indicator]:
        window = self._bollinger_window

        def position(close: Column) -> Column:
            upper, middle, _ = talib.BBANDS(close, window)
            # A narrower band is the rounding error of TA-Lib's running sums.
            width = np.where(upper - middle > 1e-6 * middle, upper - middle, 0.0)
            return ratio(close - middle, width, otherwise=0.0)

        def width(close: Column) -> Column:
            upper, middle, lower = talib.BBANDS(close, window)
            return np.asarray((upper - lower) / middle)

        return [
            Indicator(
                f"bollinger_position_{window}",
                window - 1,
                ("close",),
                "half widths from the middle",
                "TA-Lib BBANDS (Bollinger 2001); 0 where the band has no width",
                position,
            ),
            Indicator(
                f"bollinger_width_{window}",
                window - 1,
                ("close",),
                "ratio to the middle",
                "TA-Lib BBANDS (Bollinger 2001)",
                width,
            ),
        ]

    def _shares(self) -> list[Indicator]:
        window = self._share_window
        shares = (
            (
                "downside_share",
                window,
                _downside,
                "share of squared returns below 0 "
                "(Barndorff-Nielsen, Kinnebrock and Shephard 2010); 0.5 without movement",
            ),
            (
                "jump_share",
                window + 1,
                _jumps,
                "1 - bipower / realised variance, at least 0 "
                "(Barndorff-Nielsen and Shephard 2004); 0 without movement",
            ),
            (
                "return_dispersion",
                window,
                _dispersion,
                "standard deviation over mean of absolute returns; 0 without movement",
            ),
        )
        return [
            Indicator(
                f"{name}_{window}",
                lookback,
                ("close",),
                "ratio",
                source,
                partial(function, window=window),
            )
            for name, lookback, function, source in shares
        ]


def _realised(close: Column, window: int) -> Column:
    return np.asarray(rolling_std(log_return(close), window))


def _parkinson(high: Column, low: Column, window: int) -> Column:
    squares = np.log(high / low) ** 2 / (4.0 * np.log(2.0))
    return np.asarray(np.sqrt(rolling_mean(squares, window)))


def _garman_klass(open_: Column, high: Column, low: Column, close: Column, window: int) -> Column:
    body = (2.0 * np.log(2.0) - 1.0) * np.log(close / open_) ** 2
    variance = rolling_mean(0.5 * np.log(high / low) ** 2 - body, window)
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)))


def _rogers_satchell_terms(open_: Column, high: Column, low: Column, close: Column) -> Column:
    upper = np.log(high / close) * np.log(high / open_)
    return np.asarray(upper + np.log(low / close) * np.log(low / open_))


def _rogers_satchell(
    open_: Column, high: Column, low: Column, close: Column, window: int
) -> Column:
    variance = rolling_mean(_rogers_satchell_terms(open_, high, low, close), window)
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)))


def _yang_zhang(open_: Column, high: Column, low: Column, close: Column, window: int) -> Column:
    overnight = np.full(len(close), np.nan)
    overnight[1:] = np.log(open_[1:] / close[:-1])
    share = 0.34 / (1.34 + (window + 1) / (window - 1))
    variance = (
        rolling_std(overnight, window) ** 2
        + share * rolling_std(np.log(close / open_), window) ** 2
        + (1.0 - share) * rolling_mean(_rogers_satchell_terms(open_, high, low, close), window)
    )
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)))


def _downside(close: Column, window: int) -> Column:
    returns = log_return(close)
    below = np.where(returns > 0, 0.0, returns)
    return ratio(rolling_mean(below**2, window), rolling_mean(returns**2, window), otherwise=0.5)


def _jumps(close: Column, window: int) -> Column:
    size = np.abs(log_return(close))
    products = np.full(len(size), np.nan)
    products[1:] = size[1:] * size[:-1]
    bipower = np.pi / 2.0 * rolling_mean(products, window)
    share = ratio(bipower, rolling_mean(size**2, window), otherwise=1.0)
    return np.maximum(1.0 - share, 0.0)


def _dispersion(close: Column, window: int) -> Column:
    size = np.abs(log_return(close))
    return ratio(rolling_std(size, window), rolling_mean(size, window), otherwise=0.0)
