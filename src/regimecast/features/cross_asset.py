"""Cross-asset: how an asset moves against the equal-weight average of the others.

Everything is aligned by time, never by position. The others' return over one of an asset's own bars
is the sum, over the moments inside that bar, of the mean return of those other assets that have a
bar at the moment. An asset that starts late, halts or disappears thus counts only while it trades,
and nothing later than t is read at t. A return over more than `longest_gap` is none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from regimecast.data.panel import Panel
from regimecast.features.base import CrossAssetFeatures, Feature, FeatureRegistry, longest_gap
from regimecast.features.comovement import rolling_beta, rolling_correlation
from regimecast.features.indicators import check_bars
from regimecast.features.rolling import log_return, rolling_mean

__all__ = ["Moves", "RelativeFeatures", "market_moves", "market_settled"]


@dataclass(frozen=True)
class Moves:
    """One asset's bars beside what the market did during each."""

    own: Float[np.ndarray, " T"]
    """Log return of the bar."""
    others: Float[np.ndarray, " T"]
    """Log return of the others over the same time; NaN unless one of them has traded lately."""
    spread: Float[np.ndarray, " T"]
    """Cross-sectional standard deviation of log returns, the latest one unless it is too old."""


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

    def settled(self, panel: Panel, time: np.datetime64) -> np.datetime64:
        """From when on bars are read by windows that begin at `time`; see `market_settled`."""
        return market_settled(panel, time)

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
    gap = longest_gap(panel)
    moments, at = np.unique(panel.time, return_inverse=True)
    returns = [_returns(panel, asset, gap) for asset in range(panel.n_assets)]
    counts, sums, squares = np.zeros((3, len(moments)))
    # By name, so that rounding does not depend on the order of the assets.
    for asset in sorted(range(panel.n_assets), key=panel.assets.__getitem__):
        own, here = returns[asset], at[panel.rows(asset)]
        traded = np.isfinite(own)
        counts[here[traded]] += 1.0
        sums[here[traded]] += own[traded]
        squares[here[traded]] += own[traded] ** 2
    deviation = _deviation(counts, sums, squares)
    latest = _latest(np.isfinite(deviation), moments, gap)
    spread = np.where(latest >= 0, deviation[latest], np.nan)
    moves = []
    for asset, own in enumerate(returns):
        here = at[panel.rows(asset)]
        traded = np.isfinite(own)
        others, rest = counts.copy(), sums.copy()
        others[here[traded]] -= 1.0
        rest[here[traded]] -= own[traded]
        means = np.divide(rest, others, out=np.zeros(len(rest)), where=others > 0)
        known = (_latest(others > 0, moments, gap)[here] >= 0) & ~_halted(moments[here], gap)
        moves.append(
            Moves(
                own=own,
                others=np.where(known, _between(means, here), np.nan),
                spread=np.where(known, spread[here], np.nan),
            )
        )
    return moves


def market_settled(panel: Panel, time: np.datetime64) -> np.datetime64:
    """From when on bars settle what `market_moves` knows at `time` and after.

    The latest moment until then at which two assets traded, and the latest trades of two of them:
    whichever asset asks, one of these is another's.
    """
    gap = longest_gap(panel)
    trades = []
    for asset in range(panel.n_assets):
        moments = panel.time[panel.rows(asset)]
        moments = moments[np.isfinite(_returns(panel, asset, gap))]
        trades.append(moments[(moments <= time) & (moments >= time - gap)])
    latest = sorted(moments[-1] for moments in trades if len(moments))[-2:]
    together, counts = np.unique(np.concatenate(trades), return_counts=True)
    return min([time, *latest, *together[counts >= 2][-1:]])


def _returns(panel: Panel, asset: int, gap: np.timedelta64) -> Float[np.ndarray, " T"]:
    """Log returns of an asset's bars."""
    rows = panel.rows(asset)
    close = panel.available("close")[rows].astype(np.float64)
    returns = log_return(np.where(close > 0, close, np.nan))
    returns[_halted(panel.time[rows], gap)] = np.nan
    return returns


def _halted(time: Shaped[np.ndarray, " T"], gap: np.timedelta64) -> Bool[np.ndarray, " T"]:
    """Whether a bar comes too long after the one before, or first."""
    return np.diff(time, prepend=time[:1] - gap - 1) > gap


def _latest(
    known: Bool[np.ndarray, " U"], moments: Shaped[np.ndarray, " U"], gap: np.timedelta64
) -> Int[np.ndarray, " U"]:
    """The latest moment at or before each at which something was known; -1 if that is too old."""
    latest = np.maximum.accumulate(np.where(known, np.arange(len(known)), -1))
    return np.where((latest >= 0) & (moments - moments[latest] <= gap), latest, -1)


@numba.njit(cache=True)
@no_type_check
def _between(means: Float[np.ndarray, " U"], at: Int[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    """Sum over the moments after the bar before, up to and including each bar's own; 0 at first."""
    result = np.zeros(len(at))
    for t in range(1, len(at)):
        for moment in range(at[t - 1] + 1, at[t] + 1):
            result[t] += means[moment]
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


def _strength(moves: Moves, window: int) -> np.ndarray:
    return np.asarray(window * rolling_mean(moves.own - moves.others, window))


def _correlation(moves: Moves, window: int) -> np.ndarray:
    return rolling_correlation(moves.own, moves.others, window)


def _beta(moves: Moves, window: int) -> np.ndarray:
    return rolling_beta(moves.own, moves.others, window)


def _dispersion(moves: Moves, window: int) -> np.ndarray:
    return np.asarray(rolling_mean(moves.spread, window))
