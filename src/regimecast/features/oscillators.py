"""Oscillators: TA-Lib's further measures of pace, pressure and choppiness."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import talib
from jaxtyping import Float

from regimecast.core.errors import ConfigError
from regimecast.features.base import FeatureRegistry
from regimecast.features.indicators import Indicator, IndicatorFamily, check_bars, memory

__all__ = ["OscillatorFeatures"]

Column = Float[np.ndarray, " T"]

_BARS = ("high", "low", "close")


@FeatureRegistry.register("oscillators")
class OscillatorFeatures(IndicatorFamily):
    """Directional movement, vortex, strength of strength, pressure of bars and of trends.

    Args:
        directional_window: bars of the unsmoothed directional index, the vortex and Aroon's halves.
        stochastic_window: bars of the RSI, of its range, and of the unsmoothed Chande momentum.
        intraday_window: bars of the intraday momentum index.
        forecast_window: bars of the line whose error the forecast oscillator is.
        strength_spans: long and short span of the true strength index.
        power_span: span of the average that bull and bear power are measured from.
        awesome_windows: short and long window of the median price's averages.
        coppock_windows: bars of the Coppock curve's average, of its short and its long return.
        filter_window: bars of the vertical horizontal filter.
        mass_spans: span and window of the mass index.
        chaikin_span: span of Chaikin's range average and bars of its change.
        relative_windows: bars of the relative volatility index and of its standard deviation.

    Raises:
        ConfigError: a window is too short, or there are too few or too many of them.
    """

    def __init__(
        self,
        *,
        directional_window: int,
        stochastic_window: int,
        intraday_window: int,
        forecast_window: int,
        strength_spans: Sequence[int],
        power_span: int,
        awesome_windows: Sequence[int],
        coppock_windows: Sequence[int],
        filter_window: int,
        mass_spans: Sequence[int],
        chaikin_span: int,
        relative_windows: Sequence[int],
    ) -> None:
        check_bars("oscillators.directional_window", directional_window, minimum=2)
        check_bars("oscillators.stochastic_window", stochastic_window, minimum=2)
        check_bars("oscillators.intraday_window", intraday_window, minimum=2)
        check_bars("oscillators.forecast_window", forecast_window, minimum=3)
        check_bars("oscillators.strength_spans", *strength_spans, minimum=2)
        check_bars("oscillators.power_span", power_span, minimum=2)
        check_bars("oscillators.awesome_windows", *awesome_windows, minimum=2)
        check_bars("oscillators.coppock_windows", *coppock_windows, minimum=2)
        check_bars("oscillators.filter_window", filter_window, minimum=2)
        check_bars("oscillators.mass_spans", *mass_spans, minimum=2)
        check_bars("oscillators.chaikin_span", chaikin_span, minimum=2)
        check_bars("oscillators.relative_windows", *relative_windows, minimum=2)
        for key, values, count in (
            ("strength_spans", strength_spans, 2),
            ("awesome_windows", awesome_windows, 2),
            ("coppock_windows", coppock_windows, 3),
            ("mass_spans", mass_spans, 2),
            ("relative_windows", relative_windows, 2),
        ):
            if len(values) != count:
                raise ConfigError(
                    f"features.oscillators.{key}={list(values)}; allowed: {count} numbers of bars"
                )
        self._directional = directional_window
        self._stochastic = stochastic_window
        self._intraday = intraday_window
        self._forecast = forecast_window
        self._strength = strength_spans
        self._power = power_span
        self._awesome = awesome_windows
        self._coppock = coppock_windows
        self._filter = filter_window
        self._mass = mass_spans
        self._chaikin = chaikin_span
        self._relative = relative_windows

    def indicators(self) -> tuple[Indicator, ...]:
        """Columns in order."""
        return (*self._direction(), *self._strengths(), *self._pressure(), *self._ranges())

    def _direction(self) -> list[Indicator]:
        window = self._directional

        def half(high: Column, low: Column, *, output: int) -> Column:
            return np.asarray(talib.AROON(high, low, window)[output])

        def vortex(high: Column, low: Column, close: Column) -> Column:
            # Only a market without any range divides by zero.
            plus, minus = talib.VORTEX(high, low, close, window)
            return np.nan_to_num(plus - minus, nan=0.0, posinf=0.0, neginf=0.0)

        return [
            Indicator(
                f"directional_index_{window}",
                window + memory(1 / window),
                _BARS,
                "0..100",
                "TA-Lib DX (Wilder 1978)",
                partial(talib.DX, timeperiod=window),
            ),
            *(
                Indicator(
                    f"aroon_{name}_{window}",
                    window,
                    ("high", "low"),
                    "0..100",
                    "TA-Lib AROON (Chande 1995)",
                    partial(half, output=output),
                )
                for output, name in enumerate(("down", "up"))
            ),
            Indicator(
                f"vortex_{window}",
                window,
                _BARS,
                "difference of ratios",
                "TA-Lib VORTEX, plus - minus (Botes and Siepman 2010); 0 without range",
                vortex,
            ),
            Indicator(
                f"horizontal_filter_{self._filter}",
                self._filter,
                ("close",),
                "0..1",
                "TA-Lib VHF (White 1991)",
                partial(talib.VHF, timeperiod=self._filter),
            ),
        ]

    def _strengths(self) -> list[Indicator]:
        window = self._stochastic
        long, short = self._strength
        average, first, second = self._coppock

        def stochastic(close: Column) -> Column:
            return np.asarray(talib.STOCHRSI(close, window, window, 3)[1])

        return [
            Indicator(
                f"stochastic_rsi_{window}",
                2 * window + 1 + memory(1 / window),
                ("close",),
                "0..100",
                "TA-Lib STOCHRSI, slow line (Chande and Kroll 1994)",
                stochastic,
            ),
            Indicator(
                f"chande_momentum_{window}",
                window,
                ("close",),
                "-100..100",
                "TA-Lib CMOU, unsmoothed (Chande and Kroll 1994)",
                partial(talib.CMOU, timeperiod=window),
            ),
            Indicator(
                f"true_strength_{long}_{short}",
                long + short - 1 + memory(2 / (long + 1), 2 / (short + 1)),
                ("close",),
                "-100..100",
                "TA-Lib TSI (Blau 1991)",
                partial(talib.TSI, firstperiod=long, secondperiod=short),
            ),
            Indicator(
                f"coppock_{average}",
                max(first, second) + average - 1,
                ("close",),
                "percent",
                "TA-Lib COPPOCK (Coppock 1962)",
                partial(talib.COPPOCK, wmaperiod=average, roc1period=first, roc2period=second),
            ),
            Indicator(
                f"forecast_oscillator_{self._forecast}",
                self._forecast,
                ("close",),
                "percent of close",
                "TA-Lib FOSC (Chande 1992)",
                partial(talib.FOSC, timeperiod=self._forecast),
            ),
        ]

    def _pressure(self) -> list[Indicator]:
        span, (short, long) = self._power, self._awesome

        def power(high: Column, low: Column, close: Column, *, output: int) -> Column:
            return np.asarray(talib.ERI(high, low, close, span)[output] / close)

        def awesome(high: Column, low: Column, close: Column) -> Column:
            return np.asarray(talib.AO(high, low, short, long) / close)

        return [
            Indicator(
                f"intraday_momentum_{self._intraday}",
                self._intraday - 1,
                ("open", "close"),
                "0..100",
                "TA-Lib IMI (Chande and Kroll 1994)",
                partial(talib.IMI, timeperiod=self._intraday),
            ),
            *(
                Indicator(
                    f"{side}_power_{span}",
                    span - 1 + memory(2 / (span + 1)),
                    _BARS,
                    "ratio to close",
                    "TA-Lib ERI / close (Elder 1989)",
                    partial(power, output=output),
                )
                for output, side in enumerate(("bull", "bear"))
            ),
            Indicator(
                f"awesome_{short}_{long}",
                long - 1,
                _BARS,
                "ratio to close",
                "TA-Lib AO / close (Williams 1995)",
                awesome,
            ),
        ]

    def _ranges(self) -> list[Indicator]:
        (fast, slow), span = self._mass, self._chaikin
        window, deviation = self._relative

        def change(high: Column, low: Column) -> Column:
            # Without any range before, the change is 0 over 0.
            values = talib.CVI(high, low, span, span)
            return np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)

        def mass(high: Column, low: Column) -> Column:
            return np.nan_to_num(talib.MASSI(high, low, fast, slow), nan=float(slow))

        return [
            Indicator(
                f"mass_index_{slow}",
                2 * (fast - 1) + slow - 1 + memory(2 / (fast + 1), 2 / (fast + 1)),
                ("high", "low"),
                "sum of ratios",
                "TA-Lib MASSI (Dorsey 1992)",
                mass,
            ),
            Indicator(
                f"chaikin_volatility_{span}",
                2 * span - 1 + memory(2 / (span + 1)),
                ("high", "low"),
                "percent",
                "TA-Lib CVI (Chaikin); 0 without range",
                change,
            ),
            Indicator(
                f"relative_volatility_{window}",
                window + deviation - 1 + memory(1 / window),
                ("close",),
                "0..100",
                "TA-Lib RVI (Dorsey 1993)",
                partial(talib.RVI, timeperiod=window, stddevperiod=deviation),
            ),
        ]
