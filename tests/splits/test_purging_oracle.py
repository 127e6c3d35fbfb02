"""Interval purging held against brute force: every pair of samples, on random ragged panels.

The oracle counts bars by their number on the market's grid where the code under test searches in
nanoseconds, and compares all pairs where the code merges intervals into blocks.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest
from skfolio.model_selection import WalkForward as ReferenceWalkForward

from regimecast.core.errors import DataError
from regimecast.core.types import Samples
from regimecast.splits.holdout import Holdout
from regimecast.splits.parts import Cut, Timeline
from regimecast.splits.purging import PurgeRule
from regimecast.splits.spans import ticks
from regimecast.splits.walk_forward import WalkForward

PANELS, PER_TEST = 10_000, 1_000
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


def random_cut(rng: np.random.Generator, n: int) -> Cut:
    """Borders at all distances, more often far enough apart that purging leaves something."""
    return Cut(
        *(int(x) for x in np.sort(n * rng.uniform([0, 0.2, 0.5, 0.8], [0.3, 0.6, 0.9, 1.0])))
    )


def random_rule(rng: np.random.Generator) -> Rule:
    embargoes = (0, int(rng.integers(1, 9)), f"{rng.integers(1, 30)}h", round(rng.random() / 8, 3))
    purge = "auto" if rng.random() < 0.7 else int(rng.integers(0, 12))
    return Rule(purge, embargoes[rng.integers(0, 4)])


def reach(samples: Samples, rule: Rule) -> Reach:
    times = [ticks(x) for x in (samples.origin, samples.start, samples.end)]
    grid = np.unique(np.concatenate(times))
    if isinstance(rule.embargo, int):
        return Reach(*(np.searchsorted(grid, x) for x in times), rule.embargo)
    if isinstance(rule.embargo, str):
        return Reach(*times, int(rule.embargo.removesuffix("h")) * HOUR)
    return Reach(*times, round(rule.embargo * int(grid[-1] - grid[0])))


def meets(samples: Samples, rule: Rule, earlier: np.ndarray, later: np.ndarray) -> np.ndarray:
    """For each earlier sample, whether the rule forbids it beside the later ones. O(n^2)."""
    if len(earlier) == 0 or len(later) == 0:
        return np.zeros(len(earlier), dtype=bool)
    origin, start, end, embargo = reach(samples, rule)
    if rule.purge == "auto":
        before = end[earlier][:, None] < start[later] - embargo
        after = start[earlier][:, None] > end[later] + embargo
        return ~(before | after).all(axis=1)
    grid = np.unique(
        np.concatenate([ticks(samples.origin), ticks(samples.start), ticks(samples.end)])
    )
    number = np.searchsorted(grid, ticks(samples.origin))[earlier] + int(rule.purge)
    off = number >= len(grid)
    unit = np.arange(len(grid)) if isinstance(rule.embargo, int) else grid
    gap = unit[np.minimum(number, len(grid) - 1)]
    limit = origin[later][None, :] - embargo
    return off | (gap[:, None] > limit).any(axis=1) | (end[earlier][:, None] > limit).any(axis=1)


def intersections(samples: Samples, earlier: np.ndarray, later: np.ndarray) -> int:
    """Pairs of samples, of any two assets, that read a bar in common."""
    # Plain arrays: a `Samples` of each part would be checked anew for every panel.
    start, end = samples.start, samples.end
    apart = (end[earlier][:, None] < start[later]) | (start[earlier][:, None] > end[later])
    return int((~apart).sum())


def oracle(
    samples: Samples, cut: Cut, rule: Rule
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    times = np.unique(samples.origin)
    place = np.searchsorted(times, samples.origin)
    train = np.flatnonzero((place >= cut.start) & (place < cut.validation))
    validation = np.flatnonzero((place >= cut.validation) & (place < cut.test))
    test = np.flatnonzero((place >= cut.test) & (place < cut.stop))
    natural = len(train) + len(validation)
    validation = validation[~meets(samples, rule, validation, test)]
    train = train[~meets(samples, rule, train, np.concatenate([validation, test]))]
    return train, validation, test, natural - len(train) - len(validation)


@pytest.mark.parametrize("block", range(PANELS // PER_TEST))
def test_ten_thousand_random_panels_equal_the_pairwise_oracle(block):
    rng = np.random.default_rng(block)
    compared = purged = 0
    while compared < PER_TEST:
        samples = random_samples(rng)
        n = len(np.unique(samples.origin))
        if n < 4:
            continue
        cut, rule = random_cut(rng, n), random_rule(rng)
        train, validation, test, lost = oracle(samples, cut, rule)
        if not (len(train) and len(validation) and len(test)):
            continue  # see the test below
        fold = Timeline(samples).fold(cut, rule.parsed, label="panel")
        for mine, theirs in ((fold.train, train), (fold.validation, validation), (fold.test, test)):
            assert np.array_equal(mine, theirs), rule
        assert fold.purged == lost, rule
        if rule.purge == "auto":
            for pair in ((train, validation), (train, test), (validation, test)):
                assert intersections(samples, *pair) == 0, rule
        compared += 1
        purged += lost
    assert purged > PER_TEST  # the borders do cut through samples


def test_a_part_is_empty_only_where_the_oracle_leaves_nothing():
    rng = np.random.default_rng(PANELS)
    refused = 0
    while refused < 100:
        samples = random_samples(rng)
        n = len(np.unique(samples.origin))
        if n < 4:
            continue
        cut, rule = random_cut(rng, n), random_rule(rng)
        if not all(len(part) for part in oracle(samples, cut, rule)[:3]):
            with pytest.raises(DataError, match="without samples"):
                Timeline(samples).fold(cut, rule.parsed, label="panel")
            refused += 1


SPLITTERS = [
    lambda e: Holdout(train=0.5, validation=0.25, test=0.25, purge="auto", embargo=e),
    lambda e: WalkForward(
        folds=2, test=8, validation=0.3, window="expanding", train=None, purge="auto", embargo=e
    ),
    lambda e: WalkForward(
        folds=None, test=8, validation=10, window="rolling", train=40, purge="auto", embargo=e
    ),
]


@pytest.mark.parametrize("make", SPLITTERS, ids=["holdout", "expanding", "rolling"])
def test_no_splitter_lets_two_parts_share_a_bar_or_purges_without_need(make):
    folds = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        samples = random_samples(rng)
        rule = Rule("auto", random_rule(rng).embargo)
        try:
            made = make(rule.embargo).split(samples)
        except DataError:  # too few bars for three parts
            continue
        for fold in made:
            later = np.concatenate([fold.validation, fold.test])
            assert intersections(samples, fold.train, later) == 0
            assert intersections(samples, fold.validation, fold.test) == 0
            first, last = samples.origin[fold.train].min(), samples.origin[fold.test].max()
            inside = (samples.origin >= first) & (samples.origin <= last)
            kept = np.concatenate([fold.train, later])
            missing = np.setdiff1d(np.flatnonzero(inside), kept)
            assert meets(samples, rule, missing, later).all(), seed
            folds += 1
    assert folds > 40


@pytest.mark.parametrize("purged", [0, 1, 5])
@pytest.mark.parametrize("window", ["expanding", "rolling"])
def test_equals_skfolio_where_rows_are_samples(make_samples, purged, window):
    # skfolio counts rows: an observation has no window, so a label of p bars is a purge of p rows.
    label, test, validation, history = purged, 20, 30, 80
    n = history + 5 * test
    days = np.arange(n + label).astype("datetime64[D]").astype("datetime64[ns]")
    samples = make_samples([days], lookback=0, label_bars=label)
    folds = WalkForward(
        folds=None,
        test=test,
        validation=validation,
        window=window,
        train=history,
        purge="auto",
        embargo=0,
    ).split(samples)
    expanding = window == "expanding"
    outer = ReferenceWalkForward(
        test_size=test, train_size=history - purged, purged_size=purged, expand_train=expanding
    ).split(np.zeros((n, 1)))
    count = 0
    for fold, (theirs, tested) in zip(folds, outer, strict=True):
        assert np.array_equal(fold.test, tested)
        assert fold.train[0] == theirs[0]
        assert fold.validation[-1] == theirs[-1]
        # Their history, divided once more the same way, is our training and validation part.
        whole = fold.test[0] - fold.train[0]
        inner = ReferenceWalkForward(
            test_size=validation - purged,
            train_size=whole - validation - purged,
            purged_size=purged,
        ).split(np.zeros((len(theirs), 1)))
        train, checked = next(inner)
        assert np.array_equal(fold.train, theirs[train])
        assert np.array_equal(fold.validation, theirs[checked])
        count += 1
    assert count == 5
