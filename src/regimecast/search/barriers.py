"""Barriers for every asset of a panel, fitted on the training interval alone."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from regimecast.core.errors import ConfigError, DataError
from regimecast.core.parts import settings
from regimecast.core.types import Interval
from regimecast.data.panel import Panel
from regimecast.evaluation.costs import CostModel
from regimecast.labels.barrier_setting import BarrierSetting
from regimecast.labels.barrier_target import TripleBarrier, watched_prices
from regimecast.search.evolve import Bounds, Candidate, evolve, front
from regimecast.search.merit import Judge

__all__ = ["AssetBarriers", "BarrierSearch", "SearchResult"]

_log = logging.getLogger(__name__)

_PAIRS = {"width": "numbers", "horizon": "whole numbers"}
_DEADLINES = 20
"""Deadlines that an asset has to be long, or its shares of classes are chance."""


@dataclass(frozen=True)
class AssetBarriers:
    """What was found for one asset."""

    asset: str
    default: Candidate
    """The target's setting for all assets, for comparison."""
    chosen: Candidate | None
    """None where nothing may replace the default; `problem` says why."""
    candidates: tuple[Candidate, ...]
    """Everything that was judged."""
    generations: int
    problem: str = ""

    @property
    def front(self) -> tuple[Candidate, ...]:
        """Candidates that no other one beats in both goals, the most balanced first."""
        return front(self.candidates)

    @property
    def improved(self) -> bool:
        """Whether another setting than the default was chosen."""
        return self.chosen is not None and self.chosen.setting != self.default.setting


@dataclass(frozen=True)
class SearchResult:
    """What was found for all assets."""

    interval: Interval
    """The only bars that were read."""
    assets: tuple[AssetBarriers, ...]
    """Every asset that is long enough."""
    short: tuple[str, ...]
    """Assets with too few bars in the interval; they keep the default."""

    @property
    def trials(self) -> int:
        """Settings that were judged, over all assets."""
        return sum(len(found.candidates) for found in self.assets)


@dataclass(frozen=True, kw_only=True)
class BarrierSearch:
    """How to look for barriers; a profile is one yaml in ``conf/labels/search/``.

    Of the front, the setting with the greatest edge is chosen among those whose imbalance is at
    most `tolerance`; where there are none, the most balanced one of positive edge.

    Raises:
        ConfigError: a value is out of range.
    """

    width: list[float]
    """Least and greatest distance of either barrier, in the target's unit."""
    horizon: list[int]
    """Least and greatest deadline in bars."""
    skill: float
    """s in `regimecast.search.merit`: the forecaster is right with probability (1 + s) / 2."""
    neutral: float
    """Wanted share of labels at the deadline; up and down share the rest equally."""
    tolerance: float
    """Greatest imbalance of the chosen setting."""
    population: int
    generations: int
    patience: int
    crossover: float
    mutation: float

    def __post_init__(self) -> None:
        for key in _PAIRS:
            values = getattr(self, key)
            if len(values) != 2 or not 0 < values[0] <= values[1] < np.inf:
                raise ConfigError(
                    f"search.{key}={values}; allowed: two values above 0, the greater one last"
                )
        for key in ("skill", "neutral"):
            if not 0 < getattr(self, key) < 1:
                raise ConfigError(f"search.{key}={getattr(self, key)}; allowed: between 0 and 1")
        for key in ("tolerance", "crossover", "mutation"):
            if not 0 <= getattr(self, key) <= 1:
                raise ConfigError(f"search.{key}={getattr(self, key)}; allowed: 0 to 1")
        for key, least in (("population", 2), ("generations", 1), ("patience", 1)):
            if getattr(self, key) < least:
                raise ConfigError(f"search.{key}={getattr(self, key)}; allowed: {least} or more")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "BarrierSearch":
        """The search of the config's group `search`.

        Raises:
            ConfigError: there is no such group, or a key or a value in it is wrong.
        """
        given = config.get("search")
        if given is None:
            raise ConfigError(
                "barriers needs the group search, which is null; leave out search=null and "
                "~labels/search"
            )
        for key, kind in _PAIRS.items():
            if isinstance(given, Mapping) and not isinstance(given.get(key, []), list):
                raise ConfigError(f"search.{key}={given[key]} must be two {kind}, [least, most]")
        return settings(cls, "search", config)

    @property
    def bounds(self) -> Bounds:
        """Where to look."""
        low, high = self.horizon
        return Bounds(width=(self.width[0], self.width[1]), horizon=(low, high))

    def run(
        self,
        bars: Panel,
        target: TripleBarrier,
        *,
        interval: Interval,
        cost: CostModel,
        seed: int,
        advance: Callable[[str], None] = lambda asset: None,
    ) -> SearchResult:
        """Settings for every asset.

        Args:
            bars: cleaned bars; none after the interval is read.
            target: its unit, cost and tie are kept, its default setting is compared with.
            interval: the training interval; entries lie in it and labels end in it.
            cost: what a trade costs.
            seed: of the search; every asset's is the same, so that its result does not depend on
                which others there are.
            advance: called with the asset after each generation.

        Raises:
            DataError: no asset is long enough, or none has an edge after costs.
        """
        known = bars.until(interval.end)
        unit = target.unit(known)
        found, short = [], []
        for number, asset in enumerate(known.assets):
            judge = self._judge(known, number, target, unit, interval, cost)
            if len(judge.entries(self.horizon[1])) < _DEADLINES * self.horizon[1]:
                short.append(asset)
                continue
            found.append(self._asset(asset, judge, target.default, seed, advance))
        if not found:
            raise DataError(
                f"no asset has bars for {_DEADLINES} labels of search.horizon={self.horizon[1]} "
                f"bars side by side, {_DEADLINES * self.horizon[1]} entries, in the training "
                f"interval {interval.start} to {interval.end}. Use more bars or a shorter "
                "search.horizon"
            )
        if all(one.chosen is None for one in found):
            best = max(c.merit.edge for one in found for c in one.candidates)
            raise DataError(
                f"no barriers leave an edge after a round trip of {2e4 * cost.per_side:g} basis "
                f"points: at search.skill={self.skill:g} the best of "
                f"{sum(len(one.candidates) for one in found)} settings has a Sharpe ratio of "
                f"{best:.2f}. Use a wider search.width, a longer search.horizon, or a lower cost"
            )
        if short:
            _log.warning(
                "too few bars in the training interval, default setting kept: %s", ", ".join(short)
            )
        for one in found:
            if one.problem:
                _log.warning("%s: %s", one.asset, one.problem)
        return SearchResult(interval, tuple(found), tuple(short))

    def _judge(
        self,
        bars: Panel,
        asset: int,
        target: TripleBarrier,
        unit: np.ndarray,
        interval: Interval,
        cost: CostModel,
    ) -> Judge:
        rows = bars.rows(asset)
        close, high, low = watched_prices(bars, asset)
        side = (1.0 - self.neutral) / 2
        return Judge(
            close=close,
            high=high,
            low=low,
            unit=unit[rows],
            first=int(np.searchsorted(bars.time[rows], interval.start)),
            bars_per_year=bars.bars_per_year,
            label_cost_bps=target.cost_bps,
            tie=target.tie,
            round_trip=2 * cost.per_side,
            skill=self.skill,
            wanted=(side, self.neutral, side),
        )

    def _asset(
        self,
        asset: str,
        judge: Judge,
        default: BarrierSetting,
        seed: int,
        advance: Callable[[str], None],
    ) -> AssetBarriers:
        evolution = evolve(
            judge.merit,
            bounds=self.bounds,
            start=default,
            population=self.population,
            generations=self.generations,
            patience=self.patience,
            crossover=self.crossover,
            mutation=self.mutation,
            seed=seed,
            advance=lambda: advance(asset),
        )
        chosen, problem = self._choice(evolution.candidates)
        return AssetBarriers(
            asset,
            evolution.candidates[0],
            chosen,
            evolution.candidates,
            evolution.generations,
            problem,
        )

    def _choice(self, candidates: tuple[Candidate, ...]) -> tuple[Candidate | None, str]:
        """The setting to use, and what is wrong with it if anything."""
        paying = [c for c in front(candidates) if c.merit.edge > 0]
        if not paying:
            return None, "no barriers leave an edge after costs; default setting kept"
        balanced = [c for c in paying if c.merit.imbalance <= self.tolerance]
        if balanced:
            return max(balanced, key=lambda c: c.merit.edge), ""
        return paying[0], (
            f"no setting with an edge after costs is within search.tolerance={self.tolerance:g}; "
            f"the most balanced one has an imbalance of {paying[0].merit.imbalance:.3f}"
        )
