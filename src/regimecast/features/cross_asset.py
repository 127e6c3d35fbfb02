"""Cross-asset: how an asset moves against the equal-weight average of the others.

Everything is aligned by time, never by position. The others' return over one of an asset's own bars
is the sum, over the moments inside that bar, of the mean return of those other assets that have a
bar at the moment. An asset that starts late, halts or disappears thus counts only while it trades,
and nothing later than t is read at t.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float, Int

from regimecast.data.panel import Panel
from regimecast.features.base import CrossAssetFeatures, Feature, FeatureRegistry
from regimecast.features.comovement import rolling_beta, rolling_correlation
from regimecast.features.indicators import check_bars
from regimecast.features.rolling import log_return, rolling_mean

__all__ = ["Moves", "RelativeFeatures", "market_moves"]


@dataclass(frozen=True)
class Moves:
    """One asset's bars beside what the market did during each."""

    own: Float[np.ndarray, " T"]
    """Log return of the bar."""
    others: Float[np.ndarray, " T"]
    """Log return of the others over the same time; NaN until one of them has traded."""
    spread: Float[np.ndarray, " T"]
    """Cross-sectional standard deviation of log returns, the latest known."""


@dataclass(frozen=True)
class _Relation:
    feature: Feature
    function: Callable[[Moves], np.ndarray]


@FeatureRegistry.register("cross_asset")
class RelativeFeatures(CrossAssetFeatures):
    """Relative strength, correlation and beta to the others, and the market's dispersion.

    A panel of fewer than two assets has no such features; the pipeline leaves the family out.

    Args:
        strength_windows: bars of the return minus that of the others.
        comovement_window: bars of correlation and beta.
        dispersion_window: bars over which the cross-sectional deviation is averaged.

    Raises:
        ConfigError: a window is too short.
    """

    def __init__(
        self, *, strength_windows: Sequence[int], comovement_window: int, dispersion_window: int
    ) -> None:
        check_bars("cross_asset.strength_windows", *strength_windows, minimum=1)
        check_bars("cross_asset.comovement_window", comovement_window, minimum=3)
        check_bars("cross_asset.dispersion_window", dispersion_window, minimum=1)
        self._strength_windows = tuple(strength_windows)
        self._comovement_window = comovement_window
        self._dispersion_window = dispersion_window

    def features(self) -> tuple[Feature, ...]:
        """Declarations in the order of the columns."""
        return tuple(relation.feature for relation in self._relations())

    def compute(self, panel: Panel) -> Float[np.ndarray, "R F"]:
        """Columns for every row, each from bars at or before that row's time."""
        relations = self._relations()
        table = np.full((panel.n_rows, len(relations)), np.nan)
        if panel.n_rows == 0:
            return table
        for asset, moves in enumerate(market_moves(panel)):
            rows = panel.rows(asset)
            for column, relation in enumerate(relations):
                first = rows.start + relation.feature.lookback
                values = relation.function(moves)[relation.feature.lookback :]
                table[first : rows.stop, column] = values
        return table

    def _relations(self) -> tuple[_Relation, ...]:
        comovement, dispersion = self._comovement_window, self._dispersion_window
        strength = [
            (
                f"relative_strength_{window}",
                window,
                "log return",
                "own log return minus the others'",
                partial(_strength, window=window),
            )
            for window in self._strength_windows
        ]
        columns = (
            *strength,
            (
                f"market_correlation_{comovement}",
                comovement,
                "-1..1",
                "Pearson correlation of log returns with the others'; 0 without variation",
                partial(_correlation, window=comovement),
            ),
            (
                f"market_beta_{comovement}",
                comovement,
                "ratio",
                "slope of log returns on the others'; 0 without variation",
                partial(_beta, window=comovement),
            ),
            (
                f"market_dispersion_{dispersion}",
                dispersion,
                "log return per bar",
                "mean cross-sectional standard deviation of log returns (Solnik and Roulet 2000)",
                partial(_dispersion, window=dispersion),
            ),
        )
        return tuple(
            _Relation(Feature(name, lookback, ("close",), units, source), function)
            for name, lookback, units, source, function in columns
        )


def market_moves(panel: Panel) -> list[Moves]:
    """Moves of every asset, from closes as known at each bar."""
    close = panel.available("close")
    close = np.where(close > 0, close, np.nan)
    moments, at = np.unique(panel.time, return_inverse=True)
    own = np.full(panel.n_rows, np.nan)
    for asset in range(panel.n_assets):
        rows = panel.rows(asset)
        own[rows] = log_return(close[rows])
    traded = np.isfinite(own)
    counts = np.bincount(at, traded, len(moments))
    sums = np.bincount(at, np.where(traded, own, 0.0), len(moments))
    squares = np.bincount(at, np.where(traded, own, 0.0) ** 2, len(moments))
    spread = _latest(_deviation(counts, sums, squares))
    moves = []
    for asset in range(panel.n_assets):
        rows = panel.rows(asset)
        mine = np.zeros(len(moments))
        mine[at[rows]] = np.where(traded[rows], own[rows], 0.0)
        present = np.zeros(len(moments))
        present[at[rows]] = traded[rows]
        others = _others(counts - present, sums - mine, at[rows])
        moves.append(Moves(own[rows], others, spread[at[rows]]))
    return moves


def _others(
    counts: Float[np.ndarray, " U"], sums: Float[np.ndarray, " U"], at: Int[np.ndarray, " T"]
) -> Float[np.ndarray, " T"]:
    """The others' mean returns, summed over the moments of each own bar."""
    means = np.divide(sums, counts, out=np.zeros(len(sums)), where=counts > 0)
    path = np.cumsum(means)[at]
    result = np.full(len(at), np.nan)
    result[1:] = np.diff(path)
    result[np.cumsum(counts)[at] == 0] = np.nan
    return result


def _deviation(
    counts: Float[np.ndarray, " U"],
    sums: Float[np.ndarray, " U"],
    squares: Float[np.ndarray, " U"],
) -> Float[np.ndarray, " U"]:
    """Standard deviation across assets at each moment; NaN with fewer than two."""
    size = np.maximum(counts, 1.0)
    variance = np.maximum(squares / size - (sums / size) ** 2, 0.0)
    return np.where(counts >= 2, np.sqrt(variance), np.nan)


def _latest(values: Float[np.ndarray, " U"]) -> Float[np.ndarray, " U"]:
    """Each value, or where it is NaN the last one before it."""
    known = np.where(np.isfinite(values), np.arange(len(values)), 0)
    return values[np.maximum.accumulate(known)]


def _strength(moves: Moves, window: int) -> np.ndarray:
    return np.asarray(window * rolling_mean(moves.own - moves.others, window))


def _correlation(moves: Moves, window: int) -> np.ndarray:
    return rolling_correlation(moves.own, moves.others, window)


def _beta(moves: Moves, window: int) -> np.ndarray:
    return rolling_beta(moves.own, moves.others, window)


def _dispersion(moves: Moves, window: int) -> np.ndarray:
    return np.asarray(rolling_mean(moves.spread, window))
