"""The same intervals as MAPIE 1.6 where both mean the same.

Where they do not: MAPIE's adaptive levels stay within [0, 1] and its bounds may be infinite, its
time series have one step and no delay, and its EnbPI adds each residual to a centre of its own
(`method="plus"`), as jackknife+ does; ours adds one quantile to the mean of the members.
"""

import numpy as np
import pytest
from mapie.conformity_scores import AbsoluteConformityScore
from mapie.regression import (
    ConformalizedQuantileRegressor,
    SplitConformalRegressor,
    TimeSeriesRegressor,
)
from sklearn.linear_model import LinearRegression, QuantileRegressor

from tests.evaluation.conformal.records import make_record, method

N, M = 300, 400
LEVEL = 0.9


@pytest.fixture(scope="module")
def table():
    """A linear market of three columns whose noise grows with the first one."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2 * N + M, 3))
    y = x @ [1.0, -2.0, 0.5] + rng.normal(size=len(x)) * np.exp(0.5 * x[:, 0])
    parts = (slice(0, N), slice(N, 2 * N), slice(2 * N, None))
    return [(x[part], y[part]) for part in parts]


def record(values, y, *, start=0):
    levels = (0.5,) if values.ndim == 1 else (0.05, 0.5, 0.95)
    return make_record(values.reshape(len(y), 1, -1), y[:, None], levels=levels, start=start)


def bounds(calibrated):
    return calibrated.forecast.values[:, 0, [0, 2]]


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_split(table, level) -> None:
    (x, y), (x_cal, y_cal), (x_test, y_test) = table
    model = LinearRegression().fit(x, y)
    theirs = SplitConformalRegressor(model, confidence_level=level, prefit=True)
    _, interval = theirs.conformalize(x_cal, y_cal).predict_interval(x_test)
    ours = method("split", level=level, normalise="none").calibrated(
        record(model.predict(x_cal), y_cal), record(model.predict(x_test), y_test, start=1000)
    )
    np.testing.assert_allclose(bounds(ours), interval[:, :, 0], rtol=0, atol=1e-9)


@pytest.mark.parametrize("symmetric", [True, False])
def test_conformalized_quantiles(table, symmetric) -> None:
    (x, y), (x_cal, y_cal), (x_test, y_test) = table
    models = [
        QuantileRegressor(quantile=q, alpha=0.0, solver="highs").fit(x, y)
        for q in (0.05, 0.95, 0.5)
    ]
    theirs = ConformalizedQuantileRegressor(models, confidence_level=LEVEL, prefit=True)
    theirs.conformalize(x_cal, y_cal)
    _, interval = theirs.predict_interval(x_test, symmetric_correction=symmetric)

    def said(inputs):
        return np.stack([models[i].predict(inputs) for i in (0, 2, 1)], axis=1)

    ours = method("cqr", normalise="none", symmetric=symmetric).calibrated(
        record(said(x_cal), y_cal), record(said(x_test), y_test, start=1000)
    )
    apart = (interval[:, 0, 0] < said(x_test)[:, 1]) & (interval[:, 1, 0] > said(x_test)[:, 1])
    assert apart.mean() > 0.95  # else a bound is held at the median, which MAPIE does not do
    np.testing.assert_allclose(bounds(ours)[apart], interval[apart, :, 0], rtol=0, atol=1e-9)


@pytest.mark.parametrize(("name", "gamma"), [("aci", 0.02), ("enbpi", 0.0)])
@pytest.mark.filterwarnings("ignore:\\s*This function behavior has been changed:UserWarning")
def test_online(table, name, gamma) -> None:
    """A prefit model, the scores of as many bars as calibrate, and one observation at a time."""
    (x, y), (x_cal, y_cal), (x_test, y_test) = table
    model = LinearRegression().fit(x, y)
    wilder = y_test + np.linspace(0, 1, M) * (y_test - model.predict(x_test))
    theirs = TimeSeriesRegressor(
        model, method=name, cv="prefit", conformity_score=AbsoluteConformityScore(sym=True)
    )
    theirs.fit(x_cal, y_cal)
    found = []
    for at, outcome in zip(x_test, wilder, strict=True):
        one, what = at[None], np.array([outcome])
        _, interval = theirs.predict(one, confidence_level=LEVEL)
        found.append(interval[0, :, 0])
        if gamma:
            theirs.adapt_conformal_inference(one, what, gamma=gamma, confidence_level=LEVEL)
        theirs.update(one, what)
    ours = method(name, normalise="none", gamma=gamma, window=N, ends="residual").calibrated(
        record(model.predict(x_cal), y_cal), record(model.predict(x_test), wilder, start=1000)
    )
    np.testing.assert_allclose(bounds(ours), np.array(found), rtol=0, atol=1e-9)
