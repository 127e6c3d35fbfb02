"""`MarketData`: bars with their features and target, computed once and shared by every fold."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from regimecast.core.errors import DataError
from regimecast.core.places import narrow
from regimecast.core.types import DataSpec, Samples
from regimecast.data.channels import (
    finite,
    known_channels,
    names_of,
    scheduled_channels,
    static_channels,
)
from regimecast.data.origins import PanelSamples, Reach
from regimecast.data.panel import Panel, Role
from regimecast.data.placement import IN_MEMORY, Store
from regimecast.features.pipeline import FeaturePipeline
from regimecast.labels.base import Target, TargetSeries

__all__ = ["MarketData"]


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
    store: Store
    """Where `past` and `known` lie."""

    @classmethod
    def build(
        cls,
        bars: Panel,
        *,
        pipeline: FeaturePipeline,
        target: Target,
        context_length: int,
        asset_identity: bool,
        store: Store = IN_MEMORY,
    ) -> "MarketData":
        """Features and target of a panel.

        Args:
            bars: cleaned bars.
            pipeline: features to compute.
            target: what to forecast.
            context_length: L, bars per window.
            asset_identity: whether each asset gets a static indicator channel of its own.
            store: where the features lie.

        Raises:
            ConfigError: the features do not fit there; nothing has been computed yet.
            DataError: a column is missing, empty, or static and not constant in an asset; or no
                asset is long enough for one window.
        """
        _check_columns(bars)
        features = len(pipeline.declarations(bars))
        store.check(bars.n_rows, 1 + features + len(names_of(bars, Role.PAST)))
        return cls._computed(bars, pipeline, target, context_length, asset_identity, store)

    @classmethod
    def _computed(
        cls,
        bars: Panel,
        pipeline: FeaturePipeline,
        target: Target,
        context_length: int,
        asset_identity: bool,
        store: Store,
    ) -> "MarketData":
        given = names_of(bars, Role.PAST)
        width = len(pipeline.declarations(bars))
        past = store.matrix(bars.n_rows, 1 + width + len(given))
        computed = past[:, 1 : 1 + width]
        table = pipeline.compute(bars, out=computed)
        if table.values is not computed:
            computed[:] = table.values
        for position, name in enumerate(given, start=1 + width):
            past[:, position] = finite(bars.available(name))
        series = target.compute(bars)
        series = replace(series, end_row=narrow(series.end_row))
        known, names, index = known_channels(bars, pipeline, series.horizon, store=store)
        scheduled = names_of(bars, Role.KNOWN)
        if repeated := {*given, *scheduled} & {*table.names, *names, "history"}:
            raise DataError(
                f"columns {sorted(repeated)} of the data have the names of features; rename them "
                "with data.columns"
            )
        static_names, static = static_channels(bars, asset_identity)
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
            scheduled=scheduled_channels(bars, store=store),
            static=static,
            spec=spec,
            lookback=max(table.lookback, series.lookback),
            store=store,
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

    @property
    def first_row(self) -> Int[np.ndarray, " R"]:
        """First row of the asset that each row belongs to."""
        return self.bars.offsets[:-1][self.bars.asset_of_row]

    @cached_property
    def last_row(self) -> Int[np.ndarray, " R"]:
        """Last row of the asset that each row belongs to."""
        return narrow(self.bars.offsets[1:] - 1)[self.bars.asset_of_row]

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
        return self._complete if complete else self._samples(self.has_window)

    @cached_property
    def _complete(self) -> Samples:
        # A target that is known early (a barrier was met) must not decide on its own whether
        # the origin counts: near the end of the data only those that met one would. Intervals
        # still end where the target was known, which is what purging needs.
        ahead = np.arange(self.bars.n_rows) + self.target_rule.label_bars
        return self._samples(self.has_window & self.target.complete & (ahead <= self.last_row))

    def _samples(self, usable: Bool[np.ndarray, " R"]) -> Samples:
        back = self.spec.context_length - 1 + self.lookback
        reach = Reach(self.bars, back, self.target.end_row)
        return PanelSamples(narrow(np.flatnonzero(usable)), reach)

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
            self.store,
        )


def _check_columns(bars: Panel) -> None:
    empty = [c.name for c in bars.columns if not np.isfinite(bars.actual(c.name)).any()]
    if empty:
        raise DataError(
            f"columns without any value: {', '.join(empty)}. Leave them out of the data, for files "
            f"with 'data.columns={{{empty[0]}: null}}'"
        )
