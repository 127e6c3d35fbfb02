"""Realised risk: on which side, how steady, how overnight and how deep."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from jaxtyping import Float

from regimecast.features.base import FeatureRegistry
from regimecast.features.comovement import rolling_correlation
from regimecast.features.indicators import Indicator, IndicatorFamily, check_bars
from regimecast.features.rolling import log_return, ratio, rolling_max, rolling_mean, rolling_std

__all__ = ["RealisedFeatures"]

Column = Float[np.ndarray, " T"]


@FeatureRegistry.register("realised")
class RealisedFeatures(IndicatorFamily):
    """Semideviations, jump-robust volatility, volatility of volatility, leverage and reward.

    Args:
        windows: bars of the semideviations, the jump-robust volatility, the largest move, the ratio
            of range to close-to-close volatility, and the mean over the deviation of returns.
        inner_window: bars of the volatility whose volatility is measured.
        volatility_windows: bars of the volatility of volatility.
        leverage_window: bars of the correlation of returns with the next squared return.
        overnight_window: bars of the share of overnight variance.
        ulcer_window: bars of the ulcer index, and of the high that it is measured from.

    Raises:
        ConfigError: a window is too short.
    """

    def __init__(
        self,
        *,
        windows: Sequence[int],
        inner_window: int,
        volatility_windows: Sequence[int],
        leverage_window: int,
        overnight_window: int,
        ulcer_window: int,
    ) -> None:
        check_bars("realised.windows", *windows, minimum=3)
        check_bars("realised.inner_window", inner_window, minimum=2)
        check_bars("realised.volatility_windows", *volatility_windows, minimum=2)
        check_bars("realised.leverage_window", leverage_window, minimum=3)
        check_bars("realised.overnight_window", overnight_window, minimum=1)
        check_bars("realised.ulcer_window", ulcer_window, minimum=2)
        self._windows = tuple(windows)
        self._inner = inner_window
        self._volatility_windows = tuple(volatility_windows)
        self._leverage = leverage_window
        self._overnight = overnight_window
        self._ulcer = ulcer_window

    def indicators(self) -> tuple[Indicator, ...]:
        """Columns in order."""
        return (*self._sides(), *self._others())

    def _sides(self) -> list[Indicator]:
        per_bar = "log return per bar"
        columns = (
            (
                "semideviation_down",
                0,
                ("close",),
                per_bar,
                partial(_semideviation, sign=-1.0),
                "root mean square of negative returns (Barndorff-Nielsen et al. 2010)",
            ),
            (
                "semideviation_up",
                0,
                ("close",),
                per_bar,
                partial(_semideviation, sign=1.0),
                "root mean square of positive returns (Barndorff-Nielsen et al. 2010)",
            ),
            (
                "median_volatility",
                2,
                ("close",),
                per_bar,
                _median,
                "MedRV, robust to jumps (Andersen, Dobrev and Schaumburg 2012)",
            ),
            (
                "largest_move",
                0,
                ("close",),
                "standard deviations",
                _largest,
                "largest |log return| / their standard deviation; 0 without movement",
            ),
            (
                "reward",
                0,
                ("close",),
                "ratio per bar",
                _reward,
                "mean over standard deviation of log returns; 0 without movement",
            ),
            (
                "range_over_close",
                0,
                ("high", "low", "close"),
                "ratio",
                _range_ratio,
                "Parkinson (1980) over close-to-close volatility; 1 without movement",
            ),
        )
        return [
            Indicator(
                f"{name}_{window}",
                window + more,
                inputs,
                units,
                source,
                partial(function, window=window),
            )
            for window in self._windows
            for name, more, inputs, units, function, source in columns
        ]

    def _others(self) -> list[Indicator]:
        inner, leverage, ulcer = self._inner, self._leverage, self._ulcer
        return [
            *(
                Indicator(
                    f"volatility_of_volatility_{window}",
                    inner + window - 1,
                    ("close",),
                    "ratio",
                    f"standard deviation / mean of {inner}-bar volatility; 0 without movement",
                    partial(_unsteady, inner=inner, window=window),
                )
                for window in self._volatility_windows
            ),
            Indicator(
                f"leverage_{leverage}",
                leverage + 1,
                ("close",),
                "-1..1",
                "correlation of log returns with the next squared one (Black 1976)",
                partial(_leverage, window=leverage),
            ),
            Indicator(
                f"overnight_share_{self._overnight}",
                self._overnight,
                ("open", "close"),
                "0..1",
                "squared log returns from close to open over those and from open to close; "
                "0.5 without movement",
                partial(_overnight, window=self._overnight),
            ),
            Indicator(
                f"ulcer_{ulcer}",
                2 * (ulcer - 1),
                ("close",),
                "share",
                "root mean square fall from the high (Martin and McCann 1989)",
                partial(_ulcer, window=ulcer),
            ),
        ]


def _semideviation(close: Column, window: int, *, sign: float) -> Column:
    sides = sign * log_return(close)
    return np.asarray(np.sqrt(rolling_mean(np.where(sides < 0, 0.0, sides) ** 2, window)))


def _median(close: Column, window: int) -> Column:
    size = np.abs(log_return(close))
    middle = np.full(len(size), np.nan)
    a, b, c = size[:-2], size[1:-1], size[2:]
    middle[2:] = np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))
    scale = np.pi / (6.0 - 4.0 * np.sqrt(3.0) + np.pi)
    return np.asarray(np.sqrt(scale * rolling_mean(middle**2, window)))


def _largest(close: Column, window: int) -> Column:
    returns = log_return(close)
    return ratio(rolling_max(np.abs(returns), window), rolling_std(returns, window), otherwise=0.0)


def _reward(close: Column, window: int) -> Column:
    returns = log_return(close)
    return ratio(rolling_mean(returns, window), rolling_std(returns, window), otherwise=0.0)


def _range_ratio(high: Column, low: Column, close: Column, window: int) -> Column:
    parkinson = np.sqrt(rolling_mean(np.log(high / low) ** 2, window) / (4.0 * np.log(2.0)))
    return ratio(parkinson, rolling_std(log_return(close), window), otherwise=1.0)


def _unsteady(close: Column, *, inner: int, window: int) -> Column:
    volatility = rolling_std(log_return(close), inner)
    return ratio(rolling_std(volatility, window), rolling_mean(volatility, window), otherwise=0.0)


def _leverage(close: Column, window: int) -> Column:
    returns = log_return(close)
    before = np.full(len(returns), np.nan)
    before[1:] = returns[:-1]
    return rolling_correlation(before, returns**2, window)


def _overnight(open_: Column, close: Column, window: int) -> Column:
    night = np.full(len(close), np.nan)
    night[1:] = np.log(open_[1:] / close[:-1]) ** 2
    day = np.log(close / open_) ** 2
    return ratio(rolling_mean(night, window), rolling_mean(night + day, window), otherwise=0.5)


def _ulcer(close: Column, window: int) -> Column:
    fall = close / rolling_max(close, window) - 1.0
    return np.asarray(np.sqrt(rolling_mean(fall**2, window)))
