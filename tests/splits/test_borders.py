from dataclasses import replace

import numpy as np
import pytest
import yaml

from regimecast.core.config import config_folder, split_name
from regimecast.core.errors import ConfigError, DataError, LeakageError
from regimecast.splits.base import SplitRegistry
from regimecast.splits.borders import Borders

H, LOOKBACK = 4, 9
DEFAULT = {"train": 60, "validation": 20, "test": 25, "purge": H, "embargo": 0}


def borders(**changes):
    return Borders(**{**DEFAULT, **changes})


@pytest.fixture
def hours():
    return np.datetime64("2020-01-01", "h") + np.arange(120)


@pytest.fixture
def samples(make_samples, hours):
    return make_samples([hours, hours], lookback=LOOKBACK, label_bars=H)


def spans(samples, fold):
    """Hours of the first and the last bar that the labels of each part read."""
    start = np.datetime64("2020-01-01", "h")
    found = []
    for part in (fold.train, fold.validation, fold.test):
        first = samples.origin[part].min().astype("datetime64[h]") + 1
        last = samples.end[part].max().astype("datetime64[h]")
        found.append((int((first - start).astype(int)), int((last - start).astype(int))))
    return found


def test_yaml_holds_the_full_signature():
    config = yaml.safe_load((config_folder() / "split" / "borders.yaml").read_text())
    name, params = split_name(config, "split")
    assert name == "borders"
    assert list(params) == list(SplitRegistry.parameters(name))


def test_labels_fill_their_parts_and_contexts_reach_back(samples):
    fold = borders().split(samples)[0]
    assert spans(samples, fold) == [(LOOKBACK + 1, 59), (60, 79), (80, 104)]
    # Two assets; a part of n bars has n - H + 1 windows, the first one needs a context as well.
    assert len(fold.train) == 2 * (60 - LOOKBACK - 1 - H + 1)
    assert len(fold.validation) == 2 * (20 - H + 1)
    assert len(fold.test) == 2 * (25 - H + 1)
    assert samples.start[fold.test].min() < samples.end[fold.validation].max()
    assert fold.train_interval.end == np.datetime64("2020-01-03T11", "ns")
    for part in (fold.train, fold.validation, fold.test):
        assert (np.diff(part) > 0).all()
    assert not set(fold.train) & set(fold.validation)


def test_dates_are_borders_too(samples):
    by_bars = borders(test=None).split(samples)[0]
    by_date = borders(train="2020-01-03 12:00", validation="2020-01-04 08:00", test=None)
    for name in ("train", "validation", "test"):
        np.testing.assert_array_equal(
            getattr(by_date.split(samples)[0], name), getattr(by_bars, name)
        )
    zoned = borders(train="2020-01-03T13:00+01:00", validation=20, test="2020-01-06")
    assert spans(samples, zoned.split(samples)[0])[2] == (80, 119)
    assert len(by_bars.test) == 2 * (40 - H + 1)


def test_without_a_number_of_bars_no_bar_is_shared(samples):
    fold = borders(purge="auto").split(samples)[0]
    for earlier, later in ((fold.train, fold.validation), (fold.validation, fold.test)):
        assert samples.end[earlier].max() < samples.start[later].min()
    assert spans(samples, fold)[2] == (80, 104)


def test_an_early_label_does_not_decide_whether_its_origin_counts(samples):
    """Of labels that may end early, those of the last bars would count only if they did."""
    short = replace(samples, end=samples.origin + np.timedelta64(1, "h"))
    fold, full = borders().split(short)[0], borders().split(samples)[0]
    np.testing.assert_array_equal(fold.test, full.test)
    np.testing.assert_array_equal(fold.train, full.train)


def test_an_embargo_comes_on_top(samples):
    fold, plain = borders(embargo=3).split(samples)[0], borders().split(samples)[0]
    assert len(fold.train) == len(plain.train) - 6
    np.testing.assert_array_equal(fold.test, plain.test)


def test_a_purge_shorter_than_the_label_is_refused():
    borders().check(label_bars=H)
    borders(purge="auto").check(label_bars=100)
    with pytest.raises(LeakageError, match="shorter than the label"):
        borders().check(label_bars=H + 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": 0}, r"split\.train=0; allowed: a number of bars above 0"),
        ({"validation": True}, r"split\.validation=True"),
        ({"test": "soon"}, r"split\.test='soon' is no time"),
        ({"train": "NaT"}, r"split\.train='NaT' is no time"),
    ],
)
def test_bad_borders_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        borders(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"test": 50},
            r"split\.test=50 ends its part at bar 130; allowed: after 80.* 120, the bar",
        ),
        ({"validation": "2020-01-02"}, r"split\.validation=2020-01-02.* ends its part at bar 24"),
        ({"train": 5}, "a part without samples"),
        ({"test": 2}, "a part without samples"),
        ({"train": 1, "validation": 1, "test": 1}, "no sample ends before the test part does"),
    ],
)
def test_borders_outside_the_data_are_refused(samples, changes, message):
    with pytest.raises(DataError, match=message):
        borders(**changes).split(samples)
