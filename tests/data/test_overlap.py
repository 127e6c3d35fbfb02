import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regimecast.core.errors import DataError
from regimecast.data.overlap import average_uniqueness, concurrency

SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9)), max_size=30)


@given(SPANS)
@settings(max_examples=100, deadline=None)
def test_equal_the_definitions(pairs):
    entries = np.array([a for a, _ in pairs], dtype=np.int64)
    exits = np.array([a + n for a, n in pairs], dtype=np.int64)
    spans = [range(a, b + 1) for a, b in zip(entries, exits, strict=True)]
    count = [sum(bar in span for span in spans) for bar in range(50)]
    assert concurrency(entries, exits, 50).tolist() == count
    share = [np.mean([1 / count[bar] for bar in span]) for span in spans]
    np.testing.assert_allclose(average_uniqueness(entries, exits, 50), share, rtol=1e-12)


def test_a_label_depends_on_nothing_beyond_those_it_overlaps():
    rng = np.random.default_rng(0)
    entries = np.sort(rng.integers(0, 10_000, 2000))
    exits = entries + rng.integers(1, 60, 2000)
    whole = average_uniqueness(entries, exits, 10_100)
    later = entries >= 5000
    alone = average_uniqueness(entries[later], exits[later], 10_100)
    apart = entries[later] > exits[~later].max()
    np.testing.assert_array_equal(whole[later][apart], alone[apart])


@pytest.mark.parametrize(
    ("entries", "exits", "message"),
    [
        ([0, 3], [2, 10], r"label 1 spans bars 3 to 10 \(1 such labels\); allowed: 0 to 9"),
        ([-1], [2], "label 0 spans bars -1 to 2"),
        ([4], [3], "label 0 spans bars 4 to 3"),
        ([4], [-1], "incomplete labels left out"),
        ([4, 5], [6], "exits has 1 labels, entries has 2"),
    ],
)
def test_wrong_spans_are_named(entries, exits, message):
    for function in (concurrency, average_uniqueness):
        with pytest.raises(DataError, match=message):
            function(np.array(entries), np.array(exits), 10)
