"""What a strategy is. One .py with a strategy and one .yaml with its parameters add it."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from regimecast.core.errors import SpecError
from regimecast.core.forecast import Forecast
from regimecast.core.registry import Registry
from regimecast.core.types import ForecastKind
from regimecast.data.panel import Panel
from regimecast.evaluation.bounds import whole

__all__ = ["Strategy", "StrategyRegistry", "beyond"]


class Strategy(ABC):
    """Rule that says which position to want, decided at the close of each origin.

    A position is a share of capital: 1 is fully long, -1 fully short, 0 flat. It is filled at the
    next bar (see `backtest`), never at the close that it was decided on.

    Args:
        step: step of the forecast that is acted on, 1 to H; None is the last step of a forecast of
            returns or classes, and the first of positions, which is the one to hold next.
    """

    name: ClassVar[str]
    kinds: ClassVar[frozenset[ForecastKind]]
    """Kinds of forecast it can act on."""

    def __init__(self, *, step: int | None) -> None:
        self.step = None if step is None else whole("strategy.step", step, low=1)

    def positions(
        self, forecast: Forecast, panel: Panel, *, bars_per_year: float
    ) -> Float[np.ndarray, " N"]:
        """Wanted position per forecast, float64, known at the close of its origin.

        Args:
            forecast: out-of-sample forecasts.
            panel: bars; only what is available at each origin is read.
            bars_per_year: of the data's calendar, for strategies that size by volatility.

        Raises:
            SpecError: the strategy cannot act on this kind of forecast or has no such step.
        """
        self.check(forecast.kind, forecast.levels, forecast.horizon)
        return self._positions(forecast, panel, bars_per_year).astype(np.float64)

    def check(self, kind: ForecastKind, levels: tuple[float, ...], horizon: int) -> None:
        """Nothing, if it can act on such a forecast; a run asks before it trains.

        Raises:
            SpecError: the strategy cannot act on this kind of forecast or its levels, or there is
                no such step.
        """
        if kind not in self.kinds:
            able = ", ".join(
                name
                for name in StrategyRegistry.available()
                if kind in StrategyRegistry.get(name).kinds
            )
            raise SpecError(
                f"strategy={self.name} cannot act on {kind}; strategies that can: {able}"
            )
        if self.step is not None and self.step > horizon:
            raise SpecError(
                f"strategy.step={self.step} is beyond the forecast's horizon {horizon}; "
                f"allowed: 1 to {horizon}, or null"
            )

    def step_of(self, forecast: Forecast) -> int:
        """Step of this forecast that is acted on, 1 to H.

        Raises:
            SpecError: the strategy cannot act on the forecast.
        """
        self.check(forecast.kind, forecast.levels, forecast.horizon)
        if self.step is None:
            return 1 if forecast.kind is ForecastKind.POSITIONS else forecast.horizon
        return self.step

    @abstractmethod
    def _positions(
        self, forecast: Forecast, panel: Panel, bars_per_year: float
    ) -> Float[np.ndarray, " N"]:
        """Wanted position per forecast; its kind and step have been checked."""

    def _at_step(
        self, forecast: Forecast, values: Float[np.ndarray, "N H"]
    ) -> Float[np.ndarray, " N"]:
        """Column of the step that is acted on, as float64."""
        return values[:, self.step_of(forecast) - 1].astype(np.float64)


StrategyRegistry: Registry[Strategy] = Registry(
    "strategy", Strategy, package="regimecast.evaluation.strategies", attribute="StrategyRegistry"
)
"""Every strategy by name; see `Registry`."""


def beyond(signal: Float[np.ndarray, " N"], threshold: float) -> Float[np.ndarray, " N"]:
    """1 where the signal is above the threshold, -1 where it is below its negative, else 0."""
    return np.where(np.abs(signal) > threshold, np.sign(signal), 0.0)
