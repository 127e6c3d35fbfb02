"""Triple-barrier classes of every bar: up, down or neither within a deadline."""

import logging
import math
from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Int

from regimecast.core.errors import ConfigError, DataError
from regimecast.core.types import Task
from regimecast.data.panel import Panel
from regimecast.labels.barrier_setting import BarrierSetting
from regimecast.labels.barriers import Tie, TripleBarrierLabels, barrier_labels
from regimecast.labels.base import INCOMPLETE, Target, TargetRegistry, TargetSeries
from regimecast.labels.checks import checked_cost
from regimecast.labels.volatility import check_volatility, log_close, target_scale
from regimecast.labels.widths import average_true_range

__all__ = ["TripleBarrier", "watched_prices"]

Unit = Literal["volatility", "atr", "fraction"]

_log = logging.getLogger(__name__)


@TargetRegistry.register("triple_barrier")
class TripleBarrier(Target):
    """Classes 1, -1 and 0: upper barrier, lower barrier or deadline first; see `triple_barrier`.

    A farther lower barrier makes 1 more frequent, a farther upper one makes -1 more frequent; on an
    asset that drifts upwards the lower one has to be the nearer for balanced classes. The classes'
    shares are logged.

    Args:
        horizon: bars until the deadline.
        upper: distance of the upper barrier in `unit`.
        lower: distance of the lower barrier in `unit`.
        unit: ``volatility`` counts in trailing standard deviations of one-bar log returns, ``atr``
            in Wilder's average true range, both known at the origin's close; ``fraction`` in
            fractions of the close.
        volatility_window: bars of the volatility or the average true range.
        volatility_floor: least volatility, in log return per bar, for prices that stand still.
        cost_bps: cost of a round trip in basis points; a barrier lies that much farther away.
        tie: the class where one bar reaches both barriers.
        assets: horizon, upper and lower of single assets, which then replace the three above; as
            ``regimecast barriers`` finds them.
        fitted_until: the last bar that these settings were fitted on, as an ISO time; null where
            nothing was. Validation and test have to come after it.

    Raises:
        ConfigError: a value is out of range.
    """

    classes = (-1, 0, 1)

    def __init__(
        self,
        *,
        horizon: int,
        upper: float,
        lower: float,
        unit: Unit,
        volatility_window: int,
        volatility_floor: float,
        cost_bps: float,
        tie: Tie,
        assets: Mapping[str, Mapping[str, int | float]],
        fitted_until: str | None,
    ) -> None:
        self.default = BarrierSetting(horizon=horizon, upper=float(upper), lower=float(lower))
        """Setting of every asset without one of its own."""
        self._own = {
            str(asset): BarrierSetting.of(values, asset=str(asset))
            for asset, values in assets.items()
        }
        self._fitted_until = None if fitted_until is None else _time(fitted_until)
        if unit not in get_args(Unit):
            raise ConfigError(f"triple_barrier.unit={unit!r}; allowed: {', '.join(get_args(Unit))}")
        if tie not in get_args(Tie):
            raise ConfigError(f"triple_barrier.tie={tie!r}; allowed: {', '.join(get_args(Tie))}")
        check_volatility("triple_barrier", window=volatility_window, floor=volatility_floor)
        self._unit = unit
        self._window = volatility_window
        self._floor = volatility_floor
        self.cost_bps = checked_cost("triple_barrier.cost_bps", cost_bps)
        self.tie: Tie = tie

    @property
    def label_bars(self) -> int:
        """Bars until the longest deadline of any asset."""
        return max(setting.horizon for setting in (self.default, *self._own.values()))

    @property
    def fitted_until(self) -> np.datetime64 | None:
        """The last bar that the settings were fitted on."""
        return self._fitted_until

    def setting(self, asset: str) -> BarrierSetting:
        """Setting of an asset: its own, or the default."""
        return self._own.get(asset, self.default)

    def compute(self, panel: Panel) -> TargetSeries:
        """The class of every row whose volatility is known, complete once a barrier is met.

        Raises:
            DataError: prices are missing or not positive, or ``unit: atr`` without highs and lows.
        """
        series = log_close(panel)
        scale = target_scale(panel, window=self._window, floor=self._floor)
        unit = self.unit(panel)
        if strangers := sorted({*self._own} - {*panel.assets}):
            _log.warning(
                "triple_barrier.assets: the data have no %s; assets: %s",
                ", ".join(strangers),
                ", ".join(panel.assets),
            )
        label = np.full(panel.n_rows, INCOMPLETE, dtype=np.int8)
        end_row = np.full(panel.n_rows, -1, dtype=np.int64)
        for asset in range(panel.n_assets):
            rows = panel.rows(asset)
            entries = np.flatnonzero(np.isfinite(unit[rows]))
            labels = self._asset_labels(panel, asset, unit[rows], entries)
            label[rows.start + entries] = labels.label
            end_row[rows.start + entries] = np.where(labels.exit >= 0, rows.start + labels.exit, -1)
            _log.debug("%s: %s", panel.assets[asset], _shares(labels.label))
        _log.info("triple_barrier: %s", _shares(label))
        return TargetSeries(
            task=Task.CLASSIFICATION,
            horizon=1,
            series=series,
            anchored=True,
            scale=scale,
            end_row=end_row,
            lookback=max(self._window, self._atr_lookback if self._unit == "atr" else 0),
            label=label,
            classes=self.classes,
        )

    @property
    def _atr_lookback(self) -> int:
        """Bars to start Wilder's filter, and until the start's weight is below 1 %."""
        return self._window + math.ceil(math.log(0.01) / math.log1p(-1.0 / self._window))

    def _asset_labels(
        self,
        panel: Panel,
        asset: int,
        unit: Float[np.ndarray, " T"],
        entries: Int[np.ndarray, " N"],
    ) -> TripleBarrierLabels:
        setting = self.setting(panel.assets[asset])
        try:
            return barrier_labels(
                *watched_prices(panel, asset),
                upper=setting.upper * unit,
                lower=setting.lower * unit,
                horizon=setting.horizon,
                entries=entries,
                cost_bps=self.cost_bps,
                tie=self.tie,
            )
        except DataError as error:
            raise DataError(f"asset {panel.assets[asset]!r}: {error}") from error

    def unit(self, panel: Panel) -> Float[np.ndarray, " R"]:
        """What one unit of distance is at each close, as a fraction of the close.

        Known at that close; NaN in warm-up, where there is no label.

        Raises:
            DataError: prices are missing or not positive, or ``unit: atr`` without highs and lows.
        """
        volatility = target_scale(panel, window=self._window, floor=self._floor)
        if self._unit == "volatility":
            return volatility
        if self._unit == "fraction":
            return np.where(np.isfinite(volatility), 1.0, np.nan)
        high, low, close = (
            np.asarray(panel.available(name), dtype=np.float64) for name in ("high", "low", "close")
        )
        unit = np.full(panel.n_rows, np.nan)
        for asset in range(panel.n_assets):
            rows = panel.rows(asset)
            atr = average_true_range(high[rows], low[rows], close[rows], window=self._window)
            atr[: self._atr_lookback] = np.nan
            unit[rows] = np.maximum(atr / close[rows], self._floor)
        unit[~np.isfinite(volatility)] = np.nan
        return unit


def watched_prices(
    panel: Panel, asset: int
) -> tuple[Float[np.ndarray, " T"], Float[np.ndarray, " T"] | None, Float[np.ndarray, " T"] | None]:
    """Closes, highs and lows of an asset; no highs and lows unless the data have both."""
    rows = panel.rows(asset)
    close = panel.actual("close")[rows]
    if not (panel.has("high") and panel.has("low")):
        return close, None, None
    return close, panel.actual("high")[rows], panel.actual("low")[rows]


def _time(text: str) -> np.datetime64:
    try:
        time = np.datetime64(text, "ns")
    except ValueError as error:
        raise ConfigError(
            f"triple_barrier.fitted_until={text!r}; allowed: an ISO time such as 2015-06-30, or "
            "null"
        ) from error
    if np.isnat(time):
        raise ConfigError(f"triple_barrier.fitted_until={text!r} is no time")
    return time


def _shares(label: np.ndarray) -> str:
    """Shares of the classes among complete labels, for the log."""
    complete = label[label != INCOMPLETE]
    if not len(complete):
        return "no complete label"
    shares = ", ".join(f"{value:+d} {np.mean(complete == value):.1%}" for value in (-1, 0, 1))
    return f"{len(complete)} labels: {shares}"
