"""What is audited: the parts of a config, its bars, its folds, and the cuts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from regimecast.assembly import Assembly
from regimecast.audit.findings import Check, NotAudited
from regimecast.audit.perturbation import Kind, perturb
from regimecast.core.errors import DataError
from regimecast.core.seeding import derive_seed
from regimecast.core.types import Interval
from regimecast.data.cleaning import clean
from regimecast.data.market import MarketData
from regimecast.data.panel import Panel
from regimecast.data.schema import RawBars
from regimecast.features.pipeline import FeaturePipeline
from regimecast.splits.base import Fold

__all__ = ["AuditCheck", "Subject"]

_EARLIEST, _LATEST = 0.3, 0.99
"""Share of all times between which cuts are drawn; not before the first full window either."""


@dataclass(frozen=True, eq=False)
class Subject:
    """Parts and data of one audit. Nothing in it may be modified by a check."""

    parts: Assembly
    """With features computed anew each time: a cache would be filled with made-up bars."""
    cached: FeaturePipeline
    """The pipeline that runs use, cache included."""
    raw: RawBars
    bars: Panel
    market: MarketData
    """Features and target of the bars as they are."""
    folds: Sequence[Fold]
    cuts: tuple[np.datetime64, ...]
    """Ascending."""
    seed: int

    @classmethod
    def of(
        cls,
        config: Mapping[str, Any],
        *,
        cuts: int,
        seed: int,
        bars: int | None = None,
        parts: Assembly | None = None,
    ) -> "Subject":
        """The subject of a resolved config.

        Args:
            config: plain values of ``conf/train.yaml``.
            cuts: how many random cuts.
            seed: of cuts and noise.
            bars: only the latest bars of each asset; all where None.
            parts: the config's parts where they exist already.

        Raises:
            ConfigError: the config is not valid.
            DataError: the data are too short for the config.
        """
        given = parts or Assembly.from_config(config, trains=False)
        plain = FeaturePipeline(config.get("features", {}), missing=config["missing_features"])
        parts = replace(given, pipeline=plain)
        raw = parts.source.load()
        panel = _latest(clean(raw, settings=parts.cleaning)[0], bars)
        market = parts.market(panel)
        folds = parts.splitter.split(market.samples(complete=True))
        chosen = _cuts(market, cuts, seed)
        return cls(parts, given.pipeline, raw, panel, market, folds, chosen, seed)

    @property
    def description(self) -> str:
        """Origin, bars, assets and span in words."""
        bars = self.bars
        span = " to ".join(str(time)[:16] for time in (bars.time.min(), bars.time.max()))
        names = ", ".join(bars.assets[:4]) + (" and more" if bars.n_assets > 4 else "")
        return f"{self.raw.origin}: {bars.n_rows:,} bars of {names}, {span}"

    def some_folds(self, most: int) -> list[Fold]:
        """At most so many folds, spread from the first to the last."""
        chosen = np.unique(np.linspace(0, len(self.folds) - 1, most).round().astype(int))
        return [self.folds[number] for number in chosen]

    def generator(self, *stream: int) -> np.random.Generator:
        """Chance of a stream of its own."""
        return np.random.default_rng(derive_seed(self.seed, *stream))

    def perturbed(
        self, cut: np.datetime64, kind: Kind, *, bars: Panel | None = None, stream: int = 0
    ) -> Panel:
        """The bars (or others) with everything replaced that was not known at `cut`."""
        number = int(cut.astype("datetime64[s]").astype(np.int64)) % (2**31)
        panel = self.bars if bars is None else bars
        return perturb(panel, cut, kind, self.generator(number, list(Kind).index(kind), stream))

    def unseen(self, fold: Fold, kind: Kind) -> Panel:
        """The bars with everything replaced that the fold's training may not see.

        That is what comes after its training interval; of several intervals, all that lies in none
        of them.
        """
        interval = fold.train_interval
        if isinstance(interval, Interval):
            return self.perturbed(interval.end, kind)
        before = self.bars.time.min() - np.timedelta64(1, "ns")
        other = self.perturbed(before, Kind.NAN if kind is Kind.END else kind)
        kept = interval.contains(self.bars.time)[:, None]
        return replace(other, values=np.where(kept, self.bars.values, other.values))

    def model_fold(self) -> Fold:
        """The fold that models are audited on: the first one, of a split in order of time.

        Of folds that train around what they test it is the one whose test part begins last: if any
        of them has a future to replace that its training does not see, this one has.
        """
        if self.folds[0].chronological:
            return self.folds[0]
        origin = self.market.samples(complete=True).origin
        return max(self.folds, key=lambda fold: origin[fold.test].min())

    def futures(
        self, *, truncated: bool = True, cuts: Sequence[np.datetime64] | None = None
    ) -> Iterator[tuple[np.datetime64, Kind, Panel]]:
        """Every cut with every replacement of what follows it."""
        for cut in self.cuts if cuts is None else cuts:
            for kind in Kind:
                if truncated or kind is not Kind.END:
                    yield cut, kind, self.perturbed(cut, kind)


@runtime_checkable  # the tests' runtime type check asks isinstance of every argument
class AuditCheck(Protocol):
    """One kind of check. It looks at one stage and may report several components."""

    name: str

    def run(self, subject: Subject) -> tuple[list[Check], list[NotAudited]]:
        """Results by component, and what could not be looked at."""
        ...


def _latest(panel: Panel, bars: int | None) -> Panel:
    """The latest bars of each asset, the same times for all; the whole panel for None.

    Raises:
        DataError: no bar is asked for.
    """
    if bars is None:
        return panel
    if bars < 1:
        raise DataError(f"bars={bars}; allowed: at least 1")
    times = np.unique(panel.time)
    if len(times) <= bars:
        return panel
    kept = panel.time >= times[-bars]
    return replace(
        panel,
        values=panel.values[kept],
        time=panel.time[kept],
        offsets=np.concatenate([[0], np.cumsum(kept)])[panel.offsets],
    )


def _cuts(market: MarketData, number: int, seed: int) -> tuple[np.datetime64, ...]:
    """Random bar times, half of them where some asset has no bar: joins go wrong there.

    They come after the longest lookback, where the data go on for long enough after it: before it
    every column is NaN, whatever the future holds.
    """
    panel = market.bars
    times, present = np.unique(panel.time, return_counts=True)
    first, last = int(_EARLIEST * len(times)), int(_LATEST * len(times)) - 1
    if last <= first:
        raise DataError(f"{len(times)} bar times are too few to cut; at least 10 are needed")
    warm = int(np.searchsorted(times, panel.time[market.has_window].min()))
    first = max(first, min(warm, last - number))
    chance = np.random.default_rng(derive_seed(seed))
    within = np.arange(first, last)
    ragged = within[present[within] < panel.n_assets]
    uneven = chance.choice(ragged, size=min(number // 2, len(ragged)), replace=False)
    others = np.setdiff1d(within, uneven)
    even = chance.choice(others, size=min(number - len(uneven), len(others)), replace=False)
    return tuple(times[np.sort(np.concatenate([uneven, even]))])
