import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import linregress

from regimecast.core.errors import ConfigError, DataError
from regimecast.labels import INCOMPLETE, trend_scanning


def walk(length: int, seed: int) -> np.ndarray:
    return 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, length)))


@given(
    seed=st.integers(0, 10_000),
    length=st.integers(0, 60),
    horizons=st.lists(st.integers(2, 40), min_size=1, max_size=8),
)
@settings(max_examples=60, deadline=None)
def test_equals_a_regression_per_window(seed, length, horizons):
    close = walk(length, seed)
    labels = trend_scanning(close, horizons)
    for o in range(length):
        if o + max(horizons) >= length:
            assert labels.label[o] == INCOMPLETE
            assert np.isnan(labels.t_value[o])
            assert (labels.horizon[o], labels.exit[o]) == (-1, -1)
            continue
        fits = {h: linregress(range(h + 1), np.log(close[o : o + h + 1])) for h in horizons}
        t_values = {h: fit.slope / fit.stderr for h, fit in fits.items()}
        assert labels.t_value[o] == pytest.approx(max(t_values.values(), key=abs), rel=1e-6)
        assert t_values[labels.horizon[o]] == pytest.approx(labels.t_value[o], rel=1e-6)
        assert labels.label[o] == np.sign(labels.t_value[o])
        assert labels.exit[o] == o + max(horizons)


@given(seed=st.integers(0, 10_000), cut=st.integers(0, 120))
@settings(max_examples=50, deadline=None)
def test_complete_labels_never_change(seed, cut):
    close = walk(120, seed)
    whole, until = (trend_scanning(x, range(3, 15)) for x in (close, close[:cut]))
    complete = until.label != INCOMPLETE
    assert complete.sum() == max(0, cut - 14)
    for name in ("label", "t_value", "horizon", "exit"):
        np.testing.assert_array_equal(
            getattr(whole, name)[:cut][complete], getattr(until, name)[complete]
        )


def test_a_trend_that_turns_is_cut_where_it_turns():
    rise = 100 * np.exp(0.01 * np.arange(11))
    close = np.concatenate([rise, rise[-1] * np.exp(-0.02 * np.arange(1, 11))])
    close *= np.exp(np.random.default_rng(0).normal(0, 1e-4, 21))
    labels = trend_scanning(close, range(4, 21))
    assert labels.label[0] == 1
    assert labels.horizon[0] == 10
    assert labels.exit[0] == 20


def test_perfect_and_absent_trends():
    up = trend_scanning(2.0 ** np.arange(10), [3, 5])
    assert up.label[0] == 1
    assert up.t_value[0] > 1e6
    down = trend_scanning(2.0 ** -np.arange(10), [3, 5])
    assert down.label[0] == -1
    still = trend_scanning(np.full(10, 7.0), [3, 5])
    assert still.label[:5].tolist() == [0] * 5
    assert still.t_value[:5].tolist() == [0.0] * 5
    assert still.horizon[:5].tolist() == [3] * 5


def test_entries_in_any_order_and_a_horizon_beyond_everything():
    close = walk(80, 9)
    every = trend_scanning(close, [5, 9])
    some = trend_scanning(close, (9, 5), entries=np.array([50, 3, 3]))
    np.testing.assert_array_equal(some.t_value, every.t_value[[50, 3, 3]])
    assert (trend_scanning(close, [5, 10**12]).label == INCOMPLETE).all()


@pytest.mark.parametrize(
    ("close", "horizons", "entries", "error", "message"),
    [
        (np.ones(5), [], None, ConfigError, r"horizons=\[\]"),
        (np.ones(5), [1, 3], None, ConfigError, r"horizons\[0\]=1; allowed"),
        (np.array([1.0, np.inf, 1.0]), [2], None, DataError, "close=inf at bar 1"),
        (np.ones(5), [2], np.array([5]), DataError, "entries reach from 5 to 5; bars: 5"),
    ],
)
def test_wrong_input_is_named(close, horizons, entries, error, message):
    with pytest.raises(error, match=message):
        trend_scanning(close, horizons, entries=entries)
