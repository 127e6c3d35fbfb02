"""A strategy that trades only where the forecast's own uncertainty leaves no doubt of the sign."""

from typing import ClassVar

import numpy as np
from jaxtyping import Float
from typing_extensions import override

from regimecast.core.errors import ConfigError, SpecError
from regimecast.core.forecast import Forecast
from regimecast.core.types import ForecastKind
from regimecast.data.panel import Panel
from regimecast.evaluation.bounds import bounded
from regimecast.evaluation.strategies.base import Strategy, StrategyRegistry

__all__ = ["QuantileBand"]


@StrategyRegistry.register("quantile_band")
class QuantileBand(Strategy):
    """Long where a lower quantile is above a margin, short where an upper one is below minus it.

    Args:
        lower: level of the quantile that must be above the margin to go long.
        upper: level of the quantile that must be below minus the margin to go short.
        margin_bps: margin in basis points of return, such as the cost of a round trip.
        allow_short: False holds 0 instead of a short position.
        step: step acted on, 1 to H; None is the last.

    Raises:
        ConfigError: levels do not ascend within [0, 1], or the margin is negative.
    """

    kinds: ClassVar[frozenset[ForecastKind]] = frozenset({ForecastKind.QUANTILES})

    def __init__(
        self, *, lower: float, upper: float, margin_bps: float, allow_short: bool, step: int | None
    ) -> None:
        super().__init__(step=step)
        self.lower = bounded("strategy.lower", lower, low=0.0, high=1.0)
        self.upper = bounded("strategy.upper", upper, low=0.0, high=1.0)
        if not self.lower < self.upper:
            raise ConfigError(f"strategy.lower={lower} must be below strategy.upper={upper}")
        self.margin = bounded("strategy.margin_bps", margin_bps, low=0.0) / 1e4
        self.allow_short = allow_short

    @override
    def check(self, kind: ForecastKind, levels: tuple[float, ...], horizon: int) -> None:
        super().check(kind, levels, horizon)
        for key, level in (("lower", self.lower), ("upper", self.upper)):
            if not levels[0] <= level <= levels[-1]:
                raise SpecError(
                    f"strategy.{key}={level} is outside the forecast's levels {levels}; "
                    "strategy=sign needs the median only"
                )

    def _positions(
        self, forecast: Forecast, panel: Panel, bars_per_year: float
    ) -> Float[np.ndarray, " N"]:
        long = self._at_step(forecast, forecast.quantile(self.lower)) > self.margin
        short = self._at_step(forecast, forecast.quantile(self.upper)) < -self.margin
        return long.astype(np.float64) - (short & ~long & self.allow_short)
