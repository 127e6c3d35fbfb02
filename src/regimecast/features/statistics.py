"""Statistics: the shape of recent returns, their memory, and the price's place in its range."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import talib
from jaxtyping import Float

from regimecast.core.errors import ConfigError
from regimecast.features.base import FeatureRegistry
from regimecast.features.comovement import rolling_correlation
from regimecast.features.indicators import Indicator, IndicatorFamily, check_bars
from regimecast.features.rolling import (
    log_return,
    ratio,
    rolling_drawdown,
    rolling_mean,
    rolling_moment,
    rolling_rank,
    rolling_std,
)

__all__ = ["StatisticsFeatures"]

Column = Float[np.ndarray, " T"]


@FeatureRegistry.register("statistics")
class StatisticsFeatures(IndicatorFamily):
    """Moments, autocorrelation, variance ratio, efficiency, drawdowns and place in the range.

    Args:
        moment_window: bars of skewness, kurtosis, autocorrelation and the return's rank.
        autocorrelation_lags: lags in bars of the returns' autocorrelation.
        variance_ratio_bars: q, bars of the long return of the variance ratio.
        efficiency_window: bars of Kaufman's efficiency ratio and the share of rising bars.
        range_window: bars of the price's place in its range and the deepest fall.
        peak_window: bars of the peak that the drawdown is measured from.

    Raises:
        ConfigError: a window is too short, or a lag leaves too few bars of the window.
    """

    def __init__(
        self,
        *,
        moment_window: int,
        autocorrelation_lags: Sequence[int],
        variance_ratio_bars: int,
        efficiency_window: int,
        range_window: int,
        peak_window: int,
    ) -> None:
        check_bars("statistics.moment_window", moment_window, minimum=4)
        check_bars("statistics.autocorrelation_lags", *autocorrelation_lags, minimum=1)
        check_bars("statistics.variance_ratio_bars", variance_ratio_bars, minimum=2)
        check_bars("statistics.efficiency_window", efficiency_window, minimum=2)
        check_bars("statistics.range_window", range_window, minimum=2)
        check_bars("statistics.peak_window", peak_window, minimum=2)
        longest = max(*autocorrelation_lags, variance_ratio_bars, 0)
        if longest > moment_window - 3:
            raise ConfigError(
                f"features.statistics: a lag of {longest} bars leaves too little of "
                f"moment_window={moment_window}; allowed: at most {moment_window - 3}"
            )
        self._moment_window = moment_window
        self._lags = tuple(autocorrelation_lags)
        self._variance_ratio_bars = variance_ratio_bars
        self._efficiency_window = efficiency_window
        self._range_window = range_window
        self._peak_window = peak_window

    def indicators(self) -> tuple[Indicator, ...]:
        """Columns in order."""
        return (*self._shape(), *self._memory(), *self._path())

    def _shape(self) -> list[Indicator]:
        window = self._moment_window

        def moment(close: Column, *, order: int) -> Column:
            return np.asarray(rolling_moment(log_return(close), window, order))

        def excess(close: Column) -> Column:
            return moment(close, order=4) - 3.0

        def rank(close: Column) -> Column:
            return np.asarray(rolling_rank(log_return(close), window))

        columns = (
            ("skewness", partial(moment, order=3), "standardised", "third moment of log returns"),
            ("kurtosis", excess, "standardised, 0 if normal", "fourth moment of log returns - 3"),
            ("return_rank", rank, "0..1", "share of the window's log returns below the last"),
        )
        return [
            Indicator(f"{name}_{window}", window, ("close",), units, source, function)
            for name, function, units, source in columns
        ]

    def _memory(self) -> list[Indicator]:
        window, bars = self._moment_window, self._variance_ratio_bars

        def autocorrelation(close: Column, *, lag: int) -> Column:
            return _autocorrelation(log_return(close), window, lag)

        def clustering(close: Column) -> Column:
            return _autocorrelation(np.abs(log_return(close)), window, 1)

        return [
            *(
                Indicator(
                    f"autocorrelation_{lag}_{window}",
                    window,
                    ("close",),
                    "-1..1",
                    "correlation of log returns with those lag bars before; 0 without variation",
                    partial(autocorrelation, lag=lag),
                )
                for lag in self._lags
            ),
            Indicator(
                f"clustering_{window}",
                window,
                ("close",),
                "-1..1",
                "first autocorrelation of absolute log returns; 0 without variation",
                clustering,
            ),
            Indicator(
                f"variance_ratio_{bars}_{window}",
                window + bars - 1,
                ("close",),
                "ratio, 1 for a random walk",
                "Var(q-bar return) / (q Var(return)) (Lo and MacKinlay 1988)",
                partial(_variance_ratio, bars=bars, window=window),
            ),
        ]

    def _path(self) -> list[Indicator]:
        efficiency, place, peak = self._efficiency_window, self._range_window, self._peak_window
        columns = (
            (
                f"efficiency_{efficiency}",
                efficiency,
                partial(_efficiency, window=efficiency),
                "-1..1",
                "net over travelled log distance, signed (Kaufman 1995); 0 without movement",
            ),
            (
                f"rising_share_{efficiency}",
                efficiency,
                partial(_rising, window=efficiency),
                "0..1",
                "share of bars that close higher, unchanged ones counted half",
            ),
            (
                f"range_position_{place}",
                place - 1,
                partial(_range_position, window=place),
                "0..1",
                "(close - lowest) / (highest - lowest close); 0.5 without range",
            ),
            (
                f"deepest_fall_{place}",
                place - 1,
                partial(rolling_drawdown, window=place),
                "share, at most 0",
                "deepest fall from a peak inside the window",
            ),
            (
                f"drawdown_{peak}",
                peak - 1,
                partial(_drawdown, window=peak),
                "log ratio, at most 0",
                "ln(close / highest close)",
            ),
        )
        return [
            Indicator(name, lookback, ("close",), units, source, function)
            for name, lookback, function, units, source in columns
        ]


def _autocorrelation(values: Column, window: int, lag: int) -> Column:
    """Correlation of the window's last values with those `lag` before, both inside the window."""
    before = np.full(len(values), np.nan)
    before[lag:] = values[: len(values) - lag]
    return rolling_correlation(values, before, window - lag)


def _variance_ratio(close: Column, bars: int, window: int) -> Column:
    single = rolling_std(log_return(close), window) ** 2
    long = rolling_std(log_return(close, bars), window) ** 2
    return ratio(long, bars * single, otherwise=1.0)


def _efficiency(close: Column, window: int) -> Column:
    travelled = window * rolling_mean(np.abs(log_return(close)), window)
    return np.clip(ratio(log_return(close, window), travelled, otherwise=0.0), -1.0, 1.0)


def _rising(close: Column, window: int) -> Column:
    return np.asarray(rolling_mean((np.sign(log_return(close)) + 1.0) / 2.0, window))


def _range_position(close: Column, window: int) -> Column:
    lowest = talib.MIN(close, window)
    return ratio(close - lowest, talib.MAX(close, window) - lowest, otherwise=0.5)


def _drawdown(close: Column, window: int) -> Column:
    return np.asarray(np.log(close / talib.MAX(close, window)))
