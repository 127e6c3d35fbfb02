"""Participation: how volume rises and falls, and what the price does meanwhile."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import talib
from jaxtyping import Float

from regimecast.core.errors import ConfigError
from regimecast.features.base import FeatureRegistry
from regimecast.features.comovement import rolling_correlation
from regimecast.features.indicators import Indicator, IndicatorFamily, check_bars, memory
from regimecast.features.rolling import (
    log_return,
    ratio,
    rolling_mean,
    rolling_rank,
    rolling_std,
    rolling_sum,
)

__all__ = ["ParticipationFeatures"]

Column = Float[np.ndarray, " T"]

_TRADED = ("close", "volume")


@FeatureRegistry.register("participation")
class ParticipationFeatures(IndicatorFamily):
    """Volume oscillators, force, returns on busy and on quiet bars, variation and rank of volume.

    Args:
        chaikin_spans: fast and slow span of Chaikin's accumulation oscillator.
        percentage_spans: fast and slow span of the volume oscillator.
        force_span: span of Elder's force index.
        return_windows: bars of the returns on busy and quiet bars and of the weighted return.
        variation_window: bars of volume's variation and first autocorrelation.
        rank_window: bars among which the volume is ranked.

    Raises:
        ConfigError: a window is too short, or a pair of spans is not fast before slow.
    """

    def __init__(
        self,
        *,
        chaikin_spans: Sequence[int],
        percentage_spans: Sequence[int],
        force_span: int,
        return_windows: Sequence[int],
        variation_window: int,
        rank_window: int,
    ) -> None:
        for key, spans in (
            ("chaikin_spans", chaikin_spans),
            ("percentage_spans", percentage_spans),
        ):
            check_bars(f"participation.{key}", *spans, minimum=2)
            if len(spans) != 2 or spans[0] >= spans[1]:
                raise ConfigError(
                    f"features.participation.{key}={list(spans)}; allowed: a fast and a slower span"
                )
        check_bars("participation.force_span", force_span, minimum=2)
        check_bars("participation.return_windows", *return_windows, minimum=2)
        check_bars("participation.variation_window", variation_window, minimum=4)
        check_bars("participation.rank_window", rank_window, minimum=2)
        self._chaikin = tuple(chaikin_spans)
        self._percentage = tuple(percentage_spans)
        self._force = force_span
        self._return_windows = tuple(return_windows)
        self._variation = variation_window
        self._rank = rank_window

    def indicators(self) -> tuple[Indicator, ...]:
        """Columns in order."""
        return (*self._oscillators(), *self._returns(), *self._volumes())

    def _oscillators(self) -> list[Indicator]:
        (fast, slow), (short, long), span = self._chaikin, self._percentage, self._force

        def chaikin(high: Column, low: Column, close: Column, volume: Column) -> Column:
            values = talib.ADOSC(high, low, close, volume, fast, slow)
            return ratio(values, rolling_mean(volume, slow), otherwise=0.0)

        def percentage(volume: Column) -> Column:
            average = talib.EMA(volume, long)
            difference = np.full(len(volume), np.nan)
            difference[long - 1 :] = (talib.EMA(volume, short) - average)[long - 1 :]
            return 100.0 * ratio(difference, average, otherwise=0.0)

        def force(close: Column, volume: Column) -> Column:
            money = close * rolling_mean(volume, span)
            return ratio(talib.EFI(close, volume, span), money, otherwise=0.0)

        return [
            Indicator(
                f"chaikin_oscillator_{fast}_{slow}",
                slow - 1 + memory(2 / (slow + 1)),
                ("high", "low", "close", "volume"),
                "share of volume",
                "TA-Lib ADOSC / mean volume (Chaikin); 0 without volume",
                chaikin,
            ),
            Indicator(
                f"volume_oscillator_{short}_{long}",
                long - 1 + memory(2 / (long + 1)),
                ("volume",),
                "percent",
                "fast over slow TA-Lib EMA of volume - 1; 0 without volume",
                percentage,
            ),
            Indicator(
                f"force_{span}",
                span + memory(2 / (span + 1)),
                _TRADED,
                "return",
                "TA-Lib EFI / (close · mean volume) (Elder 1993); 0 without volume",
                force,
            ),
        ]

    def _returns(self) -> list[Indicator]:
        columns = (
            (
                "quiet_return",
                talib.NVI,
                "log return on bars of falling volume, TA-Lib NVI (Fosback)",
            ),
            ("busy_return", talib.PVI, "log return on bars of rising volume, TA-Lib PVI (Fosback)"),
        )
        indexes = [
            Indicator(
                f"{name}_{window}",
                window,
                _TRADED,
                "log return",
                source,
                partial(_index_return, index=index, window=window),
            )
            for window in self._return_windows
            for name, index, source in columns
        ]
        weighted = [
            Indicator(
                f"volume_weighted_return_{window}",
                window,
                _TRADED,
                "log return per bar",
                "mean log return weighted by volume; 0 without volume",
                partial(_weighted, window=window),
            )
            for window in self._return_windows
        ]
        return [*indexes, *weighted]

    def _volumes(self) -> list[Indicator]:
        window, rank = self._variation, self._rank
        return [
            Indicator(
                f"volume_variation_{window}",
                window - 1,
                ("volume",),
                "ratio",
                "standard deviation / mean of volume; 0 without volume",
                partial(_variation, window=window),
            ),
            Indicator(
                f"volume_memory_{window}",
                window,
                ("volume",),
                "-1..1",
                "first autocorrelation of volume; 0 without variation",
                partial(_memory, window=window),
            ),
            Indicator(
                f"volume_rank_{rank}",
                rank - 1,
                ("volume",),
                "0..1",
                "share of the window's volumes below the last",
                partial(rolling_rank, window=rank),
            ),
        ]


def _index_return(close: Column, volume: Column, *, index: object, window: int) -> Column:
    assert callable(index)
    return log_return(np.asarray(index(close, volume)), window)


def _weighted(close: Column, volume: Column, window: int) -> Column:
    moved = rolling_sum(log_return(close) * volume, window)
    return ratio(moved, rolling_sum(volume, window), otherwise=0.0)


def _variation(volume: Column, window: int) -> Column:
    return ratio(rolling_std(volume, window), rolling_mean(volume, window), otherwise=0.0)


def _memory(volume: Column, window: int) -> Column:
    before = np.full(len(volume), np.nan)
    before[1:] = volume[:-1]
    return rolling_correlation(volume, before, window)
