"""Interval purging held against brute force: every pair of samples, on random ragged panels.

The oracle counts bars by their number on the market's grid where the code under test searches in
nanoseconds, and compares all pairs where the code merges intervals into blocks.
"""

import numpy as np
import pytest
from skfolio.model_selection import WalkForward as ReferenceWalkForward

from regimecast.core.errors import DataError
from regimecast.core.types import Samples
from regimecast.splits.holdout import Holdout
from regimecast.splits.parts import Cut, Timeline
from regimecast.splits.walk_forward import WalkForward
from tests.splits.panels import Rule, intersections, meets, random_rule, random_samples

PANELS, PER_TEST = 10_000, 1_000


def random_cut(rng: np.random.Generator, n: int) -> Cut:
    """Borders at all distances, more often far enough apart that purging leaves something."""
    return Cut(
        *(int(x) for x in np.sort(n * rng.uniform([0, 0.2, 0.5, 0.8], [0.3, 0.6, 0.9, 1.0])))
    )


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
