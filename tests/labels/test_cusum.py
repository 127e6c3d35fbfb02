import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regimecast.core.errors import DataError
from regimecast.labels import cusum_events
from regimecast.labels.cusum import cusum_sums


def reference(close, threshold):
    events, up, down = [], 0.0, 0.0
    for t in range(1, len(close)):
        if np.isnan(threshold[t]):
            up = down = 0.0
            continue
        change = np.log(close[t]) - np.log(close[t - 1])
        up, down = max(0.0, up + change), min(0.0, down + change)
        if down < -threshold[t]:
            down = 0.0
            events.append(t)
        elif up > threshold[t]:
            up = 0.0
            events.append(t)
    return events


def walk(length: int, seed: int) -> np.ndarray:
    return 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, length)))


@given(seed=st.integers(0, 10_000), length=st.integers(0, 200), missing=st.booleans())
@settings(max_examples=100, deadline=None)
def test_equals_plain_python_and_never_changes_afterwards(seed, length, missing):
    close = walk(length, seed)
    threshold = np.random.default_rng(seed + 1).uniform(0.002, 0.05, length)
    if missing:
        threshold[::17] = np.nan
    events = cusum_events(close, threshold)
    assert events.dtype == np.int64
    assert events.tolist() == reference(close, threshold)
    cut = length // 2
    assert cusum_events(close[:cut], threshold[:cut]).tolist() == events[events < cut].tolist()


def test_a_story():
    close = 100 * np.exp(np.cumsum([0.0, 0.02, 0.02, -0.01, -0.01, -0.02, 0.0]))
    # 0.04 passes at bar 2; the fall has collected -0.04 by bar 5.
    assert cusum_events(close, 0.035).tolist() == [2, 5]
    assert cusum_events(close, 1).tolist() == []
    assert cusum_events(close, np.inf).tolist() == []


def test_one_threshold_is_the_same_everywhere():
    close = walk(500, 4)
    np.testing.assert_array_equal(
        cusum_events(close, 0.02), cusum_events(close, np.full(500, 0.02))
    )


@pytest.mark.parametrize(
    ("close", "threshold", "message"),
    [
        (np.array([1.0, np.nan, 2.0]), 0.1, "close=nan at bar 1"),
        (np.array([1.0, 0.0]), 0.1, "close=0.0 at bar 1"),
        (np.ones(3), 0.0, "threshold=0.0"),
        (np.ones(3), np.array([0.1, -0.1, 0.1]), "threshold=-0.1 at bar 1"),
        (np.ones(3), np.full(2, 0.1), "threshold has 2 values; allowed: one number, or 3"),
    ],
)
def test_wrong_input_is_named(close, threshold, message):
    with pytest.raises(DataError, match=message):
        cusum_events(close, threshold)


@pytest.mark.parametrize("cut", [1, 2, 57, 199, 200])
def test_sums_go_on_from_earlier_ones_to_the_last_bit(cut):
    close = walk(200, 3)
    threshold = np.full(200, 0.02)
    threshold[50:60] = np.nan
    whole = cusum_sums(close, threshold)
    assert np.flatnonzero(whole.event).tolist() == reference(close, threshold)
    part = cusum_sums(
        close[cut - 1 :],
        threshold[cut - 1 :],
        start=(float(whole.rise[cut - 1]), float(whole.fall[cut - 1])),
    )
    assert part.rise.tobytes() == whole.rise[cut - 1 :].tobytes()
    assert part.fall.tobytes() == whole.fall[cut - 1 :].tobytes()
    assert part.event[1:].tobytes() == whole.event[cut:].tobytes()
