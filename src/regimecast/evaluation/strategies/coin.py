"""The strategy that knows nothing: what luck alone earns, and how much of it many tries find."""

from typing import ClassVar

import numpy as np
from jaxtyping import Float, UInt64

from regimecast.core.forecast import Forecast
from regimecast.core.types import ForecastKind
from regimecast.data.panel import Panel
from regimecast.evaluation.bounds import whole
from regimecast.evaluation.origins import origin_rows
from regimecast.evaluation.strategies.base import Strategy, StrategyRegistry

__all__ = ["Coin"]


@StrategyRegistry.register("coin")
class Coin(Strategy):
    """Long or short by the toss of a coin, whatever the forecast says.

    The toss belongs to the asset and the bar: it is the same whichever other bars are forecast.

    Args:
        seed: of the tosses; each is another strategy.
        hold: bars that a toss is held for.
        step: step whose horizon the naive rule beside it takes, see `Strategy`.
    """

    kinds: ClassVar[frozenset[ForecastKind]] = frozenset(ForecastKind)

    def __init__(self, *, seed: int, hold: int, step: int | None) -> None:
        super().__init__(step=step)
        self.seed = whole("strategy.seed", seed, low=0)
        self.hold = whole("strategy.hold", hold, low=1)

    def _positions(
        self, forecast: Forecast, panel: Panel, bars_per_year: float
    ) -> Float[np.ndarray, " N"]:
        row = origin_rows(forecast, panel)
        asset = panel.asset_of_row[row]
        toss = (row - panel.offsets[asset]) // self.hold
        mixed = np.full(len(row), self.seed, dtype=np.uint64)
        for part in (asset, toss):
            mixed = _mix(mixed ^ _mix(part.astype(np.uint64)))
        return np.where(mixed >> np.uint64(63), 1.0, -1.0)


def _mix(value: UInt64[np.ndarray, " N"]) -> UInt64[np.ndarray, " N"]:
    """Bits that look random, one to one (SplitMix64: Steele, Lea and Flood 2014, OOPSLA)."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
