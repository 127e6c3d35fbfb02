"""Kernels against pandas and plain Python."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regimecast.features.comovement import rolling_beta, rolling_correlation
from regimecast.features.rolling import (
    exponential_mean,
    log_return,
    ratio,
    rolling_drawdown,
    rolling_mean,
    rolling_moment,
    rolling_rank,
    rolling_std,
)

RNG = np.random.default_rng(3)
X, Y = RNG.normal(size=200), RNG.normal(size=200)
WINDOW = 21


def by_window(function, *columns):
    """The function applied to each full window, the naive way."""
    result = np.full(len(columns[0]), np.nan)
    for t in range(WINDOW - 1, len(result)):
        result[t] = function(*(column[t - WINDOW + 1 : t + 1] for column in columns))
    return result


@pytest.mark.parametrize(
    ("mine", "reference"),
    [
        (rolling_mean(X, WINDOW), pd.Series(X).rolling(WINDOW).mean()),
        (rolling_std(X, WINDOW), pd.Series(X).rolling(WINDOW).std()),
        (rolling_correlation(X, Y, WINDOW), pd.Series(X).rolling(WINDOW).corr(pd.Series(Y))),
        (rolling_beta(X, Y, WINDOW), by_window(lambda x, y: np.polyfit(y, x, 1)[0], X, Y)),
        (
            rolling_moment(X, WINDOW, 3),
            by_window(lambda x: np.mean((x - x.mean()) ** 3) / x.std() ** 3, X),
        ),
        (
            rolling_moment(X, WINDOW, 4),
            by_window(lambda x: np.mean((x - x.mean()) ** 4) / x.std() ** 4, X),
        ),
        (
            rolling_rank(X.round(1), WINDOW),
            by_window(
                lambda x: (np.sum(x[:-1] < x[-1]) + 0.5 * np.sum(x[:-1] == x[-1])) / (WINDOW - 1),
                X.round(1),
            ),
        ),
        (
            rolling_drawdown(np.exp(X), WINDOW),
            by_window(lambda x: min(x / np.maximum.accumulate(x) - 1), np.exp(X)),
        ),
        (exponential_mean(X, 0.9), pd.Series(X).ewm(alpha=0.1, adjust=False).mean()),
        (log_return(np.exp(X), 3), pd.Series(X).diff(3)),
    ],
    ids=["mean", "std", "corr", "beta", "skew", "kurt", "rank", "drawdown", "ewm", "return"],
)
def test_kernels_agree_with_a_naive_reference(mine, reference):
    np.testing.assert_allclose(mine, np.asarray(reference), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.1, 4711.17, 1e-9])
def test_no_variation_gives_the_documented_value(value):
    still = np.full(50, value)
    assert set(rolling_moment(still, WINDOW, 3)[WINDOW:]) == {0.0}
    assert set(rolling_moment(still, WINDOW, 4)[WINDOW:]) == {3.0}
    assert set(rolling_correlation(still, Y[:50], WINDOW)[WINDOW:]) == {0.0}
    assert set(rolling_beta(Y[:50], still, WINDOW)[WINDOW:]) == {0.0}
    assert set(rolling_rank(still, WINDOW)[WINDOW:]) == {0.5}


@given(st.integers(0, 60), st.integers(2, 30), st.integers(0, 59))
@settings(max_examples=60, deadline=None)
def test_any_length_and_one_missing_value(length, window, hole):
    x = X[:length].copy()
    if hole < length:
        x[hole] = np.nan
    expected = pd.Series(x).rolling(window).mean().isna().to_numpy()
    for values in (
        rolling_mean(x, window),
        rolling_std(x, window),
        rolling_moment(x, window, 3),
        rolling_correlation(x, x, window),
        rolling_rank(x, window),
    ):
        np.testing.assert_array_equal(np.isnan(values), expected)


def test_a_volatile_past_leaves_no_rounding_error_behind():
    x = np.concatenate([1e6 * RNG.normal(size=50), np.zeros(50)])
    assert set(rolling_std(x, WINDOW)[-20:]) == {0.0}


def test_ratio_is_never_infinite():
    result = ratio(np.array([1.0, 2.0, np.nan]), np.array([0.0, 4.0, 1.0]), otherwise=-1.0)
    np.testing.assert_array_equal(result, [-1.0, 0.5, np.nan])
