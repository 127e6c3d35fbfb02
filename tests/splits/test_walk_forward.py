from itertools import pairwise

import numpy as np
import pytest

from regimecast.core.errors import ConfigError, DataError, LeakageError
from regimecast.splits.walk_forward import WalkForward

DEFAULT = {
    "folds": 4,
    "test": 0.1,
    "validation": 0.2,
    "window": "expanding",
    "train": None,
    "purge": "auto",
    "embargo": 0,
}


def walk_forward(**changes):
    return WalkForward(**{**DEFAULT, **changes})


def dates(samples, part):
    return [str(samples.origin[part][k])[:10] for k in (0, -1)]


def test_dates_of_expanding_folds_are_exact(make_samples):
    days = np.arange("2021-01-01", "2021-04-14", dtype="datetime64[D]")  # 103 days
    samples = make_samples([days], lookback=2, label_bars=1)  # 100 origins: 3 January to 12 April
    folds = walk_forward(folds=2, test=10, validation=10).split(samples)
    assert [
        [dates(samples, part) for part in (fold.train, fold.validation, fold.test)]
        for fold in folds
    ] == [
        [
            ["2021-01-03", "2021-03-10"],
            ["2021-03-14", "2021-03-20"],
            ["2021-03-24", "2021-04-02"],
        ],
        [
            ["2021-01-03", "2021-03-20"],
            ["2021-03-24", "2021-03-30"],
            ["2021-04-03", "2021-04-12"],
        ],
    ]


def test_rolling_histories_have_the_size_of_train(make_samples, business_days):
    samples = make_samples([business_days(604)], lookback=2, label_bars=2)  # 600 origins
    folds = walk_forward(folds=3, test=50, train=200, validation=40, window="rolling").split(
        samples
    )
    for k, fold in enumerate(folds):
        first = 600 - 50 * (3 - k)
        assert fold.test.tolist() == list(range(first, first + 50))
        assert fold.validation.tolist() == list(range(first - 40, first - 4))
        assert fold.train.tolist() == list(range(first - 200, first - 44))
        assert fold.purged == 8
        assert fold.train_interval.start == samples.start[first - 200]


@pytest.mark.parametrize(
    ("changes", "sizes"),
    [
        ({"folds": 4, "test": 0.1}, [100, 100, 100, 100]),
        ({"folds": 3, "test": None, "train": 0.7}, [100, 100, 100]),
        ({"folds": 3, "test": None, "train": 690}, [103, 103, 104]),
        ({"folds": None, "test": 150, "train": 600}, [150, 150]),
        ({"folds": None, "test": "140D", "train": "800D"}, [100, 100, 100, 100]),
    ],
)
def test_test_parts_are_disjoint_and_cover_their_span_in_order(
    make_samples, business_days, changes, sizes
):
    samples = make_samples([business_days(1004)], lookback=2, label_bars=2)  # 1,000 origins
    folds = walk_forward(**changes).split(samples)
    tested = np.concatenate([fold.test for fold in folds])
    assert [len(fold.test) for fold in folds] == sizes
    assert tested.tolist() == list(range(1000 - sum(sizes), 1000))
    for fold in folds:
        assert samples.end[fold.train].max() < samples.start[fold.validation].min()
        assert samples.end[fold.validation].max() < samples.start[fold.test].min()


def test_ragged_assets_share_their_dates(make_samples, business_days):
    days = business_days(700)
    samples = make_samples([days, days[300:], days[::2]], lookback=4, label_bars=2)
    folds = walk_forward().split(samples)
    for fold, following in pairwise(folds):
        assert samples.origin[fold.test].max() < samples.origin[following.test].min()
    for fold in folds:
        for asset in range(3):
            own = samples.origin[fold.test][samples.asset[fold.test] == asset]
            everyone = samples.origin[fold.test]
            assert own.min() - everyone.min() <= np.timedelta64(5, "D")
        before, after = samples.take(fold.train), samples.take(fold.test)
        meets = (before.start[:, None] <= after.end) & (before.end[:, None] >= after.start)
        assert not meets.any()


def test_default_parts_are_sensible_for_five_thousand_daily_bars(make_samples, business_days):
    samples = make_samples([business_days(5000)], lookback=189, label_bars=20)
    folds = walk_forward().split(samples)
    assert [[len(f.train), len(f.validation), len(f.test)] for f in folds] == [
        [2091, 366, 479],
        [2474, 462, 479],
        [2857, 558, 479],
        [3241, 653, 479],
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window": "roling"}, "Did you mean 'rolling'"),
        ({"folds": 0}, r"split\.folds=0"),
        ({"window": "rolling"}, r"split\.train=null"),
        ({"train": 0.5}, "contradict"),
        ({"test": None}, "two of folds, test and train"),
        ({"test": -5}, r"split\.test=-5"),
        ({"validation": 0}, r"split\.validation=0"),
        ({"purge": "automatic"}, r"split\.purge='automatic'"),
    ],
)
def test_contradictions_are_refused_before_data_are_read(changes, message):
    with pytest.raises(ConfigError, match=message):
        walk_forward(**changes)


def test_a_short_purge_is_refused():
    with pytest.raises(LeakageError, match="at least 3"):
        walk_forward(purge=2).check(label_bars=3)


def test_what_does_not_fit_is_refused_with_the_sizes(make_samples, business_days):
    samples = make_samples([business_days(100)], lookback=2, label_bars=1)
    with pytest.raises(DataError, match=r"97 distinct origin times: folds=3, test=40"):
        walk_forward(folds=3, test=40).split(samples)
    with pytest.raises(DataError, match="does not fit"):
        walk_forward(folds=None, test=40, train=80).split(samples)
    with pytest.raises(DataError, match=r"fold 0 of 9, has a part without samples"):
        walk_forward(folds=9, test=10, validation=2).split(samples)
    with pytest.raises(DataError, match="does not fit"):
        walk_forward(folds=4, test=None, train=95).split(samples)


def test_later_data_do_not_change_an_earlier_fold(make_samples, business_days):
    days = business_days(900)
    sizes = {"folds": None, "test": 100, "train": 300, "window": "rolling", "validation": 60}
    full = walk_forward(**sizes).split(make_samples([days], lookback=2, label_bars=2))
    short = walk_forward(**sizes).split(make_samples([days[:-100]], lookback=2, label_bars=2))
    for a, b in zip(short, full, strict=False):
        assert a.train.tolist() == b.train.tolist()
        assert a.validation.tolist() == b.validation.tolist()
        assert a.test.tolist() == b.test.tolist()
