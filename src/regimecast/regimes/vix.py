"""Regimes of a volatility index such as the VIX."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from regimecast.core.errors import ConfigError, LeakageError
from regimecast.core.types import Regime, TrainingTime
from regimecast.data.panel import Panel
from regimecast.regimes.base import RegimeLabeller, RegimeRegistry
from regimecast.regimes.price_rule import PriceRule
from regimecast.regimes.training import inside

__all__ = ["VixRegime"]

_log = logging.getLogger(__name__)

_UNKNOWN_SHARE = 0.05
"""Share of training bars without any index value above which `fit` warns."""


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
        minimum_lag: bars late that the column has to be at least. 1 for an index that closes after
            the market; 0 says that every bar holds the index as it stood at the bar's own close.
        low: below it the code is low volatility; from it on, normal.
        high: from it on the code is high volatility, itself included.
        crash: above it, itself excluded, the code is crash.
        price: parameters of `PriceRule`.

    Raises:
        ConfigError: thresholds do not ascend, `minimum_lag` is negative, or a price parameter is
            out of range.
    """

    def __init__(
        self,
        *,
        column: str,
        minimum_lag: int,
        low: float,
        high: float,
        crash: float,
        price: Mapping[str, Any],
    ) -> None:
        if minimum_lag < 0:
            raise ConfigError(f"regime.minimum_lag={minimum_lag}; allowed: 0 or more bars")
        if not low < high < crash:
            raise ConfigError(
                f"regime thresholds must ascend: low={low}, high={high}, crash={crash}"
            )
        self._column = column
        self._minimum_lag = minimum_lag
        self._thresholds = (low, high, crash)
        self._price = PriceRule.of(price)
        self._interval: TrainingTime | None = None
        self.lookback = self._price.lookback

    def fit(self, panel: Panel, interval: TrainingTime) -> "VixRegime":
        """Itself; there is nothing to learn. Warns where the index misses much of the interval.

        Raises:
            DataError: no such column.
            LeakageError: the column is known sooner than `minimum_lag` allows.
        """
        within = inside(panel, interval)
        unknown = np.isnan(self._index(panel)[within])
        if unknown.size and (share := float(unknown.mean())) > _UNKNOWN_SHARE:
            _log.warning(
                "regime=vix: %.0f %% of the training bars (%s to %s) have no value of column %r "
                "yet, so that their regime is unknown unless prices say crash or recovery. Use "
                "data that start with the index, or regime=realised_volatility",
                100 * share,
                str(interval.start)[:10],
                str(interval.end)[:10],
                self._column,
            )
        self._interval = interval
        return self

    def label(self, panel: Panel) -> Int[np.ndarray, " R"]:
        """Regime code per row as int8; see `RegimeLabeller.label`.

        Raises:
            DataError: no such column.
            LeakageError: the column is known sooner than `minimum_lag` allows.
        """
        index = self._index(panel)
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

    def _index(self, panel: Panel) -> Float[np.ndarray, " R"]:
        lag = panel.columns[panel.index(self._column)].lag
        if lag < self._minimum_lag:
            name = self._column
            raise LeakageError(
                f"regime.column={name!r} has lag {lag}, and regime=vix needs {self._minimum_lag} "
                "or more: a volatility index closes after the market, so that its value of a bar "
                f"is not known at the bar's close. Set data.lags.{name}={self._minimum_lag}; only "
                "where each bar holds the index as it stood at the bar's own close, set "
                f"regime.minimum_lag={lag}"
            )
        return _last_known(panel, self._column)


def _last_known(panel: Panel, column: str) -> Float[np.ndarray, " R"]:
    """Last finite value available at each bar of its asset, NaN before the first."""
    value = panel.available(column)
    row = np.where(np.isfinite(value), np.arange(panel.n_rows), -1)
    last = np.maximum.accumulate(row)
    own = last >= panel.offsets[:-1][panel.asset_of_row]
    return np.where(own, value[last], np.nan)
