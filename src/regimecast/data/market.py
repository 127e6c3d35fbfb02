"""`MarketData`: bars with their features and target, computed once and shared by every fold."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from regimecast.core.errors import DataError
from regimecast.core.hashing import hash_arrays
from regimecast.core.types import DataSpec, Samples
from regimecast.data.calendars import trading_grid
from regimecast.data.panel import Panel, Role
from regimecast.features.pipeline import FeaturePipeline
from regimecast.labels.base import Target, TargetSeries

__all__ = ["MarketData", "known_channels"]


@dataclass(frozen=True, eq=False)
class MarketData:
    """Everything that does not depend on a split. Nothing in it is fitted on data."""

    bars: Panel
    pipeline: FeaturePipeline
    target_rule: Target
    target: TargetSeries
    past: Float[np.ndarray, "R Fp"]
    """float32, unscaled, never infinite; column 0 is reserved for the history."""
    known: Float[np.ndarray, "G Fk"]
    """Calendar features on the market's grid of bar times."""
    known_index: Int[np.ndarray, " R"]
    """Place of each row on that grid."""
    scheduled: Float[np.ndarray, "R Fa"]
    """Columns of the source that are known ahead, unscaled and never infinite."""
    static: Float[np.ndarray, "A Fs"]
    """Static columns of the source, unscaled and NaN for an asset without bars, then indicators."""
    spec: DataSpec
    lookback: int
    """Bars before a window's first row that its features or target scale read."""

    @classmethod
    def build(
        cls,
        bars: Panel,
        *,
        pipeline: FeaturePipeline,
        target: Target,
        context_length: int,
        asset_identity: bool,
    ) -> "MarketData":
        """Features and target of a panel.

        Args:
            bars: cleaned bars.
            pipeline: features to compute.
            target: what to forecast.
            context_length: L, bars per window.
            asset_identity: whether each asset gets a static indicator channel of its own.

        Raises:
            DataError: a column is missing, empty, or static and not constant in an asset; or no
                asset is long enough for one window.
        """
        _check_columns(bars)
        return cls._computed(bars, pipeline, target, context_length, asset_identity)

    @classmethod
    def _computed(
        cls,
        bars: Panel,
        pipeline: FeaturePipeline,
        target: Target,
        context_length: int,
        asset_identity: bool,
    ) -> "MarketData":
        table = pipeline.compute(bars)
        series = target.compute(bars)
        given = _names(bars, Role.PAST)
        past = np.empty((bars.n_rows, 1 + len(table.names) + len(given)), dtype=np.float32)
        past[:, 0] = 0.0
        past[:, 1 : 1 + len(table.names)] = table.values
        for position, name in enumerate(given, start=1 + len(table.names)):
            past[:, position] = _finite(bars.available(name))
        known, names, index = known_channels(bars, pipeline, series.horizon)
        scheduled = _names(bars, Role.KNOWN)
        if repeated := {*given, *scheduled} & {*table.names, *names, "history"}:
            raise DataError(
                f"columns {sorted(repeated)} of the data have the names of features; rename them "
                "with data.columns"
            )
        static_names, static = _static_channels(bars, asset_identity)
        spec = DataSpec(
            task=series.task,
            context_length=context_length,
            horizon=series.horizon,
            past=("history", *table.names, *given),
            known=(*names, *scheduled),
            static=static_names,
            assets=bars.assets,
            frequency=bars.frequency,
            bars_per_year=bars.bars_per_year,
            classes=series.classes,
            target=target.name,
        )
        market = cls(
            bars=bars,
            pipeline=pipeline,
            target_rule=target,
            target=series,
            past=past,
            known=known,
            known_index=index,
            scheduled=_finite(bars.values[:, [bars.index(name) for name in scheduled]]),
            static=static,
            spec=spec,
            lookback=max(table.lookback, series.lookback),
        )
        if not market.has_window.any():
            needed = market.lookback + context_length + target.label_bars
            longest = int(np.diff(bars.offsets).max(initial=0))
            raise DataError(
                f"no asset is long enough for one window: features look back {market.lookback} "
                f"bars, context_length={context_length} and the target reads {target.label_bars} "
                f"bars ahead, so {needed} bars are needed; the longest asset has {longest}"
            )
        return market

    @cached_property
    def first_row(self) -> Int[np.ndarray, " R"]:
        """First row of the asset that each row belongs to."""
        return self.bars.offsets[:-1][self.bars.asset_of_row]

    @cached_property
    def last_row(self) -> Int[np.ndarray, " R"]:
        """Last row of the asset that each row belongs to."""
        return self.bars.offsets[1:][self.bars.asset_of_row] - 1

    @cached_property
    def has_window(self) -> Bool[np.ndarray, " R"]:
        """True for rows whose window is full, past warm-up, with a usable target scale."""
        row = np.arange(self.bars.n_rows)
        full = row - self.first_row >= self.lookback + self.spec.context_length - 1
        if self.scheduled.shape[1]:
            # What is scheduled is read from the rows ahead, so they have to be there.
            full &= row + self.spec.horizon <= self.last_row
        return full & np.isfinite(self.target.scale)

    def samples(self, *, complete: bool) -> Samples:
        """Origins in row order with the interval of time that each reads.

        Args:
            complete: only origins whose target is known and whose asset has bars for the longest
                time it may take; else every origin with a full window, whose interval ends at the
                origin itself where the future is missing.
        """
        usable = self.has_window
        if complete:
            # A target that is known early (a barrier was met) must not decide on its own whether
            # the origin counts: near the end of the data only those that met one would. Intervals
            # still end where the target was known, which is what purging needs.
            ahead = np.arange(self.bars.n_rows) + self.target_rule.label_bars
            usable = usable & self.target.complete & (ahead <= self.last_row)
        row = np.flatnonzero(usable)
        start = np.maximum(
            self.first_row[row], row - (self.spec.context_length - 1) - self.lookback
        )
        end = np.where(self.target.end_row[row] >= 0, self.target.end_row[row], row)
        time = self.bars.time
        return Samples(
            row=row,
            asset=self.bars.asset_of_row[row],
            origin=time[row],
            start=time[start],
            end=time[end],
            end_row=end,
        )

    def until(self, end: np.datetime64) -> "MarketData":
        """The same features and target computed as if the data had ended at `end`."""
        return self.on(self.bars.until(end))

    def on(self, bars: Panel) -> "MarketData":
        """The same features and target of other bars, for the proof that they read no future."""
        # No check of columns: one that starts late has no value yet in the earlier data.
        return MarketData._computed(
            bars,
            self.pipeline,
            self.target_rule,
            self.spec.context_length,
            any(name.startswith("asset=") for name in self.spec.static),
        )

    @cached_property
    def hashes(self) -> dict[str, Any]:
        """Content hashes of bars and features and the feature set's version, for the manifest."""
        return {
            "bars": self.bars.content_hash,
            "features": hash_arrays(self.past, self.known, self.static),
            "feature_set": self.pipeline.version,
        }


def known_channels(
    bars: Panel, pipeline: FeaturePipeline, horizon: int
) -> tuple[Float[np.ndarray, "G Fk"], tuple[str, ...], Int[np.ndarray, " R"]]:
    """Calendar features on the market's grid, their names, and each row's place on it.

    Args:
        bars: the panel.
        pipeline: whose calendar features to compute.
        horizon: bars that the grid goes on after the last row.
    """
    grid: Shaped[np.ndarray, " G"] = trading_grid(
        bars.calendar, bars.frequency, bars.time.min(), bars.time.max(), ahead=horizon + 1
    )
    # A bar outside the calendar (a special session) counts as the grid time before it.
    index = np.searchsorted(grid, bars.time, side="right") - 1
    if index.min() < 0:
        grid = np.concatenate([[bars.time.min()], grid])
        index += 1
    values = pipeline.known(grid, bars.calendar)
    return values, pipeline.known_names, index


def _static_channels(
    bars: Panel, asset_identity: bool
) -> tuple[tuple[str, ...], Float[np.ndarray, "A Fs"]]:
    """Static columns of the source, and one indicator per asset where wanted.

    Raises:
        DataError: a static column has two values in one asset.
    """
    names = list(_names(bars, Role.STATIC))
    parts = [_constants(bars, name) for name in names]
    if asset_identity and bars.n_assets > 1:
        names += [f"asset={asset}" for asset in bars.assets]
        parts += list(np.eye(bars.n_assets))
    values = np.stack(parts, axis=1) if parts else np.empty((bars.n_assets, 0))
    return tuple(names), values.astype(np.float32)


def _finite(values: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """float32 with NaN, which scaling takes for missing, where a value is infinite or too large."""
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    narrow[np.isinf(narrow)] = np.nan
    return narrow


def _constants(bars: Panel, name: str) -> Float[np.ndarray, " A"]:
    """The one value of a static column in each asset, NaN where it has none."""
    known = np.flatnonzero(np.isfinite(bars.actual(name)))
    value, asset = bars.actual(name)[known], bars.asset_of_row[known]
    owner, first = np.unique(asset, return_index=True)
    constants = np.full(bars.n_assets, np.nan)
    constants[owner] = value[first]
    differs = np.flatnonzero(value != constants[asset])
    if len(differs):
        where = differs[0]
        raise DataError(
            f"column {name!r} has role static and is not constant: in asset "
            f"{bars.assets[asset[where]]!r} it is {constants[asset[where]]} and, at "
            f"{bars.time[known[where]]}, {value[where]}. Give it the role past with data.roles"
        )
    return constants


def _names(bars: Panel, role: Role) -> tuple[str, ...]:
    return tuple(column.name for column in bars.columns if column.role is role)


def _check_columns(bars: Panel) -> None:
    empty = [c.name for c in bars.columns if not np.isfinite(bars.actual(c.name)).any()]
    if empty:
        raise DataError(
            f"columns without any value: {', '.join(empty)}. Leave them out of the data, for files "
            f"with 'data.columns={{{empty[0]}: null}}'"
        )
