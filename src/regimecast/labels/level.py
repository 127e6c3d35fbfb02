"""Level: the series itself over the next bars, not its return."""

from typing import Literal

import numpy as np

from regimecast.core.errors import ConfigError, DataError
from regimecast.core.types import Task
from regimecast.data.panel import Panel
from regimecast.data.schema import observed
from regimecast.labels.base import Target, TargetRegistry, TargetSeries

__all__ = ["Level"]


@TargetRegistry.register("level")
class Level(Target):
    """The value of a column at each of the next H bars: of a load, a temperature, a spread, a rate.

    At origin o and step h: ``(column[o + h] - mean) / deviation``, with the asset's mean and
    population standard deviation over the training interval, so that errors of assets of different
    size can be averaged. A model sees the column in the same units. Nothing says which way to trade
    on a level, so that no backtest is made.

    Args:
        horizon: H, bars.
        column: what is forecast; null is ``close``, or ``value`` in data without prices.
        scale: ``training`` standardises as above; ``none`` leaves the column's own units.

    Raises:
        ConfigError: the horizon is below 1.
    """

    tradable = False

    def __init__(
        self, *, horizon: int, column: str | None, scale: Literal["training", "none"]
    ) -> None:
        if horizon < 1:
            raise ConfigError(f"level.horizon={horizon}; allowed: at least 1 bar")
        self._horizon = horizon
        self._column = column
        self._scale = scale

    @property
    def label_bars(self) -> int:
        """H."""
        return self._horizon

    def compute(self, panel: Panel) -> TargetSeries:
        """The target on every row; complete where H bars of the asset follow.

        Raises:
            DataError: there is no such column, a value is missing, or it is not known at the close
                of its own bar.
        """
        name = observed(panel.names) if self._column is None else self._column
        series = np.asarray(panel.actual(name), dtype=np.float64)
        if lag := panel.columns[panel.index(name)].lag:
            raise DataError(
                f"level.column={name!r} is known {lag} bars late, and a model sees its target's "
                f"history up to the origin; allowed: a column of lag 0"
            )
        if len(missing := np.flatnonzero(~np.isfinite(series))):
            row = missing[0]
            raise DataError(
                f"level.column={name!r} has {len(missing)} missing values, the first of "
                f"{panel.assets[panel.asset_of_row[row]]!r} at {panel.time[row]}"
            )
        last_row = panel.offsets[1:][panel.asset_of_row] - 1
        end_row = np.arange(panel.n_rows) + self._horizon
        return TargetSeries(
            task=Task.FORECAST,
            horizon=self._horizon,
            series=series,
            anchored=False,
            scale=np.ones(panel.n_rows),
            end_row=np.where(end_row <= last_row, end_row, -1),
            lookback=0,
            standardised=self._scale == "training",
        )
