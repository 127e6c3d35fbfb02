"""A part for calibration: apart from what stops early, from training and from the test."""

import numpy as np
import pytest

from regimecast.core.errors import DataError
from regimecast.core.types import Interval
from regimecast.splits.base import Fold, SplitRegistry
from regimecast.splits.calibration import carve
from regimecast.splits.preflight import preflight, preflight_table
from regimecast.splits.purging import PurgeRule, purge
from tests.splits.conftest import samples_of

DAYS = np.arange("2010-01-01", "2013-01-01", dtype="datetime64[D]")
SAMPLES = samples_of([DAYS, DAYS[200:900]], lookback=20, label_bars=5)
AUTO = PurgeRule.parse("auto", 0)


def holdout(**changes) -> Fold:
    options = {"train": 0.5, "validation": 0.3, "test": 0.2, "purge": "auto", "embargo": 0}
    return SplitRegistry.create("holdout", **options | changes).split(SAMPLES)[0]


def meets(samples, one, other) -> bool:
    """Whether any interval of one part meets any of the other, pair by pair."""
    a, b = samples.take(one), samples.take(other)
    return bool(((a.start[:, None] <= b.end) & (a.end[:, None] >= b.start)).any())


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("embargo", [0, 10])
def test_no_bar_is_read_on_both_sides(share, embargo) -> None:
    fold = holdout(embargo=embargo)
    found = carve(fold, SAMPLES, share=share, rule=PurgeRule.parse("auto", embargo))
    assert found.calibration is not None
    parts = [found.train, found.validation, found.calibration, found.test]
    for i, one in enumerate(parts):
        assert (np.diff(one) > 0).all()
        for other in parts[i + 1 :]:
            assert not meets(SAMPLES, one, other)
    # Not a sample more is lost than the rule asks for.
    times = np.unique(SAMPLES.origin[fold.validation])
    first = times[len(times) - round(share * len(times))]
    late = SAMPLES.origin[fold.validation] >= first
    np.testing.assert_array_equal(found.calibration, fold.validation[late])
    early = fold.validation[~late]
    gap = np.timedelta64(embargo, "D")
    np.testing.assert_array_equal(
        found.validation,
        early[purge(SAMPLES.take(early), SAMPLES.take(found.calibration), embargo=gap)],
    )
    lost = len(fold.validation) - len(found.validation) - len(found.calibration)
    assert found.purged == fold.purged + lost
    assert found.purged_validation == fold.purged_validation + lost
    np.testing.assert_array_equal(found.train, fold.train)
    np.testing.assert_array_equal(found.test, fold.test)


def test_a_purge_in_bars_lets_windows_look_back() -> None:
    fold = holdout(purge=5)
    found = carve(fold, SAMPLES, share=0.5, rule=PurgeRule.parse(5, 0))
    last = SAMPLES.end[found.validation].max()
    assert last <= SAMPLES.origin[found.of_calibration].min()
    assert len(found.validation) > len(carve(holdout(), SAMPLES, share=0.5, rule=AUTO).validation)


def test_folds_that_are_not_in_order_of_time() -> None:
    """Test between training blocks, validation at the end, as combinatorial folds have it."""
    origin = SAMPLES.origin
    test = np.flatnonzero((origin >= DAYS[300]) & (origin < DAYS[400]))
    late = np.flatnonzero(origin >= DAYS[700])
    rest = np.flatnonzero(origin < DAYS[700])
    seen = np.concatenate([test, late])
    train = rest[purge(SAMPLES.take(rest), SAMPLES.take(seen))]
    trained = SAMPLES.take(train)
    fold = Fold(train, late, test, Interval(trained.start.min(), trained.end.max()), purged=0)
    found = carve(fold, SAMPLES, share=0.5, rule=AUTO)
    parts = [found.train, found.validation, found.of_calibration, found.test]
    for i, one in enumerate(parts):
        assert len(one)
        for other in parts[i + 1 :]:
            assert not meets(SAMPLES, one, other)


@pytest.mark.parametrize("share", [0.001, 0.97])
def test_a_part_without_samples_is_said(share) -> None:
    with pytest.raises(DataError, match=rf"conformal.calibration={share} leaves a part without"):
        carve(holdout(), SAMPLES, share=share, rule=AUTO)


def test_positions_are_those_of_all_samples() -> None:
    kept = np.flatnonzero(np.arange(len(SAMPLES)) % 2)
    fold = SplitRegistry.create(
        "holdout", train=0.5, validation=0.3, test=0.2, purge="auto", embargo=0
    ).split(SAMPLES.take(kept))[0]
    found = carve(fold, SAMPLES.take(kept), share=0.5, rule=AUTO)
    np.testing.assert_array_equal(found.of(kept).calibration, kept[found.of_calibration])
    assert fold.of(kept).calibration is None
    assert len(fold.of_calibration) == 0


def test_the_table_shows_it() -> None:
    fold = carve(holdout(), SAMPLES, share=0.5, rule=AUTO)
    rows = preflight([fold], SAMPLES)
    assert [row.part for row in rows] == ["train", "validation", "calibration", "test"]
    assert rows[2].samples == len(fold.of_calibration)
    assert "calibration" in preflight_table(rows)
