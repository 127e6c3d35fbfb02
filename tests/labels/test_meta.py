import numpy as np
import pytest

from regimecast.core.errors import ConfigError, DataError
from regimecast.labels import INCOMPLETE, TripleBarrierLabels, meta_labels, triple_barrier

LABELS = TripleBarrierLabels(
    np.array([1, 1, -1, -1, 0, INCOMPLETE], dtype=np.int8),
    np.array([3, 4, 5, 6, 7, -1]),
    np.array([0.01, 0.01, -0.01, -0.01, 0.0004, np.nan]),
)


def test_a_side_that_pays_is_one():
    side = np.array([1, -1, 1, -1, 1, 1])
    np.testing.assert_array_equal(meta_labels(side, LABELS), [1, 0, 0, 1, 1, INCOMPLETE])
    assert meta_labels(side, LABELS).dtype == np.int8


def test_a_profit_has_to_exceed_the_cost():
    # S3-37: a buffer of 5 basis points turns the 4 of the deadline into a loss.
    side = np.ones(6, dtype=np.int64)
    np.testing.assert_array_equal(
        meta_labels(side, LABELS, cost_bps=5.0), [1, 1, 0, 0, 0, INCOMPLETE]
    )
    np.testing.assert_array_equal(
        meta_labels(side, LABELS, cost_bps=200.0), [0, 0, 0, 0, 0, INCOMPLETE]
    )


def test_no_side_is_no_profit():
    np.testing.assert_array_equal(
        meta_labels(np.zeros(6, dtype=np.int64), LABELS), [0, 0, 0, 0, 0, INCOMPLETE]
    )


def test_a_cost_counts_the_same_in_the_labels_or_after_them():
    close = 100 * np.exp(np.cumsum(np.random.default_rng(5).normal(0, 0.01, 2000)))
    side = np.random.default_rng(6).integers(-1, 2, 2000)
    # Without price barriers the exits are the same whatever the cost.
    wide = {"upper": np.inf, "lower": np.inf, "horizon": 10}
    paid = meta_labels(side, triple_barrier(close, None, None, **wide, cost_bps=20.0))
    later = meta_labels(side, triple_barrier(close, None, None, **wide), cost_bps=20.0)
    np.testing.assert_array_equal(paid, later)
    assert set(paid.tolist()) == {0, 1, INCOMPLETE}


@pytest.mark.parametrize(
    ("side", "cost_bps", "error", "message"),
    [
        (np.ones(5, dtype=np.int64), 0.0, DataError, "side has 5 values; labels: 6"),
        (np.array([1, 1, 2, 1, 1, 1]), 0.0, DataError, "side=2 at label 2"),
        (np.ones(6, dtype=np.int64), -1.0, ConfigError, "cost_bps=-1.0"),
        (np.ones(6, dtype=np.int64), float("nan"), ConfigError, "cost_bps=nan"),
    ],
)
def test_wrong_input_is_named(side, cost_bps, error, message):
    with pytest.raises(error, match=message):
        meta_labels(side, LABELS, cost_bps=cost_bps)
