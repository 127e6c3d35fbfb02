import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regimecast.core.errors import ConfigError, DataError
from regimecast.labels import average_uniqueness, sequential_bootstrap


def probabilities(spans: list[range], drawn: list[int], n_bars: int) -> np.ndarray:
    """Of each label to be drawn next, from the definition alone."""
    count = [sum(t in spans[n] for n in drawn) for t in range(n_bars)]
    share = np.array([np.mean([1 / (1 + count[t]) for t in span]) for span in spans])
    return share / share.sum()


def test_the_books_example_of_the_reference():
    spans = [range(3), range(2, 4), range(4, 6)]
    np.testing.assert_allclose(probabilities(spans, [1], 6), [5 / 14, 3 / 14, 6 / 14])


@given(
    pairs=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12)), min_size=1, max_size=15),
    size=st.integers(0, 25),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=80, deadline=None)
def test_draws_equal_the_definition(pairs, size, seed):
    entries = np.array([a for a, _ in pairs])
    exits = np.array([a + n for a, n in pairs])
    spans = [range(a, b + 1) for a, b in zip(entries, exits, strict=True)]
    drawn: list[int] = []
    for uniform in np.random.default_rng(seed).random(size):
        until = np.cumsum(probabilities(spans, drawn, 43))
        drawn.append(min(int(np.searchsorted(until, uniform, side="right")), len(pairs) - 1))
    mine = sequential_bootstrap(entries, exits, 43, size=size, seed=seed)
    assert mine.tolist() == drawn


def test_draws_overlap_less_than_independent_ones():
    # Section 4.5.4: a Monte Carlo of both kinds of draws.
    rng = np.random.default_rng(1)
    entries = rng.integers(0, 100, 10)
    exits = entries + rng.integers(1, 5, 10)
    means = np.array(
        [
            [
                average_uniqueness(entries[some], exits[some], 105).mean()
                for some in (
                    sequential_bootstrap(entries, exits, 105, size=10, seed=seed),
                    rng.integers(0, 10, 10),
                )
            ]
            for seed in range(300)
        ]
    )
    assert means[:, 0].mean() > means[:, 1].mean() + 0.03


def test_a_seed_says_everything():
    entries = np.arange(200)
    draw = [
        sequential_bootstrap(entries, entries + 10, 210, size=50, seed=seed) for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(draw[0], draw[1])
    assert (draw[0] != draw[2]).any()


@pytest.mark.parametrize(
    ("entries", "exits", "size", "seed", "error", "message"),
    [
        ([0], [1], -1, 0, ConfigError, "size=-1"),
        ([0], [1], 1, -3, ConfigError, "seed=-3"),
        ([0], [9], 1, 0, DataError, "label 0 spans bars 0 to 9"),
        ([], [], 2, 0, DataError, "size=2 draws from no label"),
    ],
)
def test_wrong_input_is_named(entries, exits, size, seed, error, message):
    with pytest.raises(error, match=message):
        sequential_bootstrap(
            np.array(entries, dtype=np.int64),
            np.array(exits, dtype=np.int64),
            5,
            size=size,
            seed=seed,
        )
