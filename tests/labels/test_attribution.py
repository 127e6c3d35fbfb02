import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regimecast.core.errors import ConfigError, DataError
from regimecast.labels import return_attribution, time_decay


@given(
    pairs=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9)), min_size=1, max_size=30),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=100, deadline=None)
def test_attribution_equals_the_definition(pairs, seed):
    entries = np.array([a for a, _ in pairs])
    exits = np.array([a + n for a, n in pairs])
    returns = np.random.default_rng(seed).normal(0, 0.01, 50)
    spans = [range(a, b + 1) for a, b in zip(entries, exits, strict=True)]
    count = [sum(t in span for span in spans) for t in range(50)]
    weight = np.array([abs(sum(returns[t] / count[t] for t in span)) for span in spans])
    mine = return_attribution(entries, exits, returns)
    np.testing.assert_allclose(mine, weight / weight.sum() * len(pairs), rtol=1e-9, atol=1e-12)
    assert mine.sum() == pytest.approx(len(pairs))


def test_a_missing_first_return_is_none_and_none_is_empty():
    returns = np.array([np.nan, 0.01, -0.02])
    weight = return_attribution(np.array([0, 1]), np.array([1, 2]), returns)
    np.testing.assert_allclose(weight, [0.5, 1.5])
    assert np.isnan(returns[0])
    none = np.array([], dtype=np.int64)
    assert len(return_attribution(none, none, returns)) == 0


def naive_decay(uniqueness, last_weight):
    """The book's line over cumulative uniqueness, from above the newest label downwards."""
    total = sum(uniqueness)
    slope = (1 - last_weight) / total if last_weight >= 0 else 1 / ((1 + last_weight) * total)
    until = [sum(uniqueness[: n + 1]) for n in range(len(uniqueness))]
    return [max(0.0, 1 - slope * total + slope * age) for age in until]


@given(
    uniqueness=st.lists(st.floats(0.01, 1.0), min_size=1, max_size=30),
    last_weight=st.floats(-0.99, 1.0),
)
@settings(max_examples=100, deadline=None)
def test_decay_equals_the_books_line(uniqueness, last_weight):
    weight = time_decay(np.array(uniqueness), last_weight)
    np.testing.assert_allclose(weight, naive_decay(uniqueness, last_weight), rtol=1e-9, atol=1e-9)
    assert (np.diff(weight) >= 0).all()
    assert ((weight >= 0) & (weight <= 1)).all()


def test_decay_in_four_pictures():
    four = np.full(4, 0.5)
    np.testing.assert_allclose(time_decay(four, 1.0), [1, 1, 1, 1])
    np.testing.assert_allclose(time_decay(four, 0.2), [0.4, 0.6, 0.8, 1])
    np.testing.assert_allclose(time_decay(four, 0.0), [0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(time_decay(four, -0.5), [0, 0, 0.5, 1])
    assert len(time_decay(np.zeros(0), 0.5)) == 0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda i: return_attribution(i, i + 5, np.ones(5)),
            DataError,
            "label 0 spans bars 0 to 5",
        ),
        (
            lambda i: return_attribution(i, i + 1, np.array([0.1, np.nan, 0.1, 0.1, 0.1])),
            DataError,
            "log_returns=nan at bar 1",
        ),
        (lambda i: return_attribution(i, i + 1, np.zeros(5)), DataError, "no label has a return"),
        (lambda i: time_decay(np.ones(3), -1.0), ConfigError, "last_weight=-1.0"),
        (lambda i: time_decay(np.ones(3), 1.5), ConfigError, "last_weight=1.5"),
        (
            lambda i: time_decay(np.array([0.5, np.nan]), 0.5),
            DataError,
            "uniqueness=nan at label 1",
        ),
    ],
)
def test_wrong_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call(np.arange(3))
