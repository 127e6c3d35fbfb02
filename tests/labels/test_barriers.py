"""The triple-barrier kernel against plain Python, real labels, and its edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regimecast.core.errors import ConfigError, DataError
from regimecast.labels.barriers import barrier_labels, triple_barrier
from regimecast.labels.base import INCOMPLETE


def reference(close, high, low, upper, lower, horizon, cost, tie):
    """One entry after the other, one bar after the other."""
    labels, exits, returns = [], [], []
    for o, price in enumerate(close):
        label, leave, ret = INCOMPLETE, -1, np.nan
        for t in range(o + 1, min(o + horizon, len(close) - 1) + 1):
            up = (close if high is None else high)[t] >= price * (1 + upper[o] + cost)
            down = (close if low is None else low)[t] <= price * (1 - lower[o] - cost)
            if up or down:
                label = {"lower": -1 if down else 1, "upper": 1 if up else -1}[tie]
                barrier = upper[o] + cost if label == 1 else -lower[o] - cost
                leave, ret = t, close[t] / price - 1 if high is None else barrier
                break
        else:
            if o + horizon < len(close):
                label, leave, ret = 0, o + horizon, close[o + horizon] / price - 1
        labels.append(label)
        exits.append(leave)
        returns.append(np.sign(ret) * max(abs(ret) - cost, 0) if leave >= 0 else np.nan)
    return np.array(labels), np.array(exits), np.array(returns)


@given(
    length=st.integers(1, 120),
    far=st.sampled_from([1, 4, 12]),
    seed=st.integers(0, 10_000),
    horizon=st.integers(1, 130),
    cost_bps=st.sampled_from([0.0, 5.0, 80.0]),
    tie=st.sampled_from(["lower", "upper"]),
    ranges=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_equals_plain_python(length, far, seed, horizon, cost_bps, tie, ranges):
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, length)))
    high = close * (1 + rng.exponential(0.01, length)) if ranges else None
    low = close * (1 - rng.uniform(0, 0.03, length)) if ranges else None
    upper, lower = far * rng.uniform(0.005, 0.06, (2, length))
    labels = barrier_labels(
        close, high, low, upper=upper, lower=lower, horizon=horizon, cost_bps=cost_bps, tie=tie
    )
    label, leave, ret = reference(close, high, low, upper, lower, horizon, cost_bps / 1e4, tie)
    assert labels.label.dtype == np.int8
    np.testing.assert_array_equal(labels.label, label)
    np.testing.assert_array_equal(labels.exit, leave)
    np.testing.assert_allclose(labels.ret, ret, rtol=1e-12, atol=1e-15)


@given(seed=st.integers(0, 10_000), cut=st.integers(1, 199))
@settings(max_examples=50, deadline=None)
def test_labels_known_by_a_bar_do_not_change_afterwards(seed, cut):
    close = 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, 200)))
    whole = triple_barrier(close, None, None, upper=0.03, lower=0.02, horizon=20)
    until = barrier_labels(close[:cut], None, None, upper=0.03, lower=0.02, horizon=20)
    known = (whole.exit >= 0) & (whole.exit < cut)
    np.testing.assert_array_equal(until.label != INCOMPLETE, known[:cut])
    for mine, other in (
        (until.label, whole.label),
        (until.exit, whole.exit),
        (until.ret, whole.ret),
    ):
        np.testing.assert_array_equal(mine[known[:cut]], other[:cut][known[:cut]])


def test_a_story_with_every_outcome():
    close = np.array([100.0, 104.0, 103.0, 97.0, 98.0, 98.5, 98.0])
    labels = triple_barrier(close, None, None, upper=0.04, lower=0.04, horizon=2)
    np.testing.assert_array_equal(labels.label, [1, -1, -1, 0, 0, INCOMPLETE, INCOMPLETE])
    np.testing.assert_array_equal(labels.exit, [1, 3, 3, 5, 6, -1, -1])
    assert labels.ret[0] == pytest.approx(0.04)
    assert labels.ret[1] == pytest.approx(97 / 104 - 1)
    assert np.isnan(labels.ret[-1])


def test_one_bar_that_reaches_both_goes_to_the_tie():
    close, high, low = np.array([100.0, 100.0]), np.array([100.0, 110.0]), np.array([100.0, 90.0])
    for tie, label in (("lower", -1), ("upper", 1)):
        result = triple_barrier(close, high, low, upper=0.05, lower=0.05, horizon=1, tie=tie)
        assert result.label[0] == label
        assert result.ret[0] == pytest.approx(0.05 * label)


def test_costs_move_both_barriers_away_and_shrink_the_return():
    close = np.array([100.0, 101.0, 99.0])
    free = triple_barrier(close, None, None, upper=0.01, lower=0.01, horizon=2)
    paid = triple_barrier(close, None, None, upper=0.01, lower=0.01, horizon=2, cost_bps=10.0)
    assert (free.label[0], paid.label[0]) == (1, 0)
    assert paid.ret[0] == pytest.approx(-0.009)


def test_entries_in_any_order_and_no_barrier_at_all():
    close = np.linspace(100, 120, 50)
    every = triple_barrier(close, None, None, upper=0.02, lower=0.02, horizon=5)
    some = np.array([40, 3, 3, 17])
    chosen = triple_barrier(close, None, None, upper=0.02, lower=0.02, horizon=5, entries=some)
    np.testing.assert_array_equal(chosen.label, every.label[some])
    np.testing.assert_array_equal(chosen.exit, every.exit[some])
    endless = triple_barrier(close, None, None, upper=np.inf, lower=np.inf, horizon=5)
    assert set(endless.label[:-5]) == {0}
    none = triple_barrier(
        close, None, None, upper=0.1, lower=0.1, horizon=5, entries=np.array([], dtype=np.int64)
    )
    assert len(none.label) == 0


def test_distances_matter_only_where_something_enters():
    close = np.linspace(100, 150, 50)
    upper = np.full(50, np.nan)
    upper[20:] = 0.02
    labels = triple_barrier(
        close, None, None, upper=upper, lower=0.02, horizon=5, entries=np.arange(20, 50)
    )
    assert (labels.label[:10] == 1).all()
    with pytest.raises(DataError, match="upper=nan for the entry at bar 0"):
        triple_barrier(close, None, None, upper=upper, lower=0.02, horizon=5)


GOOD = {"upper": 0.1, "lower": 0.1, "horizon": 3}


@pytest.mark.parametrize(
    ("high", "low", "settings_", "message"),
    [
        (np.full(9, 101.0), np.full(10, 99.0), {}, "high has 9 bars, close has 10"),
        (np.full(10, 101.0), None, {}, "high and low go together"),
        (np.full(10, 98.0), np.full(10, 99.0), {}, "high=98.0 is below low=99.0 at bar 0"),
        (np.full(10, np.nan), np.full(10, 99.0), {}, "high=nan at bar 0"),
        (None, None, {"upper": 0.0}, "upper=0.0"),
        (None, None, {"lower": np.full(4, 0.1)}, "lower has 4 values"),
        (None, None, {"entries": np.array([3, 10])}, "entries reach from 3 to 10"),
        (None, None, {"horizon": 0}, "horizon=0"),
        (None, None, {"cost_bps": -1.0}, "cost_bps=-1.0"),
    ],
)
def test_wrong_input_is_named(high, low, settings_, message):
    with pytest.raises((DataError, ConfigError), match=message):
        triple_barrier(np.full(10, 100.0), high, low, **{**GOOD, **settings_})


@pytest.mark.parametrize("price", [np.nan, 0.0, -5.0, np.inf])
def test_wrong_prices_are_named(price):
    close = np.full(10, 100.0)
    close[4] = price
    with pytest.raises(DataError, match=r"close=.* at bar 4"):
        triple_barrier(close, None, None, **GOOD)
