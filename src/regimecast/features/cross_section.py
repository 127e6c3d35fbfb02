"""Cross-section: where an asset ranks among the others, and how the market moves as a whole.

Aligned by time: at any moment an asset counts with its latest bar, as long as that is not older
than `most_age` moments, so that an asset that stopped trading drops out.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

from regimecast.data.panel import Panel
from regimecast.features.base import CrossAssetFeatures, Feature, FeatureRegistry
from regimecast.features.comovement import comoments, rolling_correlation
from regimecast.features.cross_asset import Moves, market_moves, market_settled
from regimecast.features.indicators import check_bars
from regimecast.features.rolling import log_return, ratio, rolling_mean, rolling_std, rolling_sum

__all__ = ["CrossSectionFeatures"]

Grid = Float[np.ndarray, "U A"]
"""One value per moment and asset, NaN where the asset does not count."""


@FeatureRegistry.register("cross_section")
class CrossSectionFeatures(CrossAssetFeatures):
    """Rank among assets, breadth, the others' return and volatility, and what is the asset's own.

    A panel of fewer than two assets has no such features; the pipeline leaves the family out.

    Args:
        return_windows: bars of the returns that are ranked, counted and averaged.
        average_windows: bars of the averages that the share of assets above them is of.
        risk_windows: bars of the others' and the asset's own volatility, of downside beta and of
            the correlation with the others' bar before.
        most_age: moments after its last bar for which an asset counts.

    Raises:
        ConfigError: a window is too short.
    """

    def __init__(
        self,
        *,
        return_windows: Sequence[int],
        average_windows: Sequence[int],
        risk_windows: Sequence[int],
        most_age: int,
    ) -> None:
        check_bars("cross_section.return_windows", *return_windows, minimum=1)
        check_bars("cross_section.average_windows", *average_windows, minimum=2)
        check_bars("cross_section.risk_windows", *risk_windows, minimum=4)
        check_bars("cross_section.most_age", most_age, minimum=0)
        self._return_windows = tuple(return_windows)
        self._average_windows = tuple(average_windows)
        self._risk_windows = tuple(risk_windows)
        self._most_age = most_age

    def features(self) -> tuple[Feature, ...]:
        """Declarations in the order of the columns."""
        return tuple(
            Feature(name, lookback, ("close",), units, source)
            for name, lookback, units, source in (*self._joint(), *self._paired())
        )

    def _joint(self) -> list[tuple[str, int, str, str]]:
        returns = [
            (f"{name}_{window}", window, units, source)
            for window in self._return_windows
            for name, units, source in (
                ("return_rank_of_assets", "0..1", "share of other assets with a lower log return"),
                ("advancing_share", "0..1", "share of assets with a positive log return"),
                ("asset_spread", "log return", "standard deviation of the assets' log returns"),
            )
        ]
        averages = [
            (f"above_average_{window}", window - 1, "0..1", "share of assets above their average")
            for window in self._average_windows
        ]
        return [*returns, *averages]

    def _paired(self) -> list[tuple[str, int, str, str]]:
        per_bar = "log return per bar"
        return [
            (f"{name}_{window}", window + more, units, source)
            for window in self._risk_windows
            for name, (more, _), units, source in (
                ("market_volatility", _PAIRED["market_volatility"], per_bar, "of the others' mean"),
                (
                    "own_volatility",
                    _PAIRED["own_volatility"],
                    per_bar,
                    "of what the others do not explain (Ang, Hodrick, Xing and Zhang 2006)",
                ),
                (
                    "downside_beta",
                    _PAIRED["downside_beta"],
                    "ratio",
                    "slope on the others where they fall (Ang, Chen and Xing 2006); 0 if never",
                ),
                (
                    "follows_market",
                    _PAIRED["follows_market"],
                    "-1..1",
                    "correlation with the others' bar before (Lo and MacKinlay 1990)",
                ),
            )
        ]

    def compute(self, panel: Panel) -> Float[np.ndarray, "R F"]:
        """Columns for every row, each from bars at or before that row's time."""
        features = self.features()
        table = np.full((panel.n_rows, len(features)), np.nan)
        if panel.n_rows == 0:
            return table
        moments, at = np.unique(panel.time, return_inverse=True)
        close = panel.available("close").astype(np.float64)
        close = np.where(close > 0, close, np.nan)
        column = 0
        for window in self._return_windows:
            grid = self._grid(panel, close, len(moments), at, partial(log_return, bars=window))
            count = np.isfinite(grid).sum(axis=1)
            others = np.where(count >= 2, count - 1.0, np.nan)
            ranks = (rankdata(grid, axis=1, nan_policy="omit") - 1.0) / others[:, None]
            table[:, column] = ranks[at, panel.asset_of_row]
            table[:, column + 1] = _share(grid, count)[at]
            table[:, column + 2] = _spread(grid, count)[at]
            column += 3
        for window in self._average_windows:
            grid = self._grid(panel, close, len(moments), at, partial(_gap, window=window))
            table[:, column] = _share(grid, np.isfinite(grid).sum(axis=1))[at]
            column += 1
        for asset, moves in enumerate(market_moves(panel)):
            rows = panel.rows(asset)
            paired = [
                function(moves, window)
                for window in self._risk_windows
                for _, function in _PAIRED.values()
            ]
            for offset, values in enumerate(paired):
                table[rows, column + offset] = values
        for index, feature in enumerate(features):
            for start, stop in zip(panel.offsets[:-1], panel.offsets[1:], strict=True):
                table[start : min(start + feature.lookback, stop), index] = np.nan
        return table

    def settled(self, panel: Panel, time: np.datetime64) -> np.datetime64:
        """From when on bars are read by windows that begin at `time`; see `market_settled`.

        Earlier by the moments for which an asset counts without a bar.
        """
        moments = np.unique(panel.time)
        last = int(np.searchsorted(moments, time, side="right"))
        return min(market_settled(panel, time), moments[max(last - 1 - self._most_age, 0)])

    def _grid(
        self,
        panel: Panel,
        close: np.ndarray,
        moments: int,
        at: np.ndarray,
        function: Callable[[np.ndarray], np.ndarray],
    ) -> Grid:
        """What a function of each asset's closes was, as known at every moment."""
        grid = np.full((moments, panel.n_assets), np.nan)
        for asset in range(panel.n_assets):
            rows = panel.rows(asset)
            if rows.start == rows.stop:
                continue
            values = function(close[rows])
            latest = np.searchsorted(at[rows], np.arange(moments), side="right") - 1
            age = np.arange(moments) - at[rows][np.maximum(latest, 0)]
            known = (latest >= 0) & (age <= self._most_age)
            grid[known, asset] = values[latest[known]]
        return grid


def _gap(close: np.ndarray, *, window: int) -> np.ndarray:
    return np.asarray(np.log(close / rolling_mean(close, window)))


def _share(grid: Grid, count: np.ndarray) -> np.ndarray:
    """Share of positive values, zeros counted half."""
    above = np.nansum((np.sign(grid) + 1.0) / 2.0, axis=1)
    return np.where(count >= 2, above / np.maximum(count, 1), np.nan)


def _spread(grid: Grid, count: np.ndarray) -> np.ndarray:
    # In ascending order, so that rounding does not depend on the order of the assets.
    return np.where(count >= 2, _deviation(np.sort(grid, axis=1), count), np.nan)


@numba.njit(cache=True)
@no_type_check
def _deviation(ordered: Grid, count: np.ndarray) -> np.ndarray:
    """Standard deviation of the first `count` values of each row."""
    result = np.zeros(len(ordered))
    for u in range(len(ordered)):
        mean = 0.0
        for a in range(count[u]):
            mean += ordered[u, a] / count[u]
        square = 0.0
        for a in range(count[u]):
            square += (ordered[u, a] - mean) ** 2 / count[u]
        result[u] = np.sqrt(square)
    return result


def _market_volatility(moves: Moves, window: int) -> np.ndarray:
    return np.asarray(rolling_std(moves.others, window))


def _own_volatility(moves: Moves, window: int) -> np.ndarray:
    xx, yy, xy = comoments(moves.own, moves.others, window)
    explained = ratio(xy * xy, yy, otherwise=0.0)
    return np.sqrt(np.maximum(xx - explained, 0.0) / (window - 2))


def _downside_beta(moves: Moves, window: int) -> np.ndarray:
    down = np.where(moves.others > 0, 0.0, moves.others)
    products = rolling_sum(moves.own * down, window)
    return ratio(products, rolling_sum(down * down, window), otherwise=0.0)


def _follows(moves: Moves, window: int) -> np.ndarray:
    before = np.full(len(moves.others), np.nan)
    before[1:] = moves.others[:-1]
    return rolling_correlation(moves.own, before, window)


_PAIRED: dict[str, tuple[int, Callable[[Moves, int], np.ndarray]]] = {
    "market_volatility": (0, _market_volatility),
    "own_volatility": (0, _own_volatility),
    "downside_beta": (0, _downside_beta),
    "follows_market": (1, _follows),
}
"""Bars beyond the window and the function of each relation with the others."""
