from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from regimecast.core.config import config_folder, split_name
from regimecast.core.errors import ConfigError, DataError, LeakageError
from regimecast.splits.base import SplitRegistry
from regimecast.splits.holdout import Holdout
from regimecast.splits.preflight import preflight, preflight_table

DEFAULT = {"train": 0.6, "validation": 0.2, "test": 0.2, "purge": "auto", "embargo": 0}


def holdout(**changes):
    return Holdout(**{**DEFAULT, **changes})


@pytest.mark.parametrize("name", ["holdout", "walk_forward"])
def test_yaml_holds_the_full_signature(name):
    config = yaml.safe_load((config_folder() / "split" / f"{name}.yaml").read_text())
    registered, params = split_name(config, "split")
    assert registered == name
    assert list(params) == list(SplitRegistry.parameters(name))
    SplitRegistry.create(name, **params).check(label_bars=20)


def test_dates_are_exact(make_samples):
    days = np.arange("2020-01-01", "2020-04-10", dtype="datetime64[D]")  # 100 days
    samples = make_samples([days], lookback=3, label_bars=2)  # 95 origins: 4 January to 7 April
    fold = holdout().split(samples)[0]
    dates = [
        [str(samples.origin[part][k])[:10] for k in (0, -1)]
        for part in (fold.train, fold.validation, fold.test)
    ]
    # round(.6 * 95) = 57 and round(.8 * 95) = 76; a sample reads 3 days before and 2 after, so the
    # last kept origin lies 6 days before the first of the next part.
    assert dates == [
        ["2020-01-04", "2020-02-24"],
        ["2020-03-01", "2020-03-14"],
        ["2020-03-20", "2020-04-07"],
    ]
    assert fold.purged == 10
    assert str(fold.train_interval.start)[:10] == "2020-01-01"
    assert str(fold.train_interval.end)[:10] == "2020-02-26"


def test_every_sample_is_in_its_part_or_purged_for_a_reason(make_samples, business_days):
    days = business_days(400)
    rng = np.random.default_rng(3)
    ragged = [days, days[150:], days[:330], np.sort(rng.choice(days, 200, replace=False))]
    samples = make_samples(ragged, lookback=8, label_bars=3)
    fold = holdout().split(samples)[0]
    parts = [fold.train, fold.validation, fold.test]
    for part in parts:
        assert (np.diff(part) > 0).all()
    for earlier, later in ((0, 1), (0, 2), (1, 2)):
        a, b = samples.take(parts[earlier]), samples.take(parts[later])
        assert a.origin.max() < b.origin.min()
        meets = (a.start[:, None] <= b.end) & (a.end[:, None] >= b.start)
        assert not meets.any()
    # Whatever is missing met a later part: nothing is left out without need.
    times = np.unique(samples.origin)
    cuts = times[[round(len(times) * 0.6), round(len(times) * 0.8)]]
    natural = np.searchsorted(cuts, samples.origin, side="right")
    kept = np.concatenate(parts)
    missing = np.setdiff1d(np.arange(len(samples)), kept)
    assert fold.purged == len(missing)
    for k in missing:
        later = kept[natural[kept] > natural[k]]
        assert natural[k] < 2
        assert (
            (samples.start[k] <= samples.end[later]) & (samples.end[k] >= samples.start[later])
        ).any()
    assert (natural[fold.train] == 0).all()
    assert (natural[fold.validation] == 1).all()
    assert (fold.test == np.flatnonzero(natural == 2)).all()


def test_assets_with_different_histories_are_cut_at_the_same_dates(make_samples, business_days):
    days = business_days(300)
    samples = make_samples([days, days[200:]], lookback=2, label_bars=1)
    fold = holdout().split(samples)[0]
    first = [samples.origin[fold.test][samples.asset[fold.test] == asset].min() for asset in (0, 1)]
    assert first[0] == first[1]


def test_default_parts_are_sensible_for_five_thousand_daily_bars(make_samples, business_days):
    # Context 64, feature look-back 126, label 20 bars: gaps of about 210 bars.
    samples = make_samples([business_days(5000)], lookback=189, label_bars=20)
    fold = holdout().split(samples)[0]
    assert [len(fold.train), len(fold.validation), len(fold.test)] == [2666, 749, 958]


def test_purge_in_bars_gives_the_windows_of_the_long_horizon_papers(make_samples):
    # 14,400 rows, look-back 336, horizon 96: borders at rows 8,640 and 11,520, and 2,785 test
    # windows if test origins begin at the last look-back row, 11,519.
    rows = np.arange(14_400).astype("datetime64[h]")
    samples = make_samples([rows], lookback=335, label_bars=96)
    n = len(samples)
    splitter = holdout(train=(n - 2880 - 2785) / n, validation=2880 / n, test=2785 / n, purge=96)
    splitter.check(label_bars=96)
    fold = splitter.split(samples)[0]
    assert len(fold.test) == 2785
    assert len(fold.validation) == 2785
    assert len(fold.train) == 8640 - 336 - 96 + 1


def test_embargo_costs_exactly_its_length(make_samples, business_days):
    samples = make_samples([business_days(500)], lookback=5, label_bars=1)
    plain = holdout().split(samples)[0]
    wide = holdout(embargo=10).split(samples)[0]
    assert len(plain.train) - len(wide.train) == 10
    assert len(plain.validation) - len(wide.validation) == 10
    assert len(plain.test) == len(wide.test)


def test_shares_must_sum_to_one_and_the_sum_is_named():
    with pytest.raises(ConfigError, match=r"0\.9"):
        holdout(test=0.1)
    with pytest.raises(ConfigError, match=r"split\.train=0"):
        holdout(train=0.0, validation=0.8)
    with pytest.raises(ConfigError, match=r"split\.embargo=-3"):
        holdout(embargo=-3)
    holdout(train=0.7, validation=0.1, test=0.2)  # 0.7 + 0.1 + 0.2 is 0.9999999999999999


def test_check_refuses_a_short_purge_before_data_are_read():
    with pytest.raises(LeakageError, match=r"split\.purge=10 .* at least 20"):
        holdout(purge=10).check(label_bars=20)


def test_an_empty_part_is_explained_by_a_table(make_samples, business_days):
    samples = make_samples([business_days(120)], lookback=30, label_bars=5)
    with pytest.raises(DataError, match=r"validation +17 before purging +0 after") as error:
        holdout().split(samples)
    assert "context_length" in str(error.value)
    with pytest.raises(DataError, match="no samples to split"):
        holdout().split(samples.take(np.arange(0)))
    with pytest.raises(DataError, match="without samples"):
        holdout().split(samples.take(np.arange(1)))


def test_preflight_rows(make_samples, business_days):
    samples = make_samples([business_days(200)], lookback=2, label_bars=1)
    folds = holdout().split(samples)
    rows = preflight(folds, samples)
    assert [(row.fold, row.part) for row in rows] == [
        (0, "train"),
        (0, "validation"),
        (0, "test"),
    ]
    assert [row.samples for row in rows] == [
        len(folds[0].train),
        len(folds[0].validation),
        len(folds[0].test),
    ]
    parts = (folds[0].train, folds[0].validation, folds[0].test)
    gaps = [int(later[0] - earlier[-1]) - 1 for earlier, later in pairwise(parts)]
    assert min(gaps) > 0
    assert [row.purged for row in rows] == [*gaps, 0]
    assert sum(gaps) == folds[0].purged
    text = preflight_table(rows).splitlines()
    assert [line.split()[-1] for line in text if "train" in line or "validation" in line] == [
        str(gap) for gap in gaps
    ]
    assert rows[2].last == samples.origin.max()


def test_real_s_and_p_500(shared_data: Path, make_samples):
    days = pd.read_parquet(shared_data / "daily" / "spx_vix_1990_2023.parquet", columns=["close"])
    samples = make_samples([days.index.to_numpy()], lookback=189, label_bars=10)
    fold = holdout().split(samples)[0]
    assert samples.end[fold.train].max() < samples.start[fold.validation].min()
    assert samples.end[fold.validation].max() < samples.start[fold.test].min()
    assert str(samples.origin[fold.test][0])[:4] == "2017"


def test_an_empty_part_says_what_makes_it_empty(make_samples, business_days):
    samples = make_samples([business_days(300)], lookback=100, label_bars=100)
    with pytest.raises(DataError, match=r"reads up to 280 days, .* horizon$"):
        holdout().split(samples)
    with pytest.raises(DataError, match=r"split\.purge=400 takes .* smaller split\.purge$"):
        holdout(purge=400).split(samples)
    with pytest.raises(DataError, match=r"smaller split\.purge or split\.embargo$"):
        holdout(purge=400, embargo=5).split(samples)
