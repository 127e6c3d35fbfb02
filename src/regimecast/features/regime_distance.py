"""Regime distance: how far from calm or crash, and for how long on this side."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from jaxtyping import Float

from regimecast.features.base import FeatureRegistry
from regimecast.features.indicators import Indicator, IndicatorFamily, check_bars
from regimecast.features.paths import bars_since_max, run_length
from regimecast.features.rolling import (
    log_return,
    rolling_max,
    rolling_mean,
    rolling_min,
    rolling_rank,
    rolling_std,
)

__all__ = ["RegimeDistanceFeatures"]

Column = Float[np.ndarray, " T"]


@FeatureRegistry.register("regime_distance")
class RegimeDistanceFeatures(IndicatorFamily):
    """Realised volatility against its own past, ages of states, and distance from extremes.

    Args:
        volatility_window: bars of the realised volatility.
        reference_window: bars of its past that it is ranked in and measured against.
        trend_window: bars of the average that the close is above or below.
        most_bars: bars at which the age of a state stops counting.
        fall_windows: bars of the high that the fall is measured from.
        extreme_windows: bars of the highest and lowest close that the age is measured from.

    Raises:
        ConfigError: a window is too short.
    """

    def __init__(
        self,
        *,
        volatility_window: int,
        reference_window: int,
        trend_window: int,
        most_bars: int,
        fall_windows: Sequence[int],
        extreme_windows: Sequence[int],
    ) -> None:
        check_bars("regime_distance.volatility_window", volatility_window, minimum=2)
        check_bars("regime_distance.reference_window", reference_window, minimum=3)
        check_bars("regime_distance.trend_window", trend_window, minimum=2)
        check_bars("regime_distance.most_bars", most_bars, minimum=1)
        check_bars("regime_distance.fall_windows", *fall_windows, minimum=2)
        check_bars("regime_distance.extreme_windows", *extreme_windows, minimum=2)
        self._volatility, self._reference = volatility_window, reference_window
        self._trend, self._most = trend_window, most_bars
        self._falls, self._extremes = tuple(fall_windows), tuple(extreme_windows)

    def indicators(self) -> tuple[Indicator, ...]:
        """Columns in order."""
        return (*self._calm(), *self._ages(), *self._distances())

    def _calm(self) -> list[Indicator]:
        inner, outer = self._volatility, self._reference
        columns = (
            ("volatility_rank", "0..1", _rank, "share of the reference's volatilities below"),
            (
                "volatility_distance",
                "log ratio",
                _distance,
                "ln(volatility / its mean over the reference); 0 without movement",
            ),
        )
        return [
            Indicator(
                f"{name}_{inner}_{outer}",
                inner + outer - 1,
                ("close",),
                units,
                source,
                partial(function, inner=inner, outer=outer),
            )
            for name, units, function, source in columns
        ]

    def _ages(self) -> list[Indicator]:
        inner, outer, trend, most = self._volatility, self._reference, self._trend, self._most

        def calm_age(close: Column) -> Column:
            return _age(_distance(close, inner=inner, outer=outer), most)

        def trend_age(close: Column) -> Column:
            return _age(np.log(close / rolling_mean(close, trend)), most)

        source = f"bars in a row, at most {most}, / {most}; negative"
        return [
            Indicator(
                f"volatility_age_{inner}_{outer}",
                inner + outer - 1 + most,
                ("close",),
                "-1..1",
                f"{source} while volatility is below its mean over the reference",
                calm_age,
            ),
            Indicator(
                f"trend_age_{trend}",
                trend - 1 + most,
                ("close",),
                "-1..1",
                f"{source} while the close is below its average",
                trend_age,
            ),
        ]

    def _distances(self) -> list[Indicator]:
        falls = [
            Indicator(
                f"{name}_{window}",
                window - 1,
                ("close",),
                "log ratio",
                source,
                partial(_extreme, window=window, low=low),
            )
            for window in self._falls
            for name, low, source in (
                ("fall_from_high", False, "ln(close / highest close)"),
                ("rise_from_low", True, "ln(close / lowest close)"),
            )
        ]
        ages = [
            Indicator(
                f"{name}_{window}",
                window - 1,
                ("close",),
                "0..1",
                f"bars since the window's {which} close, the latest of equal ones, / window",
                partial(_since, window=window, sign=sign),
            )
            for window in self._extremes
            for name, sign, which in (
                ("since_high", 1.0, "highest"),
                ("since_low", -1.0, "lowest"),
            )
        ]
        return [*falls, *ages]


def _rank(close: Column, *, inner: int, outer: int) -> Column:
    return np.asarray(rolling_rank(rolling_std(log_return(close), inner), outer))


def _distance(close: Column, *, inner: int, outer: int) -> Column:
    volatility = rolling_std(log_return(close), inner)
    mean = rolling_mean(volatility, outer)
    still = (volatility == 0) | (mean == 0)
    return np.log(np.where(still, 1.0, volatility) / np.where(still, 1.0, mean))


def _age(score: Column, most: int) -> Column:
    side = np.where(np.isnan(score), np.nan, np.where(score >= 0, 1.0, -1.0))
    return np.asarray(side * run_length(side, most) / most)


def _extreme(close: Column, *, window: int, low: bool) -> Column:
    bound = rolling_min(close, window) if low else rolling_max(close, window)
    return np.asarray(np.log(close / bound))


def _since(close: Column, *, window: int, sign: float) -> Column:
    return np.asarray(bars_since_max(sign * close, window) / window)
