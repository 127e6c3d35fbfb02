"""Regimes of an asset's own volatility, for markets without a volatility index."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from regimecast.core.errors import ConfigError
from regimecast.core.types import TrainingTime
from regimecast.data.panel import Panel
from regimecast.data.returns import log_returns, trailing_volatility
from regimecast.regimes.base import RegimeLabeller, RegimeRegistry
from regimecast.regimes.price_rule import PriceRule
from regimecast.regimes.training import inside, require_fit, require_some

__all__ = ["RealisedVolatilityRegime"]


@RegimeRegistry.register("realised_volatility")
class RealisedVolatilityRegime(RegimeLabeller):
    """Quantiles of trailing volatility in training, with crash and recovery by price over them.

    Known at the close of t: the standard deviation of the last `window` log returns, annualised
    with the training interval's bars per year. Each asset has its own thresholds. The code is -1 in
    warm-up, before the training interval, and for assets with too little training history, unless
    prices say crash or recovery.

    Args:
        window: returns in the trailing standard deviation.
        quantiles: three levels, ascending: below the first is low volatility, from the first on
            normal, from the second on high volatility, above the third crash. The packaged levels
            are the shares of VIX closes below 15, 25 and 35 from 1990 to 2023: chosen with
            hindsight, for they include years on which models are tested (before 2004 the shares
            were 0.242, 0.796 and 0.972). Only the thresholds at these levels are learnt.
        minimum: fewest volatilities in training that give an asset thresholds.
        price: parameters of `PriceRule`.

    Raises:
        ConfigError: a value is out of range.
    """

    def __init__(
        self,
        *,
        window: int,
        quantiles: Sequence[float],
        minimum: int,
        price: Mapping[str, Any],
    ) -> None:
        if window < 2:
            raise ConfigError(f"regime.window={window}; allowed: 2 returns or more")
        if len(quantiles) != 3 or not 0 < quantiles[0] < quantiles[1] < quantiles[2] < 1:
            raise ConfigError(
                f"regime.quantiles={list(quantiles)}; allowed: three ascending levels in (0, 1)"
            )
        if minimum < 1:
            raise ConfigError(f"regime.minimum={minimum}; allowed: 1 or more")
        self._window = window
        self._quantiles = tuple(quantiles)
        self._minimum = minimum
        self._price = PriceRule.of(price)
        self._interval: TrainingTime | None = None
        self._bars_per_year = float("nan")
        self._thresholds: dict[str, tuple[float, ...]] = {}
        self.lookback = self._price.lookback + window

    def fit(self, panel: Panel, interval: TrainingTime) -> "RealisedVolatilityRegime":
        """Learns each asset's three thresholds; see `RegimeLabeller.fit`.

        Raises:
            DataError: no asset has enough history inside the interval.
        """
        panel = panel.until(interval.end)
        self._bars_per_year = panel.bars_per_year
        volatility = self._volatility(panel)
        usable = inside(panel, interval, lookback=self._window) & ~np.isnan(volatility)
        self._thresholds = {}
        for asset, name in enumerate(panel.assets):
            rows = panel.rows(asset)
            known = volatility[rows][usable[rows]]
            if len(known) >= self._minimum:
                self._thresholds[name] = tuple(np.quantile(known, self._quantiles).tolist())
        unfitted = [name for name in panel.assets if name not in self._thresholds]
        require_some(unfitted, panel, self._minimum, interval)
        self._interval = interval
        return self

    def label(self, panel: Panel) -> Int[np.ndarray, " R"]:
        """Regime code per row as int8; see `RegimeLabeller.label`.

        Raises:
            SpecError: `fit` was not called.
            LeakageError: every bar lies before the training interval.
        """
        interval = require_fit(self._interval, panel, self.name)
        volatility = self._volatility(panel)
        codes = np.full(panel.n_rows, -1, dtype=np.int8)
        for asset, name in enumerate(panel.assets):
            if name in self._thresholds:
                rows = panel.rows(asset)
                first, second, third = self._thresholds[name]
                level = volatility[rows]
                code = (level >= first).astype(np.int8) + (level >= second) + (level > third)
                known = ~np.isnan(level) & (panel.time[rows] >= interval.first_use)
                codes[rows] = np.where(known, code, -1)
        return self._price.override(codes, panel)

    def state(self) -> dict[str, Any]:
        """Annualised thresholds per asset, bars per year and the training interval."""
        return {
            "thresholds": {name: list(levels) for name, levels in self._thresholds.items()},
            "bars_per_year": None if self._interval is None else self._bars_per_year,
            "interval": None if self._interval is None else self._interval.to_json(),
        }

    def _volatility(self, panel: Panel) -> Float[np.ndarray, " R"]:
        trailing = trailing_volatility(log_returns(panel), window=self._window)
        annual = float(np.sqrt(self._bars_per_year))
        return trailing * annual
