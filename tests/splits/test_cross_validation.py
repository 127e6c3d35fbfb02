"""Splitters inside scikit-learn, which knows them as anything with `split` and `get_n_splits`."""

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from regimecast.core.errors import SpecError
from regimecast.core.types import Samples
from regimecast.splits.base import SplitRegistry
from regimecast.splits.cross_validation import as_cross_validator, samples_between
from tests.contracts.builders import packaged
from tests.splits.panels import intersections

N = 3000
GIVEN = {"borders": {"train": 1500, "validation": 500}}


@pytest.fixture
def samples(make_samples, business_days) -> Samples:
    return make_samples([business_days(N + 25, "2010-01-04")], lookback=20, label_bars=5)


def splitter(name: str, **changes: object):
    values = {**packaged("split", name), **GIVEN.get(name, {}), **changes}
    return SplitRegistry.create(values.pop("name"), **values)


@pytest.mark.parametrize("name", SplitRegistry.available())
def test_every_splitter_scores_an_estimator_on_a_table(samples: Samples, name: str) -> None:
    rng = np.random.default_rng(0)
    x = pd.DataFrame(rng.normal(size=(N, 3)), columns=list("abc"), index=samples.origin)
    y = pd.Series(2 * x["a"] + rng.normal(size=N), index=x.index)
    cv = as_cross_validator(splitter(name), samples)
    scores = cross_val_score(make_pipeline(StandardScaler(), Ridge()), x, y, cv=cv)
    assert len(scores) == cv.get_n_splits(x, y) == len(cv.folds)
    assert (scores > 0.5).all()
    for train, test in cv.split(x):
        assert len(np.intersect1d(train, test)) == 0
        assert intersections(samples, train, test) == 0
        assert (np.diff(train) > 0).all()
    search = GridSearchCV(Ridge(), {"alpha": [0.1, 1e6]}, cv=cv).fit(x.to_numpy(), y.to_numpy())
    assert search.best_params_ == {"alpha": 0.1}


def test_purging_tells_memory_from_skill(samples: Samples) -> None:
    """Labels of five days overlap: without purging, the neighbours' labels are half the answer."""
    noise = np.random.default_rng(1).normal(size=N + 4)
    y = np.convolve(noise, np.ones(5), "valid")
    x = np.arange(N)[:, None].astype(float)
    from sklearn.neighbors import KNeighborsRegressor

    neighbours = KNeighborsRegressor(n_neighbors=1)
    shuffled = cross_val_score(neighbours, x, y, cv=KFold(5, shuffle=True, random_state=0))
    purged = cross_val_score(
        neighbours, x, y, cv=as_cross_validator(splitter("purged_kfold"), samples)
    )
    assert shuffled.min() > 0.3
    assert purged.max() < 0.0


def test_purged_kfold_predicts_every_row_once(samples: Samples) -> None:
    cv = as_cross_validator(splitter("purged_kfold", validation=0), samples)
    predicted = cross_val_predict(DummyRegressor(), np.zeros((N, 1)), np.ones(N), cv=cv)
    assert predicted.tolist() == [1.0] * N
    for (train, _), fold in zip(cv.split(np.zeros(N)), cv.folds, strict=True):
        assert len(fold.validation) == 0
        assert np.array_equal(train, fold.train)


def test_a_table_of_other_rows_is_refused(samples: Samples) -> None:
    cv = as_cross_validator(splitter("holdout"), samples)
    with pytest.raises(SpecError, match="X has 2,999 rows and the cross-validator 3,000 samples"):
        next(cv.split([0] * (N - 1)))


def test_samples_of_times_alone() -> None:
    days = np.arange("2020-01-01", "2020-03-01", dtype="datetime64[D]")
    samples = samples_between(days, days + 2)
    fold = splitter("purged_kfold", folds=3, validation=0).split
    assert [len(f.train) for f in fold(samples)] == [38, 36, 38]
    later = samples_between(days, days + 2, origin=days + 1, asset=np.ones(60, dtype=np.int64))
    assert (later.origin - later.start == np.timedelta64(1, "D")).all()
    assert set(later.asset) == {1}
    with pytest.raises(SpecError, match="row 0 reads from 2020-01-03"):
        samples_between(days + 2, days)
    with pytest.raises(SpecError, match="start <= origin <= end"):
        samples_between(days, days + 2, origin=days + 5)
    missing = days.copy()
    missing[3] = np.datetime64("NaT")
    with pytest.raises(SpecError, match="row 3"):
        samples_between(missing, days + 2)
