"""Folds that train before and after what they test, held against brute force and other libraries.

The oracle compares every pair of samples, and every bar with every sample, on random ragged panels.
"""

from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from purgedcv import CombinatorialPurgedCV as PurgedcvCombinatorial
from purgedcv import PurgedKFold as PurgedcvKFold
from skfolio.model_selection import CombinatorialPurgedCV as SkfolioCombinatorial

from regimecast.core.errors import ConfigError, DataError, LeakageError
from regimecast.core.types import Intervals, Samples
from regimecast.splits.base import Fold, Splitter
from regimecast.splits.combinatorial_purged import CombinatorialPurged
from regimecast.splits.leave_one_event_out import LeaveOneEventOut
from regimecast.splits.preflight import preflight, preflight_table
from regimecast.splits.purged_kfold import PurgedKFold
from regimecast.splits.spans import ticks
from tests.splits.panels import HOUR, Rule, intersections, meets, random_rule, random_samples

PARTS = ("train", "validation", "test")


def combinatorial(**changes: object) -> CombinatorialPurged:
    values = {"groups": 6, "test_groups": 2, "validation": 0.2, "purge": "auto", "embargo": 0}
    return CombinatorialPurged(**{**values, **changes})


def kfold(**changes: object) -> PurgedKFold:
    values = {"folds": 5, "validation": 0.2, "purge": "auto", "embargo": 0}
    return PurgedKFold(**{**values, **changes})


def oracle(
    samples: Samples, tested: np.ndarray, validation: float, rule: Rule
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Train, validation and test part by the definition, every pair of samples compared."""
    in_test = np.isin(samples.origin, tested)
    test, others = np.flatnonzero(in_test), np.flatnonzero(~in_test)
    left = others[~meets(samples, rule, others, test)]
    times = np.unique(samples.origin[left])
    tail = times[len(times) - round(validation * len(times)) :]
    late = np.isin(samples.origin[left], tail)
    train = left[~late]
    return train[~meets(samples, rule, train, left[late])], left[late], test


def assert_fits_apart(samples: Samples, fold: Fold, rule: Rule) -> None:
    """The bars that may be fitted on are those that training reads, and no other part does."""
    interval = fold.train_interval
    assert isinstance(interval, Intervals)
    first = samples.start if rule.purge == "auto" else samples.origin + np.timedelta64(1, "ns")
    times = [ticks(t) for t in (samples.origin, samples.start, samples.end)]
    grid = np.unique(np.concatenate(times)).view("datetime64[ns]")

    def read_by(part: np.ndarray) -> np.ndarray:
        inside = (grid[:, None] >= first[part]) & (grid[:, None] <= samples.end[part])
        return inside.any(axis=1)

    fitted = interval.contains(grid)
    assert np.array_equal(fitted, read_by(fold.train))
    assert not (fitted & read_by(np.concatenate([fold.validation, fold.test]))).any()


def groups_of(samples: Samples, number: int) -> list[np.ndarray]:
    return np.array_split(np.unique(samples.origin), number)


@pytest.mark.parametrize("block", range(4))
def test_thousands_of_random_folds_equal_the_pairwise_oracle(block: int) -> None:
    rng = np.random.default_rng(1000 + block)
    compared = purged = several = 0
    while compared < 500:
        samples, rule = random_samples(rng), random_rule(rng)
        groups = int(rng.integers(2, 7))
        chosen = int(rng.integers(1, groups))
        if len(samples) < 3 or len(np.unique(samples.origin)) < groups:
            continue
        share = round(float(rng.uniform(0, 0.5)), 2)
        parts = groups_of(samples, groups)
        expected = [
            oracle(samples, np.concatenate([parts[g] for g in tested]), share, rule)
            for tested in combinations(range(groups), chosen)
        ]
        splitter = combinatorial(
            groups=groups,
            test_groups=chosen,
            validation=share,
            purge=rule.purge,
            embargo=rule.embargo,
        )
        if not all(len(train) and (len(val) or not share) for train, val, _ in expected):
            with pytest.raises(DataError, match="without samples"):
                splitter.split(samples)
            compared += 1
            continue
        folds = splitter.split(samples)
        assert len(folds) == comb(groups, chosen)
        for fold, (train, validation, test) in zip(folds, expected, strict=True):
            theirs = {"train": train, "validation": validation, "test": test}
            for name in PARTS:
                assert np.array_equal(getattr(fold, name), theirs[name]), (name, rule)
            assert fold.purged == len(samples) - len(train) - len(validation) - len(test)
            if rule.purge == "auto":
                for one, other in combinations(PARTS, 2):
                    assert intersections(samples, theirs[one], theirs[other]) == 0, rule
            assert_fits_apart(samples, fold, rule)
            assert not fold.chronological
            several += isinstance(fold.train_interval, Intervals) and (
                len(fold.train_interval.parts) > 1
            )
            purged += fold.purged
            compared += 1
    assert purged > 1000
    assert several > 30


@st.composite
def panels(draw: st.DrawFn) -> Samples:
    """One to three assets with bars missing, and labels that overlap and end at any bar."""
    lookback, label = draw(st.integers(0, 4)), draw(st.integers(1, 4))
    columns: list[list[np.ndarray]] = [[] for _ in range(6)]
    offset = 0
    for asset in range(draw(st.integers(1, 3))):
        hours = draw(st.sets(st.integers(0, 60), min_size=lookback + label + 1, max_size=45))
        time = np.array(sorted(hours), dtype=np.int64) * HOUR
        origin = np.arange(lookback, len(time) - label)
        ahead = draw(st.lists(st.integers(1, label), min_size=len(origin), max_size=len(origin)))
        end = origin + np.array(ahead, dtype=np.int64)
        parts = (offset + origin, np.full(len(origin), asset), time[origin])
        edges = (time[origin - lookback], time[end], offset + end)
        for column, values in zip(columns, (*parts, *edges), strict=True):
            column.append(values)
        offset += len(time)
    row, asset_of, origin, start, end, end_row = (np.concatenate(column) for column in columns)
    times = (t.view("datetime64[ns]") for t in (origin, start, end))
    return Samples(row, asset_of, *times, end_row)


@settings(max_examples=150, deadline=None)
@given(
    panels(),
    st.sets(st.integers(0, 60), min_size=1, max_size=8),
    st.sampled_from(["auto", 4, 6]),
    st.sampled_from([0, 2, "3h", 0.05]),
)
def test_events_at_any_hours_equal_the_pairwise_oracle(
    samples: Samples, hours: set[int], purge: int | str, embargo: int | float | str
) -> None:
    rule = Rule(purge, embargo)
    first, last = min(hours), max(hours)
    start, end = (np.datetime64(hour * HOUR, "ns") for hour in (first, last))
    event = {"name": "any", "start": str(start), "end": str(end), "regime": "crash", "weight": 1}
    if last % 24 == 0:  # an end at midnight means its whole day
        end = end + np.timedelta64(1, "D") - np.timedelta64(1, "ns")
    tested = samples.origin[(samples.origin >= start) & (samples.origin <= end)]
    train, validation, test = oracle(samples, tested, 0.25, rule)
    splitter = LeaveOneEventOut(events=[event], validation=0.25, purge=purge, embargo=embargo)
    if not (len(train) and len(validation) and len(test)):
        with pytest.raises(DataError):
            splitter.split(samples)
        return
    [fold] = splitter.split(samples)
    assert np.array_equal(fold.train, train)
    assert np.array_equal(fold.validation, validation)
    assert np.array_equal(fold.test, test)
    assert_fits_apart(samples, fold, rule)


# Other libraries


def daily(n: int, label: int) -> np.ndarray:
    return np.arange(n + label).astype("datetime64[D]").astype("datetime64[ns]")


@pytest.mark.parametrize("label", [1, 4])
@pytest.mark.parametrize(("groups", "chosen"), [(6, 2), (5, 3)])
def test_equals_skfolio_where_rows_are_samples(make_samples, label, groups, chosen):
    # skfolio counts rows: an observation has no window, so a label of p bars is a purge of p rows
    # on either side. Its embargo has one side and ours two, so that there is none.
    n = 60 * groups
    samples = make_samples([daily(n, label)], lookback=0, label_bars=label)
    folds = combinatorial(groups=groups, test_groups=chosen, validation=0).split(samples)
    reference = SkfolioCombinatorial(n_folds=groups, n_test_folds=chosen, purged_size=label)
    theirs = list(reference.split(np.zeros((n, 1))))
    assert len(folds) == len(theirs) == comb(groups, chosen)
    for fold, (train, tests) in zip(folds, theirs, strict=True):
        assert np.array_equal(fold.train, train)
        assert np.array_equal(fold.test, np.concatenate(tests))


@pytest.mark.parametrize("lookback", [0, 7])
@pytest.mark.parametrize("embargo", [None, "9D"])
@pytest.mark.parametrize("assets", [1, 3])
def test_equals_purgedcv_on_the_same_intervals(make_samples, lookback, embargo, assets):
    # Its intervals are open at their end, hence one nanosecond more; its purge horizon is distance
    # on both sides, as our embargo is. A panel is its rows in order of time.
    n = 240
    samples = make_samples([daily(n, 5 + lookback)] * assets, lookback=lookback, label_bars=5)
    order = np.lexsort((samples.asset, samples.start))
    samples = samples.take(order)
    arguments = {
        "prediction_times": pd.Series(samples.start),
        "evaluation_times": pd.Series(samples.end + np.timedelta64(1, "ns")),
        "purge_horizon": None if embargo is None else pd.Timedelta(embargo),
    }
    x = np.zeros((len(samples), 1))
    for ours, theirs in (
        (combinatorial, PurgedcvCombinatorial(6, 2, **arguments)),
        (kfold, PurgedcvKFold(5, **arguments)),
    ):
        folds = ours(validation=0, embargo=embargo or 0).split(samples)
        reference = list(theirs.split(x))
        assert len(folds) == len(reference)
        for fold, (train, test) in zip(folds, reference, strict=True):
            assert np.array_equal(fold.train, train)
            assert np.array_equal(fold.test, test)


# What they promise


def test_fifteen_folds_test_every_origin_five_times_at_the_same_dates(make_samples, business_days):
    days = business_days(1309)  # 1,300 origins: groups of 217, 217, 217, 217, 216, 216
    samples = make_samples([days, days[300:], days[::2]], lookback=4, label_bars=5)
    folds = combinatorial().split(samples)
    assert len(folds) == 15
    times = np.bincount(np.concatenate([fold.test for fold in folds]), minlength=len(samples))
    assert set(times) == {5}
    sizes = [len(np.unique(samples.origin[fold.test])) for fold in folds]
    group = [217, 217, 217, 217, 216, 216]
    assert sizes == [a + b for a, b in combinations(group, 2)]
    for fold in folds:
        dates = np.unique(samples.origin[fold.test])
        for asset in range(3):
            own = samples.origin[samples.asset == asset]
            tested = samples.origin[fold.test][samples.asset[fold.test] == asset]
            assert np.array_equal(tested, own[np.isin(own, dates)])


def test_dates_of_a_fold_are_exact(make_samples):
    days = np.arange("2021-01-01", "2021-04-14", dtype="datetime64[D]")  # 103 days
    samples = make_samples([days], lookback=2, label_bars=1)  # 100 origins: 3 January to 12 April
    fold = kfold(validation=0.25).split(samples)[1]  # 23 January to 11 February

    def dates(part: np.ndarray) -> list[str]:
        return [str(samples.origin[part][k])[5:10] for k in (0, -1)]

    assert dates(fold.test) == ["01-23", "02-11"]
    # Windows read two days back and labels one ahead: three days are lost before, three after.
    assert fold.train[:17].tolist() == list(range(17))
    assert str(samples.origin[fold.train[17]])[5:10] == "02-15"
    # 17 + 57 origins are left, and round(0.25 * 74) = 18 of them validate.
    assert dates(fold.validation) == ["03-26", "04-12"]
    assert str(samples.origin[fold.train[-1]])[5:10] == "03-22"
    assert [len(fold.train), fold.purged, fold.purged_validation] == [17 + 36, 9, 0]
    assert fold.train_interval.to_json() == [
        [f"2021-{day}T00:00:00.000000000" for day in part]
        for part in (("01-01", "01-20"), ("02-13", "03-23"))
    ]


def test_a_purge_in_bars_leaves_no_label_of_a_tested_bar(make_samples):
    samples = make_samples([daily(100, 3)], lookback=6, label_bars=3)
    splitter = kfold(purge=3, validation=0.2)
    splitter.check(label_bars=3)
    fold = splitter.split(samples)[2]
    origin, end = samples.origin, samples.end
    before = fold.train[origin[fold.train] < origin[fold.test].min()]
    after = fold.train[origin[fold.train] > origin[fold.test].max()]
    assert end[before].max() == origin[fold.test].min()  # and no sample is lost without need
    assert origin[after].min() == end[fold.test].max()
    # Windows look back over the border; what is fitted does not.
    assert samples.start[after].min() < end[fold.test].max()
    assert not fold.train_interval.contains(end[fold.test]).any()
    with pytest.raises(LeakageError, match=r"at least 4"):
        kfold(purge=3).check(label_bars=4)


@pytest.mark.parametrize(
    ("make", "changes", "message"),
    [
        (combinatorial, {"groups": 1}, r"split\.groups=1"),
        (combinatorial, {"test_groups": 6}, r"split\.test_groups=6; allowed: 1 to 5"),
        (combinatorial, {"test_groups": 0}, r"split\.test_groups=0"),
        (combinatorial, {"groups": 30, "test_groups": 15}, "155,117,520 folds"),
        (combinatorial, {"validation": 1.5}, r"split\.validation=1\.5"),
        (combinatorial, {"purge": "automatic"}, r"split\.purge='automatic'"),
        (kfold, {"folds": 1}, r"split\.folds=1"),
        (kfold, {"embargo": -1}, r"split\.embargo=-1"),
    ],
)
def test_wrong_settings_name_the_key(make, changes, message):
    with pytest.raises(ConfigError, match=message):
        make(**changes)


@pytest.mark.parametrize("make", [combinatorial, kfold])
def test_a_run_needs_validation(make) -> None:
    with pytest.raises(ConfigError, match=r"split\.validation=0"):
        make(validation=0).check(label_bars=1)


def test_too_few_origins_are_refused(make_samples):
    samples = make_samples([daily(4, 1)], lookback=0, label_bars=1)
    with pytest.raises(DataError, match="4 distinct origin times cannot make 6 groups"):
        combinatorial().split(samples)
    with pytest.raises(DataError, match=r"fold that tests group 1 of 2, has a part without"):
        kfold(folds=2).split(make_samples([daily(6, 3)], lookback=3, label_bars=3))


@pytest.mark.parametrize("splitter", [combinatorial(), kfold()])
def test_the_order_of_rows_does_not_matter(make_samples, business_days, splitter: Splitter) -> None:
    days = business_days(400)
    samples = make_samples([days, days[50:]], lookback=4, label_bars=5)
    order = np.random.default_rng(0).permutation(len(samples))
    for fold, mixed in zip(
        splitter.split(samples), splitter.split(samples.take(order)), strict=True
    ):
        for name in PARTS:
            assert np.array_equal(np.sort(order[getattr(mixed, name)]), getattr(fold, name))
        assert mixed.train_interval == fold.train_interval


def test_the_preflight_table_counts_stretches(make_samples):
    samples = make_samples([daily(300, 2)], lookback=3, label_bars=2)
    rows = preflight(combinatorial(groups=5, validation=0.1).split(samples), samples)
    first, other = rows[:3], rows[3:6]  # tests groups 1 and 2, then 1 and 3
    assert [row.stretches for row in first] == [1, 1, 1]
    assert [row.stretches for row in other] == [2, 1, 2]
    assert "stretches" in preflight_table(rows).splitlines()[0]
    assert "stretches" not in preflight_table(first).splitlines()[0]
