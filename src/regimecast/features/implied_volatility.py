"""Implied volatility: where an index such as the VIX stands, and what it asks beyond what came.

Reads the index as it was known: its column carries a lag where it closes after the bars.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from jaxtyping import Float

from regimecast.core.errors import ConfigError
from regimecast.features.base import FeatureRegistry
from regimecast.features.indicators import Indicator, IndicatorFamily, check_bars
from regimecast.features.paths import run_length
from regimecast.features.rolling import log_return, rolling_mean, rolling_rank, rolling_std

__all__ = ["ImpliedVolatilityFeatures"]

Column = Float[np.ndarray, " T"]


@FeatureRegistry.register("implied_volatility")
class ImpliedVolatilityFeatures(IndicatorFamily):
    """Band of a volatility index, time in it, distance to its borders, and the premium it holds.

    Args:
        column: column of the index, in percent a year.
        thresholds: borders of the bands, ascending, in the index's unit.
        most_bars: bars at which the time in a band stops counting.
        change_windows: bars of the index's log changes.
        rank_window: bars that the index is ranked in.
        premium_window: bars of the realised volatility that it is compared with.
        bars_per_year: bars that make the realised volatility a yearly one.

    Raises:
        ConfigError: a window is too short, or thresholds are not positive and ascending.
    """

    def __init__(
        self,
        *,
        column: str,
        thresholds: Sequence[float],
        most_bars: int,
        change_windows: Sequence[int],
        rank_window: int,
        premium_window: int,
        bars_per_year: float,
    ) -> None:
        check_bars("implied_volatility.most_bars", most_bars, minimum=1)
        check_bars("implied_volatility.change_windows", *change_windows, minimum=1)
        check_bars("implied_volatility.rank_window", rank_window, minimum=2)
        check_bars("implied_volatility.premium_window", premium_window, minimum=2)
        if not thresholds or thresholds[0] <= 0 or sorted(set(thresholds)) != list(thresholds):
            raise ConfigError(
                f"features.implied_volatility.thresholds={list(thresholds)}; "
                "allowed: ascending positive levels, such as [15, 25, 35]"
            )
        if not bars_per_year > 0:
            raise ConfigError(
                f"features.implied_volatility.bars_per_year={bars_per_year!r}; allowed: above 0"
            )
        self._column = column
        self._thresholds = np.array(thresholds, dtype=np.float64)
        self._most = most_bars
        self._changes = tuple(change_windows)
        self._rank, self._premium = rank_window, premium_window
        self._bars_per_year = float(bars_per_year)

    def indicators(self) -> tuple[Indicator, ...]:
        """Columns in order."""
        name, most, rank, premium = self._column, self._most, self._rank, self._premium
        levels = ", ".join(f"{level:g}" for level in self._thresholds)
        columns: tuple[tuple[str, int, str, str, Callable[..., np.ndarray]], ...] = (
            ("band", 0, "bands", f"thresholds {levels} at or below the index", self._band),
            ("band_age", most, "0..1", f"bars in the band, at most {most}, / {most}", self._age),
            ("distance", 0, "log ratio", f"ln(index / nearest of {levels})", self._distance),
            (
                f"rank_{rank}",
                rank - 1,
                "0..1",
                "share of the window's values below the last",
                partial(rolling_rank, window=rank),
            ),
            (
                f"swing_{rank}",
                rank - 1,
                "log ratio",
                "ln(index / its mean over the window)",
                partial(_swing, window=rank),
            ),
            *(
                (
                    f"change_{window}",
                    window,
                    "log ratio",
                    "ln(index / index before)",
                    partial(_change, window=window),
                )
                for window in self._changes
            ),
        )
        return (
            *(
                Indicator(f"{name}_{suffix}", lookback, (name,), units, source, function)
                for suffix, lookback, units, source, function in columns
            ),
            Indicator(
                f"{name}_premium_{premium}",
                premium,
                ("close", name),
                "log ratio",
                "ln(index / realised volatility of a year in percent), "
                "(Carr and Wu 2009); 0 without movement",
                self._over_realised,
            ),
        )

    def _band(self, index: Column) -> Column:
        return np.searchsorted(self._thresholds, index, side="right").astype(np.float64)

    def _age(self, index: Column) -> Column:
        return np.asarray(run_length(self._band(index), self._most) / self._most)

    def _distance(self, index: Column) -> Column:
        logs = np.log(_positive(index))[:, None] - np.log(self._thresholds)
        return logs[np.arange(len(logs)), np.argmin(np.abs(logs), axis=1)]

    def _over_realised(self, close: Column, index: Column) -> Column:
        realised = rolling_std(log_return(close), self._premium)
        yearly = 100.0 * np.sqrt(self._bars_per_year) * realised
        values = np.log(_positive(index) / np.where(yearly > 0, yearly, 1.0))
        return np.where(yearly == 0, 0.0, values)


def _positive(index: Column) -> Column:
    return np.where(index > 0, index, np.nan)


def _swing(index: Column, *, window: int) -> Column:
    values = _positive(index)
    return np.asarray(np.log(values / rolling_mean(values, window)))


def _change(index: Column, *, window: int) -> Column:
    return log_return(_positive(index), window)
