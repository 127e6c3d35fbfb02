"""Volume: how much is traded, on which side, and what it costs to move the price.

Volume has no unit that two assets share, so every column is a share or a ratio. Bars without volume
count as 0; a window without any gives the value named with the column.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
import talib
from jaxtyping import Float

from regimecast.core.errors import ConfigError
from regimecast.features.base import FeatureRegistry
from regimecast.features.comovement import rolling_correlation
from regimecast.features.indicators import Indicator, IndicatorFamily, check_bars
from regimecast.features.rolling import log_return, ratio, rolling_mean, rolling_std

__all__ = ["VolumeFeatures"]

Column = Float[np.ndarray, " T"]


@FeatureRegistry.register("volume")
class VolumeFeatures(IndicatorFamily):
    """Rolling on-balance volume, money flows, relative volume, illiquidity and VWAP.

    Args:
        flow_window: bars of on-balance volume, Chaikin money flow and the VWAP.
        mfi_window: bars of the money flow index.
        score_windows: bars of the volume's z-scores.
        trend_windows: short and long window of the volume trend.
        illiquidity_windows: short and long window of the change of illiquidity.
        correlation_window: bars of the correlation of returns with volume.

    Raises:
        ConfigError: a window is too short, or a pair is not short before long.
    """

    def __init__(
        self,
        *,
        flow_window: int,
        mfi_window: int,
        score_windows: Sequence[int],
        trend_windows: Sequence[int],
        illiquidity_windows: Sequence[int],
        correlation_window: int,
    ) -> None:
        check_bars("volume.flow_window", flow_window, minimum=2)
        check_bars("volume.mfi_window", mfi_window, minimum=2)
        check_bars("volume.score_windows", *score_windows, minimum=2)
        check_bars("volume.correlation_window", correlation_window, minimum=3)
        self._flow_window = flow_window
        self._mfi_window = mfi_window
        self._score_windows = tuple(score_windows)
        self._trend_windows = _pair("volume.trend_windows", trend_windows)
        self._illiquidity_windows = _pair("volume.illiquidity_windows", illiquidity_windows)
        self._correlation_window = correlation_window

    def indicators(self) -> tuple[Indicator, ...]:
        """Columns in order."""
        return (*self._flows(), *self._amounts(), *self._prices())

    def _flows(self) -> list[Indicator]:
        window = self._flow_window
        return [
            Indicator(
                f"obv_{window}",
                window,
                ("close", "volume"),
                "-1..1",
                "change of TA-Lib OBV over volume traded (Granville 1963); 0 without volume",
                partial(_on_balance, window=window),
            ),
            Indicator(
                f"chaikin_flow_{window}",
                window - 1,
                ("high", "low", "close", "volume"),
                "-1..1",
                "volume weighted close location (Chaikin); 0 without volume or range",
                partial(_chaikin, window=window),
            ),
            Indicator(
                f"mfi_{self._mfi_window}",
                self._mfi_window,
                ("high", "low", "close", "volume"),
                "0..100",
                "TA-Lib MFI (Quong and Soudack 1989); 0 without volume or movement",
                partial(talib.MFI, timeperiod=self._mfi_window),
            ),
        ]

    def _amounts(self) -> list[Indicator]:
        short, long = self._trend_windows
        scores = [
            Indicator(
                f"volume_score_{window}",
                window - 1,
                ("volume",),
                "z-score",
                "(volume - mean) / standard deviation; 0 where volume is constant",
                partial(_score, window=window),
            )
            for window in self._score_windows
        ]
        trend = Indicator(
            f"volume_trend_{short}_{long}",
            long - 1,
            ("volume",),
            "log ratio",
            "ln(short mean / long mean); 0 where either is 0",
            partial(_log_change, short=short, long=long),
        )
        return [*scores, trend]

    def _prices(self) -> list[Indicator]:
        short, long = self._illiquidity_windows
        flow, correlation = self._flow_window, self._correlation_window

        def return_correlation(close: Column, volume: Column) -> Column:
            return rolling_correlation(log_return(close), volume, correlation)

        return [
            Indicator(
                f"illiquidity_{short}_{long}",
                long,
                ("close", "volume"),
                "log ratio",
                "ln(short / long) of mean |return| per money traded (Amihud 2002), "
                "bars without volume as 0; 0 where either mean is 0",
                partial(_illiquidity, short=short, long=long),
            ),
            Indicator(
                f"vwap_gap_{flow}",
                flow - 1,
                ("high", "low", "close", "volume"),
                "log ratio",
                "ln(close / volume weighted mean of (high + low + close) / 3); 0 without volume",
                partial(_vwap_gap, window=flow),
            ),
            Indicator(
                f"return_volume_correlation_{correlation}",
                correlation,
                ("close", "volume"),
                "-1..1",
                "Pearson correlation of log returns with volume (Karpoff 1987)",
                return_correlation,
            ),
        ]


def _pair(key: str, windows: Sequence[int]) -> tuple[int, int]:
    check_bars(key, *windows, minimum=1)
    if len(windows) != 2 or windows[0] >= windows[1]:
        raise ConfigError(f"features.{key}={list(windows)}; allowed: a short and a longer window")
    return windows[0], windows[1]


def _on_balance(close: Column, volume: Column, window: int) -> Column:
    # TA-Lib cumulates from the start of the series; only the change over the window is used.
    total = talib.OBV(close, volume)
    change = np.full(len(close), np.nan)
    change[window:] = total[window:] - total[:-window]
    share = ratio(change, window * rolling_mean(volume, window), otherwise=0.0)
    return np.clip(share, -1.0, 1.0)


def _chaikin(high: Column, low: Column, close: Column, volume: Column, window: int) -> Column:
    location = ratio(2.0 * close - high - low, high - low, otherwise=0.0)
    flow = rolling_mean(location * volume, window)
    return ratio(flow, rolling_mean(volume, window), otherwise=0.0)


def _score(volume: Column, window: int) -> Column:
    mean, deviation = rolling_mean(volume, window), rolling_std(volume, window)
    # Below that the deviation is the rounding error of the mean.
    deviation = np.where(deviation > 1e-10 * mean, deviation, 0.0)
    return ratio(volume - mean, deviation, otherwise=0.0)


def _log_change(values: Column, short: int, long: int) -> Column:
    change = ratio(rolling_mean(values, short), rolling_mean(values, long), otherwise=1.0)
    return np.asarray(np.log(np.where(change > 0, change, 1.0)))


def _illiquidity(close: Column, volume: Column, short: int, long: int) -> Column:
    impact = ratio(np.abs(log_return(close)), close * volume, otherwise=0.0)
    return _log_change(impact, short, long)


def _vwap_gap(high: Column, low: Column, close: Column, volume: Column, window: int) -> Column:
    money = rolling_mean((high + low + close) / 3.0 * volume, window)
    gap = ratio(money, close * rolling_mean(volume, window), otherwise=1.0)
    return np.asarray(-np.log(np.where(gap > 0, gap, 1.0)))
