"""How much labels overlap: concurrency at a bar and average uniqueness of a label.

López de Prado, Advances in Financial Machine Learning (2018), sections 4.3 and 4.4. One definition
for sample weights, the sequential bootstrap and the `uniqueness` weighting. A label spans the bars
from its entry to its exit, both included, as in the book's snippets 4.1 and 4.2.
"""

from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float, Int

from regimecast.core.errors import DataError

__all__ = ["average_uniqueness", "checked_spans", "concurrency"]

# `no_type_check` keeps the tests' runtime checker off the kernels: numba compiles the plain
# function and cannot compile a wrapped one.


def concurrency(
    entries: Int[np.ndarray, " N"], exits: Int[np.ndarray, " Ne"], n_bars: int
) -> Int[np.ndarray, " T"]:
    """Number of labels whose span includes each bar.

    Args:
        entries: bar of each label's entry, in any order.
        exits: last bar that each label reads, not before its entry.
        n_bars: T.

    Raises:
        DataError: a span ends before it starts or is not within the bars.
    """
    return _concurrency(*checked_spans(entries, exits, n_bars), int(n_bars))


def average_uniqueness(
    entries: Int[np.ndarray, " N"], exits: Int[np.ndarray, " Ne"], n_bars: int
) -> Float[np.ndarray, " N"]:
    """Mean of 1 / concurrency over the span of each label, in (0, 1].

    Known once the last label that overlaps it has ended. Each span is summed anew, so that no
    rounding error of the bars before it remains. Arguments and errors as in `concurrency`.
    """
    first, last = checked_spans(entries, exits, n_bars)
    return _mean_share(first, last, _concurrency(first, last, int(n_bars)))


def checked_spans(
    entries: Int[np.ndarray, " N"], exits: Int[np.ndarray, " Ne"], n_bars: int
) -> tuple[Int[np.ndarray, " N"], Int[np.ndarray, " N"]]:
    """Entries and exits as int64.

    Raises:
        DataError: their numbers differ, or a span ends before it starts or is not within the bars.
    """
    if len(entries) != len(exits):
        raise DataError(f"exits has {len(exits)} labels, entries has {len(entries)}")
    wrong = np.flatnonzero((entries < 0) | (exits < entries) | (exits >= n_bars))
    if len(wrong):
        label = wrong[0]
        raise DataError(
            f"label {label} spans bars {entries[label]} to {exits[label]} ({len(wrong)} such "
            f"labels); allowed: 0 to {n_bars - 1}, exit not before entry, incomplete labels left "
            "out"
        )
    return (
        np.ascontiguousarray(entries, dtype=np.int64),
        np.ascontiguousarray(exits, dtype=np.int64),
    )


@numba.njit(cache=True)
@no_type_check
def _concurrency(
    first: Int[np.ndarray, " N"], last: Int[np.ndarray, " N"], n_bars: int
) -> Int[np.ndarray, " T"]:
    change = np.zeros(n_bars + 1, dtype=np.int64)
    for n in range(len(first)):
        change[first[n]] += 1
        change[last[n] + 1] -= 1
    return np.cumsum(change)[:n_bars]


@numba.njit(cache=True)
@no_type_check
def _mean_share(
    first: Int[np.ndarray, " N"], last: Int[np.ndarray, " N"], count: Int[np.ndarray, " T"]
) -> Float[np.ndarray, " N"]:
    mean = np.empty(len(first))
    for n in range(len(first)):
        total = 0.0
        for t in range(first[n], last[n] + 1):
            total += 1.0 / count[t]
        mean[n] = total / (last[n] - first[n] + 1)
    return mean
