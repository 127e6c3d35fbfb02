"""Sequential bootstrap: draws that prefer labels which overlap little with those drawn before.

López de Prado, Advances in Financial Machine Learning (2018), section 4.5.
"""

from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float, Int

from regimecast.core.errors import DataError
from regimecast.data.overlap import checked_spans
from regimecast.labels.checks import Numbers, checked_bars, checked_count

__all__ = ["sequential_bootstrap"]


def sequential_bootstrap(
    entries: Numbers,
    exits: Numbers,
    n_bars: int,
    *,
    size: int,
    seed: int,
) -> Int[np.ndarray, " S"]:
    """Positions of drawn labels in the order of the draws, repeats possible.

    Each draw takes a label with a probability in proportion to the average uniqueness that it
    would have among the labels drawn so far and itself; the first draw is uniform. A draw costs
    one addition per label and one sum over the span of every label that overlaps the drawn one.

    Args:
        entries: bar of each label's entry, in any order.
        exits: last bar that each label reads, not before its entry.
        n_bars: bars of the series.
        size: draws; the book takes as many as there are labels.
        seed: of the draws.

    Raises:
        DataError: a span ends before it starts or is not within the bars, or there is no label.
        ConfigError: `size` or `seed` is negative.
    """
    size = checked_count("size", size, least=0, unit="draws")
    seed = checked_count("seed", seed, least=0, unit="any kind")
    n_bars = checked_count("n_bars", n_bars, least=0)
    first, last = checked_spans(
        checked_bars("entries", entries), checked_bars("exits", exits), n_bars
    )
    if size and not len(first):
        raise DataError(f"size={size} draws from no label")
    order = np.argsort(first, kind="stable")
    uniform = np.random.default_rng(seed).random(size)
    return _draw(first, last, order, n_bars, uniform)


@numba.njit(cache=True)
@no_type_check  # numba cannot compile the wrapper of the tests' runtime checker
def _draw(
    first: Int[np.ndarray, " N"],
    last: Int[np.ndarray, " N"],
    order: Int[np.ndarray, " N"],
    n_bars: int,
    uniform: Float[np.ndarray, " S"],
) -> Int[np.ndarray, " S"]:
    count = len(first)
    started = first[order]
    longest = 0
    for n in range(count):
        longest = max(longest, last[n] - first[n])
    drawn_at = np.zeros(n_bars, dtype=np.int64)
    uniqueness = np.ones(count)
    drawn = np.empty(len(uniform), dtype=np.int64)
    for draw in range(len(uniform)):
        total = 0.0
        for n in range(count):
            total += uniqueness[n]
        goal = uniform[draw] * total
        below = 0.0
        chosen = -1
        while chosen < count - 1 and below <= goal:
            chosen += 1
            below += uniqueness[chosen]
        drawn[draw] = chosen
        for t in range(first[chosen], last[chosen] + 1):
            drawn_at[t] += 1
        # Only labels that share a bar with the chosen one change: they start neither after its
        # last bar nor more than the longest span before its first.
        here = np.searchsorted(started, first[chosen] - longest)
        while here < count and started[here] <= last[chosen]:
            n = order[here]
            here += 1
            if last[n] < first[chosen]:
                continue
            share = 0.0
            for t in range(first[n], last[n] + 1):
                share += 1.0 / (1.0 + drawn_at[t])
            uniqueness[n] = share / (last[n] - first[n] + 1)
    return drawn
