"""Dependence: whether prices trend, revert or wander, and how alike one bar is to the next."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from jaxtyping import Float

from regimecast.core.errors import ConfigError
from regimecast.features.base import FeatureRegistry
from regimecast.features.comovement import comoments, rolling_correlation
from regimecast.features.indicators import Indicator, IndicatorFamily, check_bars
from regimecast.features.paths import (
    filtered,
    fractional_weights,
    ordinal_patterns,
    symbol_entropy,
)
from regimecast.features.rolling import log_return, ratio, rolling_std, rolling_sum

__all__ = ["DependenceFeatures"]

Column = Float[np.ndarray, " T"]

_BINS = np.array([-0.967, -0.431, 0.0, 0.431, 0.967])
"""Sextiles of the standard normal distribution."""


@FeatureRegistry.register("dependence")
class DependenceFeatures(IndicatorFamily):
    """Hurst exponent, entropies, variance ratio tests, fractional differences, trend and reversion.

    Args:
        hurst_windows: bars of the detrended fluctuation analysis.
        hurst_boxes: bars of its boxes, ascending, the longest at most a quarter of each window.
        entropy_windows: bars of the entropy of orders and of sizes of returns.
        variance_ratio_bars: q, bars of the long returns of the variance ratio tests.
        variance_ratio_window: bars of the variance ratio tests.
        fraction_orders: orders of fractional differences, in (0, 1).
        fraction_threshold: weight at which their filters are cut.
        fraction_most: most bars of a filter.
        trend_windows: bars of the correlation of the log price with time.
        reversion_windows: bars of the Dickey-Fuller statistic.

    Raises:
        ConfigError: a window is too short, boxes do not fit it, or an order is not in (0, 1).
    """

    def __init__(
        self,
        *,
        hurst_windows: Sequence[int],
        hurst_boxes: Sequence[int],
        entropy_windows: Sequence[int],
        variance_ratio_bars: Sequence[int],
        variance_ratio_window: int,
        fraction_orders: Sequence[float],
        fraction_threshold: float,
        fraction_most: int,
        trend_windows: Sequence[int],
        reversion_windows: Sequence[int],
    ) -> None:
        check_bars("dependence.hurst_boxes", *hurst_boxes, minimum=4)
        if len(hurst_boxes) < 2 or sorted(set(hurst_boxes)) != list(hurst_boxes):
            raise ConfigError(
                f"features.dependence.hurst_boxes={list(hurst_boxes)}; "
                "allowed: two or more ascending lengths, such as [4, 8, 16]"
            )
        check_bars("dependence.hurst_windows", *hurst_windows, minimum=4 * hurst_boxes[-1])
        check_bars("dependence.entropy_windows", *entropy_windows, minimum=6)
        check_bars("dependence.variance_ratio_bars", *variance_ratio_bars, minimum=2)
        check_bars(
            "dependence.variance_ratio_window",
            variance_ratio_window,
            minimum=2 * max(variance_ratio_bars, default=2),
        )
        for order in fraction_orders:
            if not 0.0 < order < 1.0:
                raise ConfigError(
                    f"features.dependence.fraction_orders has {order!r}; allowed: between 0 and 1"
                )
        if not 0.0 < fraction_threshold < 1.0:
            raise ConfigError(
                f"features.dependence.fraction_threshold={fraction_threshold!r}; "
                "allowed: between 0 and 1"
            )
        check_bars("dependence.fraction_most", fraction_most, minimum=2)
        check_bars("dependence.trend_windows", *trend_windows, minimum=3)
        check_bars("dependence.reversion_windows", *reversion_windows, minimum=5)
        self._hurst_windows, self._hurst_boxes = tuple(hurst_windows), tuple(hurst_boxes)
        self._entropy_windows = tuple(entropy_windows)
        self._ratios = (tuple(variance_ratio_bars), variance_ratio_window)
        self._weights = {
            order: fractional_weights(order, fraction_threshold, fraction_most)
            for order in fraction_orders
        }
        self._trend_windows = tuple(trend_windows)
        self._reversion_windows = tuple(reversion_windows)

    def indicators(self) -> tuple[Indicator, ...]:
        """Columns in order."""
        return (*self._memory(), *self._entropies(), *self._lines())

    def _memory(self) -> list[Indicator]:
        boxes, (long_bars, window) = self._hurst_boxes, self._ratios
        exponents = [
            Indicator(
                f"hurst_{bars}",
                max(bars // box * box for box in boxes) - 1,
                ("close",),
                "0.5 for a random walk",
                f"detrended fluctuation analysis of ln(close) in boxes of {boxes} "
                "(Peng et al. 1994); 0.5 without movement",
                partial(_hurst, window=bars, boxes=boxes),
            )
            for bars in self._hurst_windows
        ]
        tests = [
            Indicator(
                f"variance_ratio_z_{q}_{window}",
                window + q - 1,
                ("close",),
                "z-score",
                "z* of Lo and MacKinlay (1988), robust to heteroskedasticity, mean return 0",
                partial(_variance_ratio_z, q=q, window=window),
            )
            for q in long_bars
        ]
        fractions = [
            Indicator(
                f"fraction_{round(100 * order)}",
                len(weights),
                ("close",),
                "log price",
                f"ln(close) differenced {order} times, cut to {len(weights)} bars "
                "(Hosking 1981, López de Prado 2018)",
                partial(_fraction, weights=weights),
            )
            for order, weights in self._weights.items()
        ]
        return [*exponents, *tests, *fractions]

    def _entropies(self) -> list[Indicator]:
        columns = (
            (
                "permutation_entropy",
                1,
                _permutation,
                "orders of three closes (Bandt and Pompe 2002)",
            ),
            ("return_entropy", None, _sizes, "sextiles of returns over their volatility (Shannon)"),
        )
        return [
            Indicator(
                f"{name}_{window}",
                window + (window - 1 if more is None else more),
                ("close",),
                "0..1",
                f"entropy of the {source}",
                partial(function, window=window),
            )
            for window in self._entropy_windows
            for name, more, function, source in columns
        ]

    def _lines(self) -> list[Indicator]:
        trends = [
            Indicator(
                f"trend_fit_{window}",
                window - 1,
                ("close",),
                "-1..1",
                "correlation of ln(close) with time; 0 without movement",
                partial(_trend, window=window),
            )
            for window in self._trend_windows
        ]
        reversions = [
            Indicator(
                f"dickey_fuller_{window}",
                window,
                ("close",),
                "t-statistic",
                "of ln(close) before on log returns, with a constant (Dickey and Fuller 1979); "
                "0 without movement",
                partial(_reversion, window=window),
            )
            for window in self._reversion_windows
        ]
        return [*trends, *reversions]


def _hurst(close: Column, *, window: int, boxes: Sequence[int]) -> Column:
    price, time = np.log(close), np.arange(float(len(close)))
    sizes = np.log(np.array(boxes, dtype=np.float64))
    slopes = (sizes - sizes.mean()) / np.sum((sizes - sizes.mean()) ** 2)
    result = np.zeros(len(close))
    for box, slope in zip(boxes, slopes, strict=True):
        variance = _fluctuation(price, time, box=box, boxes=window // box)
        result += slope * 0.5 * np.log(np.where(variance > 0, variance, 1.0))
        result[variance == 0] = np.inf
    return np.where(np.isinf(result), 0.5, result)


def _fluctuation(price: Column, time: Column, *, box: int, boxes: int) -> Column:
    """Mean square distance from the line through each box, over the boxes that end at t."""
    tt, yy, ty = comoments(time, price, box)
    rest = np.maximum(yy - ty * ty / tt, 0.0)
    rest[rest < 1e-12 * yy] = 0.0  # rounding errors of a line that fits are not fluctuations
    return np.asarray(rolling_sum(rest, boxes, box) / (box * boxes))


def _variance_ratio_z(close: Column, *, q: int, window: int) -> Column:
    returns = log_return(close)
    squares = returns**2
    total = rolling_sum(squares, window)
    excess = ratio(rolling_sum(log_return(close, q) ** 2, window), q * total, otherwise=1.0) - 1.0
    noise = np.zeros(len(close))
    for lag in range(1, q):
        product = np.full(len(close), np.nan)
        product[lag:] = squares[lag:] * squares[:-lag]
        noise += (2.0 * (q - lag) / q) ** 2 * rolling_sum(product, window)
    return ratio(excess * total, np.sqrt(noise), otherwise=0.0)


def _fraction(close: Column, *, weights: np.ndarray) -> Column:
    return np.asarray(filtered(log_return(close), weights))


def _permutation(close: Column, window: int) -> Column:
    return symbol_entropy(ordinal_patterns(close), 6, window)


def _sizes(close: Column, window: int) -> Column:
    returns = log_return(close)
    score = ratio(returns, rolling_std(returns, window), otherwise=0.0)
    symbols = np.where(np.isnan(score), np.nan, np.searchsorted(_BINS, score).astype(np.float64))
    return symbol_entropy(symbols, 6, window)


def _trend(close: Column, window: int) -> Column:
    return rolling_correlation(np.log(close), np.arange(float(len(close))), window)


def _reversion(close: Column, window: int) -> Column:
    returns, before = log_return(close), np.full(len(close), np.nan)
    before[1:] = np.log(close[:-1])
    correlation = rolling_correlation(returns, before, window)
    rest = np.sqrt((1.0 - correlation**2) / (window - 2))
    return ratio(correlation, np.maximum(rest, 1e-6), otherwise=0.0)
