"""The simplest strategy, which can act on every kind of forecast."""

from typing import ClassVar

import numpy as np
from jaxtyping import Float

from regimecast.core.forecast import Forecast
from regimecast.core.types import ForecastKind
from regimecast.data.panel import Panel
from regimecast.evaluation.bounds import bounded
from regimecast.evaluation.strategies.base import Strategy, StrategyRegistry, beyond

__all__ = ["Sign"]


@StrategyRegistry.register("sign")
class Sign(Strategy):
    """Long where the point forecast is above a threshold, short where it is below its negative.

    The point forecast is the median of quantiles or the expected class of probabilities. A forecast
    that is a position already is taken with its size, and only dropped where within the threshold.

    Args:
        threshold: smallest absolute forecast acted on: a log return, an expected class, or a
            position. A return below the cost of a round trip is not worth a trade.
        allow_short: False holds 0 instead of a short position.
        step: step acted on, 1 to H; None is the last, of positions the first.
    """

    kinds: ClassVar[frozenset[ForecastKind]] = frozenset(ForecastKind)

    def __init__(self, *, threshold: float, allow_short: bool, step: int | None) -> None:
        super().__init__(step=step)
        self.threshold = bounded("strategy.threshold", threshold, low=0.0)
        self.allow_short = allow_short

    def _positions(
        self, forecast: Forecast, panel: Panel, bars_per_year: float
    ) -> Float[np.ndarray, " N"]:
        point = self._at_step(forecast, forecast.point())
        position = beyond(point, self.threshold)
        if forecast.kind is ForecastKind.POSITIONS:
            position = np.abs(position) * point
        return position if self.allow_short else np.maximum(position, 0.0)
