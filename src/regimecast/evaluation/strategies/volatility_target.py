"""A strategy that takes the forecast's side and sizes it to a constant risk."""

from typing import ClassVar

import numpy as np
from jaxtyping import Float
from scipy.stats import norm
from typing_extensions import override

from regimecast.core.errors import ConfigError, SpecError, did_you_mean
from regimecast.core.forecast import Forecast
from regimecast.core.types import ForecastKind
from regimecast.data.panel import Panel
from regimecast.data.returns import log_returns, trailing_volatility
from regimecast.evaluation.bounds import bounded, whole
from regimecast.evaluation.forecast_metrics import central_intervals
from regimecast.evaluation.origins import origin_rows
from regimecast.evaluation.strategies.base import Strategy, StrategyRegistry, beyond

__all__ = ["VolatilityTarget"]

_SOURCES = ("trailing", "forecast")


@StrategyRegistry.register("volatility_target")
class VolatilityTarget(Strategy):
    """Sign of the forecast times target volatility over expected volatility, capped.

    Moskowitz, Ooi & Pedersen (2012), Time series momentum, JFE 104, size positions so. Flat where
    the volatility is not known (warm-up) or zero.

    Args:
        target: wanted volatility of the position a year, such as 0.1.
        volatility: ``trailing``, the standard deviation of the last `window` one-bar log returns,
            or ``forecast``, the outermost symmetric pair of quantiles at the step acted on, read as
            a normal distribution's and scaled by √(bars per year / step).
        window: bars of the trailing volatility.
        max_leverage: largest absolute position.
        threshold: smallest absolute point forecast acted on.
        step: step acted on, 1 to H; None is the last, of positions the first.

    Raises:
        ConfigError: a number is out of range or the volatility's source is unknown.
    """

    kinds: ClassVar[frozenset[ForecastKind]] = frozenset(ForecastKind)

    def __init__(
        self,
        *,
        target: float,
        volatility: str,
        window: int,
        max_leverage: float,
        threshold: float,
        step: int | None,
    ) -> None:
        super().__init__(step=step)
        if volatility not in _SOURCES:
            raise ConfigError(
                f"strategy.volatility={volatility!r} is unknown."
                f"{did_you_mean(volatility, _SOURCES)} Allowed: {', '.join(_SOURCES)}"
            )
        self.target = bounded("strategy.target", target, low=0.0)
        self.volatility = volatility
        self.window = whole("strategy.window", window, low=2)
        self.max_leverage = bounded("strategy.max_leverage", max_leverage, low=0.0)
        self.threshold = bounded("strategy.threshold", threshold, low=0.0)

    @override
    def check(self, kind: ForecastKind, levels: tuple[float, ...], horizon: int) -> None:
        super().check(kind, levels, horizon)
        if self.volatility == "forecast" and (
            kind is not ForecastKind.QUANTILES or not central_intervals(levels)
        ):
            raise SpecError(
                "strategy.volatility=forecast needs quantiles at a symmetric pair of levels, got "
                f"{kind} at {levels}; use strategy.volatility=trailing"
            )

    def _positions(
        self, forecast: Forecast, panel: Panel, bars_per_year: float
    ) -> Float[np.ndarray, " N"]:
        if self.volatility == "trailing":
            per_bar = trailing_volatility(log_returns(panel), window=self.window)[
                origin_rows(forecast, panel)
            ]
            yearly = per_bar * np.sqrt(bars_per_year)
        else:
            yearly = self._forecast_volatility(forecast, bars_per_year)
        usable = np.isfinite(yearly) & (yearly > 0)
        size = np.divide(self.target, yearly, out=np.zeros(len(forecast)), where=usable)
        side = beyond(self._at_step(forecast, forecast.point()), self.threshold)
        return side * np.minimum(size, self.max_leverage)

    def _forecast_volatility(
        self, forecast: Forecast, bars_per_year: float
    ) -> Float[np.ndarray, " N"]:
        pairs = central_intervals(forecast.levels)
        low, high, nominal = max(pairs, key=lambda pair: pair[2])
        spread = self._at_step(forecast, forecast.values[:, :, high]) - self._at_step(
            forecast, forecast.values[:, :, low]
        )
        deviations = 2 * float(norm.ppf((1 + nominal) / 2))
        return spread / deviations * np.sqrt(bars_per_year / self.step_of(forecast))
