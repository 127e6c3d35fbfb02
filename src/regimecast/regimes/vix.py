"""Regimes of a volatility index such as the VIX."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from regimecast.core.errors import ConfigError
from regimecast.core.types import Interval, Regime
from regimecast.data.panel import Panel
from regimecast.regimes.base import RegimeLabeller, RegimeRegistry
from regimecast.regimes.price_rule import PriceRule

__all__ = ["VixRegime"]


@RegimeRegistry.register("vix")
class VixRegime(RegimeLabeller):
    """Fixed thresholds on a volatility index, with crash and recovery by price over them.

    Known at the close of t: the index enters as `Panel.available` gives it, so that with lag 1 the
    code of a day rests on the index of the day before. Nothing is estimated; `fit` only notes the
    interval. Where the index is missing (a holiday of its own, an intraday bar without a value) its
    last known value counts, however old. Before the first one the code is -1, unless prices say
    crash or recovery.

    Args:
        column: column of the index, in percent.
        low: below it the code is low volatility; from it on, normal.
        high: from it on the code is high volatility, itself included.
        crash: above it, itself excluded, the code is crash.
        price: parameters of `PriceRule`.

    Raises:
        ConfigError: thresholds do not ascend, or a price parameter is out of range.
    """

    def __init__(
        self, *, column: str, low: float, high: float, crash: float, price: Mapping[str, Any]
    ) -> None:
        if not low < high < crash:
            raise ConfigError(
                f"regime thresholds must ascend: low={low}, high={high}, crash={crash}"
            )
        self._column = column
        self._thresholds = (low, high, crash)
        self._price = PriceRule.of(price)
        self._interval: Interval | None = None
        self.lookback = self._price.lookback

    def fit(self, panel: Panel, interval: Interval) -> "VixRegime":
        """Itself; there is nothing to learn."""
        self._interval = interval
        return self

    def label(self, panel: Panel) -> Int[np.ndarray, " R"]:
        """Regime code per row as int8; see `RegimeLabeller.label`."""
        index = _last_known(panel, self._column)
        low, high, crash = self._thresholds
        codes = np.select(
            [np.isnan(index), index < low, index < high, index <= crash],
            [-1, Regime.LOW_VOLATILITY, Regime.NORMAL, Regime.HIGH_VOLATILITY],
            default=Regime.CRASH,
        )
        return self._price.override(codes, panel)

    def state(self) -> dict[str, Any]:
        """Thresholds and the interval that `fit` was given, if any."""
        return {
            "thresholds": list(self._thresholds),
            "interval": None if self._interval is None else self._interval.to_json(),
        }


def _last_known(panel: Panel, column: str) -> Float[np.ndarray, " R"]:
    """Last finite value available at each bar of its asset, NaN before the first."""
    value = panel.available(column)
    row = np.where(np.isfinite(value), np.arange(panel.n_rows), -1)
    last = np.maximum.accumulate(row)
    own = last >= panel.offsets[:-1][panel.asset_of_row]
    return np.where(own, value[last], np.nan)
