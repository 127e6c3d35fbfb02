"""Random ragged panels of samples, and what purging must do to them, pair by pair."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from regimecast.core.types import Samples
from regimecast.splits.purging import PurgeRule
from regimecast.splits.spans import ticks

__all__ = ["HOUR", "Reach", "Rule", "intersections", "meets", "random_rule", "random_samples"]

HOUR = 3_600 * 10**9


@dataclass(frozen=True)
class Rule:
    """A purge and an embargo, as the config has them and as the oracle needs them."""

    purge: int | str
    embargo: int | float | str

    @property
    def parsed(self) -> PurgeRule:
        return PurgeRule.parse(self.purge, self.embargo)


class Reach(NamedTuple):
    """Where samples begin and end, as bar numbers or nanoseconds: whatever the embargo counts."""

    origin: np.ndarray
    start: np.ndarray
    end: np.ndarray
    embargo: int
    grid: np.ndarray


def random_samples(rng: np.random.Generator) -> Samples:
    """One to four assets with gaps and histories of their own, labels of every length."""
    grid = np.cumsum(rng.integers(1, 5, size=70)) * HOUR
    lookback, label = int(rng.integers(0, 7)), int(rng.integers(1, 7))
    columns: list[list[np.ndarray]] = [[] for _ in range(6)]
    offset = 0
    for asset in range(int(rng.integers(1, 5))):
        first, last = rng.integers(0, 25), rng.integers(40, len(grid) + 1)
        time = grid[first:last][rng.random(last - first) < rng.choice([0.4, 0.9, 1.0])]
        origin = np.arange(lookback, len(time) - label)
        origin = origin[rng.random(len(origin)) < rng.choice([0.5, 1.0])]
        # A barrier ends a label early; a time-out is the longest it may take.
        end = origin + rng.integers(1, label + 1, size=len(origin))
        parts = (offset + origin, np.full(len(origin), asset), time[origin])
        edges = (time[origin - lookback], time[end], offset + end)
        for column, values in zip(columns, (*parts, *edges), strict=True):
            column.append(values)
        offset += len(time)
    row, asset_of, origin, start, end, end_row = (np.concatenate(column) for column in columns)
    times = (x.astype(np.int64).view("datetime64[ns]") for x in (origin, start, end))
    return Samples(row, asset_of, *times, end_row)


def random_rule(rng: np.random.Generator) -> Rule:
    embargoes = (0, int(rng.integers(1, 9)), f"{rng.integers(1, 30)}h", round(rng.random() / 8, 3))
    purge = "auto" if rng.random() < 0.7 else int(rng.integers(0, 12))
    return Rule(purge, embargoes[rng.integers(0, 4)])


def reach(samples: Samples, rule: Rule) -> Reach:
    times = [ticks(x) for x in (samples.origin, samples.start, samples.end)]
    grid = np.unique(np.concatenate(times))
    if isinstance(rule.embargo, int):
        numbers = (np.searchsorted(grid, x) for x in times)
        return Reach(*numbers, rule.embargo, np.arange(len(grid)))
    if isinstance(rule.embargo, str):
        return Reach(*times, int(rule.embargo.removesuffix("h")) * HOUR, grid)
    return Reach(*times, round(rule.embargo * int(grid[-1] - grid[0])), grid)


def meets(samples: Samples, rule: Rule, part: np.ndarray, other: np.ndarray) -> np.ndarray:
    """For each sample of a part, whether the rule forbids it beside the other one. O(n^2)."""
    if len(part) == 0 or len(other) == 0:
        return np.zeros(len(part), dtype=bool)
    origin, start, end, embargo, grid = reach(samples, rule)
    if rule.purge == "auto":
        before = end[part][:, None] < start[other] - embargo
        after = start[part][:, None] > end[other] + embargo
        return ~(before | after).all(axis=1)
    # The bar from which on the other one's origin may stand: so many later, its label complete.
    beyond = np.append(grid, np.full(int(rule.purge) + 1, np.iinfo(np.int64).max // 2))
    free = np.maximum(beyond[np.searchsorted(grid, origin) + int(rule.purge)], end)
    before = free[part][:, None] + embargo <= origin[other]
    after = free[other] + embargo <= origin[part][:, None]
    return ~(before | after).all(axis=1)


def intersections(samples: Samples, earlier: np.ndarray, later: np.ndarray) -> int:
    """Pairs of samples, of any two assets, that read a bar in common."""
    # Plain arrays: a `Samples` of each part would be checked anew for every panel.
    start, end = samples.start, samples.end
    apart = (end[earlier][:, None] < start[later]) | (start[earlier][:, None] > end[later])
    return int((~apart).sum())
