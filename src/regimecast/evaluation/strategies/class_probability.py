"""A strategy for class forecasts that trades only on a clear margin of probability."""

from typing import ClassVar

import numpy as np
from jaxtyping import Float

from regimecast.core.forecast import Forecast
from regimecast.core.types import ForecastKind
from regimecast.data.panel import Panel
from regimecast.evaluation.bounds import bounded
from regimecast.evaluation.strategies.base import Strategy, StrategyRegistry, beyond

__all__ = ["ClassProbability"]


@StrategyRegistry.register("class_probability")
class ClassProbability(Strategy):
    """Long where p(up) - p(down) is above a threshold, short where it is below its negative.

    p(up) is the probability of all classes above 0, p(down) of all below. Meta-labels (0, 1) have
    no class below 0: a trade is taken or not.

    Args:
        threshold: smallest difference of probabilities acted on, 0 to 1.
        allow_short: False holds 0 instead of a short position.
        step: step acted on, 1 to H; None is the last.

    Raises:
        ConfigError: the threshold is not from 0 to 1.
    """

    kinds: ClassVar[frozenset[ForecastKind]] = frozenset({ForecastKind.PROBABILITIES})

    def __init__(self, *, threshold: float, allow_short: bool, step: int | None) -> None:
        super().__init__(step=step)
        self.threshold = bounded("strategy.threshold", threshold, low=0.0, high=1.0)
        self.allow_short = allow_short

    def _positions(
        self, forecast: Forecast, panel: Panel, bars_per_year: float
    ) -> Float[np.ndarray, " N"]:
        side = np.sign(np.asarray(forecast.levels, dtype=np.float64))
        position = beyond(self._at_step(forecast, forecast.values @ side), self.threshold)
        return position if self.allow_short else np.maximum(position, 0.0)
