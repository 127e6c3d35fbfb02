"""Forward return: the path of the cumulative log return over the next bars."""

from typing import Literal, get_args

import numpy as np

from regimecast.core.errors import ConfigError
from regimecast.core.types import Task
from regimecast.data.panel import Panel
from regimecast.labels.base import Target, TargetRegistry, TargetSeries
from regimecast.labels.checks import checked_count
from regimecast.labels.volatility import check_volatility, log_close, target_scale

__all__ = ["ForwardReturn"]

Scale = Literal["volatility", "none"]


@TargetRegistry.register("forward_return")
class ForwardReturn(Target):
    """Log return from the origin's close to each of the next H closes, per unit of volatility.

    At origin o and step h: ``(ln close[o + h] - ln close[o]) / scale[o]``.

    Args:
        horizon: H, bars.
        scale: ``volatility`` divides by the trailing standard deviation of one-bar log returns,
            known at the origin's close; ``none`` by 1.
        volatility_window: bars of that standard deviation.
        volatility_floor: its least value, in log return per bar, for prices that stand still.

    Raises:
        ConfigError: a value is out of range.
    """

    def __init__(
        self, *, horizon: int, scale: Scale, volatility_window: int, volatility_floor: float
    ) -> None:
        if scale not in get_args(Scale):
            raise ConfigError(
                f"forward_return.scale={scale!r}; allowed: {', '.join(get_args(Scale))}"
            )
        check_volatility("forward_return", window=volatility_window, floor=volatility_floor)
        self._horizon = checked_count("forward_return.horizon", horizon)
        self._scale = scale
        self._window = volatility_window
        self._floor = volatility_floor

    @property
    def label_bars(self) -> int:
        """H."""
        return self._horizon

    def compute(self, panel: Panel) -> TargetSeries:
        """The target on every row; complete where H bars of the asset follow.

        Raises:
            DataError: there is no close, or one is missing or not positive.
        """
        scaled = self._scale == "volatility"
        last_row = panel.offsets[1:][panel.asset_of_row] - 1
        end_row = np.arange(panel.n_rows) + self._horizon
        return TargetSeries(
            task=Task.FORECAST,
            horizon=self._horizon,
            series=log_close(panel),
            anchored=True,
            scale=target_scale(panel, window=self._window, floor=self._floor)
            if scaled
            else np.ones(panel.n_rows),
            end_row=np.where(end_row <= last_row, end_row, -1),
            lookback=self._window if scaled else 0,
        )
