"""Liquidity: what it costs to trade, estimated from bars.

Volume and money have no unit that two assets share, so impacts are per average bar's turnover. Bars
without volume count as 0; a window without any gives 0.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr

from regimecast.features.base import FeatureRegistry
from regimecast.features.comovement import comoments, rolling_beta
from regimecast.features.indicators import Indicator, IndicatorFamily, check_bars
from regimecast.features.rolling import log_return, ratio, rolling_mean, rolling_std, rolling_sum

__all__ = ["LiquidityFeatures"]

Column = Float[np.ndarray, " T"]

_TRADED = ("close", "volume")


@FeatureRegistry.register("liquidity")
class LiquidityFeatures(IndicatorFamily):
    """Price impact, spreads implied by prices, and the side on which volume trades.

    Args:
        impact_windows: bars of Amihud's and Kyle's price impact.
        spread_windows: bars of the spreads of Roll, Corwin and Schultz, and Abdi and Ranaldo.
        flow_windows: bars of the imbalance and toxicity of volume, and of the volatility that
            sorts it into bought and sold.
        vwap_windows: bars of the volume weighted average price.
        stale_window: bars of the share of unchanged closes.

    Raises:
        ConfigError: a window is too short.
    """

    def __init__(
        self,
        *,
        impact_windows: Sequence[int],
        spread_windows: Sequence[int],
        flow_windows: Sequence[int],
        vwap_windows: Sequence[int],
        stale_window: int,
    ) -> None:
        check_bars("liquidity.impact_windows", *impact_windows, minimum=3)
        check_bars("liquidity.spread_windows", *spread_windows, minimum=3)
        check_bars("liquidity.flow_windows", *flow_windows, minimum=2)
        check_bars("liquidity.vwap_windows", *vwap_windows, minimum=2)
        check_bars("liquidity.stale_window", stale_window, minimum=1)
        self._impact_windows = tuple(impact_windows)
        self._spread_windows = tuple(spread_windows)
        self._flow_windows = tuple(flow_windows)
        self._vwap_windows = tuple(vwap_windows)
        self._stale_window = stale_window

    def indicators(self) -> tuple[Indicator, ...]:
        """Columns in order."""
        return (*self._impacts(), *self._spreads(), *self._flows())

    def _impacts(self) -> list[Indicator]:
        return [
            Indicator(
                f"{name}_{window}",
                window,
                _TRADED,
                "log return per average turnover",
                source,
                partial(function, window=window),
            )
            for window in self._impact_windows
            for name, function, source in (
                ("amihud", _amihud, "mean |return| per money traded (Amihud 2002)"),
                ("kyle_lambda", _kyle, "slope of returns on signed volume (Kyle 1985)"),
            )
        ]

    def _spreads(self) -> list[Indicator]:
        estimators = (
            ("roll_spread", 1, ("close",), _roll, "Roll (1984); 0 if returns do not reverse"),
            (
                "corwin_schultz",
                0,
                ("high", "low", "close"),
                _corwin_schultz,
                "Corwin and Schultz (2012), negative two-bar estimates as 0",
            ),
            (
                "abdi_ranaldo",
                0,
                ("high", "low", "close"),
                _abdi_ranaldo,
                "Abdi and Ranaldo (2017), negative two-bar estimates as 0",
            ),
        )
        return [
            Indicator(
                f"{name}_{window}",
                window + more,
                inputs,
                "share of price",
                source,
                partial(function, window=window),
            )
            for window in self._spread_windows
            for name, more, inputs, function, source in estimators
        ]

    def _flows(self) -> list[Indicator]:
        flows = [
            Indicator(
                f"{name}_{window}",
                2 * window - 1,
                _TRADED,
                units,
                f"{source}, sorted by return over volatility "
                "(Easley, López de Prado and O'Hara 2012)",
                partial(_imbalance, window=window, absolute=absolute),
            )
            for window in self._flow_windows
            for name, absolute, units, source in (
                ("flow_imbalance", False, "-1..1", "(bought - sold) / volume"),
                ("flow_toxicity", True, "0..1", "sum of |bought - sold| / volume"),
            )
        ]
        distances = [
            Indicator(
                f"vwap_distance_{window}",
                window,
                ("high", "low", "close", "volume"),
                "standard deviations",
                "ln(close / VWAP) / (volatility √window); 0 without volume or movement",
                partial(_vwap_distance, window=window),
            )
            for window in self._vwap_windows
        ]
        stale = Indicator(
            f"unchanged_share_{self._stale_window}",
            self._stale_window,
            ("close",),
            "0..1",
            "share of zero returns (Lesmond, Ogden and Trzcinka 1999)",
            partial(_unchanged, window=self._stale_window),
        )
        return [*flows, *distances, stale]


def _amihud(close: Column, volume: Column, window: int) -> Column:
    money = close * volume
    impact = ratio(np.abs(log_return(close)), money, otherwise=0.0)
    impact[0] = np.nan
    return np.asarray(rolling_mean(impact, window) * rolling_mean(money, window))


def _kyle(close: Column, volume: Column, window: int) -> Column:
    returns = log_return(close)
    slope = rolling_beta(returns, np.sign(returns) * volume, window)
    return np.asarray(slope * rolling_mean(volume, window))


def _roll(close: Column, window: int) -> Column:
    returns = log_return(close)
    before = np.full(len(returns), np.nan)
    before[1:] = returns[:-1]
    covariance = comoments(returns, before, window)[2] / (window - 1)
    return 2.0 * np.sqrt(np.maximum(-covariance, 0.0))


def _corwin_schultz(high: Column, low: Column, close: Column, window: int) -> Column:
    spread = np.full(len(close), np.nan)
    top, bottom = _moved_back(high, low, close)
    beta = np.log(high[:-1] / low[:-1]) ** 2 + np.log(top / bottom) ** 2
    gamma = np.log(np.maximum(high[:-1], top) / np.minimum(low[:-1], bottom)) ** 2
    scale = 3.0 - 2.0 * np.sqrt(2.0)
    alpha = (np.sqrt(2.0 * beta) - np.sqrt(beta)) / scale - np.sqrt(gamma / scale)
    spread[1:] = 2.0 * np.tanh(np.maximum(alpha, 0.0) / 2.0)  # 2 (e^α - 1) / (1 + e^α)
    return np.asarray(rolling_mean(spread, window))


def _moved_back(
    high: Column, low: Column, close: Column
) -> tuple[Float[np.ndarray, " T-1"], Float[np.ndarray, " T-1"]]:
    """Highs and lows from the second bar on, less the gap to the close before."""
    gap = np.maximum(low[1:] - close[:-1], 0.0) + np.minimum(high[1:] - close[:-1], 0.0)
    top, bottom = high[1:] - gap, low[1:] - gap
    sound = (top > 0) & (bottom > 0)  # not so where a source has the high below the low
    return np.where(sound, top, close[1:]), np.where(sound, bottom, close[1:])


def _abdi_ranaldo(high: Column, low: Column, close: Column, window: int) -> Column:
    middle, last = (np.log(high) + np.log(low)) / 2.0, np.log(close)
    spread = np.full(len(close), np.nan)
    product = (last[:-1] - middle[:-1]) * (last[:-1] - middle[1:])
    spread[1:] = 2.0 * np.sqrt(np.maximum(product, 0.0))
    return np.asarray(rolling_mean(spread, window))


def _imbalance(close: Column, volume: Column, window: int, *, absolute: bool) -> Column:
    returns = log_return(close)
    score = ratio(returns, rolling_std(returns, window), otherwise=0.0)
    side = 2.0 * ndtr(score) - 1.0
    side = np.abs(side) if absolute else side
    return ratio(rolling_sum(volume * side, window), rolling_sum(volume, window), otherwise=0.0)


def _vwap_distance(high: Column, low: Column, close: Column, volume: Column, window: int) -> Column:
    money = rolling_sum((high + low + close) / 3.0 * volume, window)
    price = ratio(money, rolling_sum(volume, window), otherwise=0.0)
    gap = np.log(close / np.where(price > 0, price, close))
    deviation = rolling_std(log_return(close), window) * np.sqrt(window)
    return ratio(gap, deviation, otherwise=0.0)


def _unchanged(close: Column, window: int) -> Column:
    same = np.full(len(close), np.nan)
    same[1:] = close[1:] == close[:-1]
    return np.asarray(rolling_mean(same, window))
