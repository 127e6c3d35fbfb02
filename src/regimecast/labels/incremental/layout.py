"""How rows are dealt out to files, so that an update writes little and a reader opens few.

An ordinary update writes the last file alone, which holds at most `SEAL` finished rows. Once it
holds more, those are closed, together with the closed files before it that are not larger: the
number of files grows with the logarithm of the rows, up to files of `PIECE` rows, which stay.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

__all__ = ["PIECE", "SEAL", "closed_pieces", "n_staying"]

SEAL = 3_072
"""Finished rows at which the last file is closed: two days of minutes and some."""
PIECE = 65_536
"""Most rows of a closed file: what has left a window is deleted by whole files."""


def closed_pieces(finished: int) -> list[tuple[int, int]]:
    """First row and end of each file to close, where this many rows are finished."""
    if finished < SEAL:
        return []
    bounds = np.linspace(0, finished, -(-finished // PIECE) + 1).astype(int)
    return list(pairwise(bounds.tolist()))


def n_staying(sizes: Sequence[int], keep: int, finished: int) -> int:
    """How many files stay as they are, where finished rows follow the first `keep` of them.

    Args:
        sizes: rows of each file.
        keep: files that need not change.
        finished: finished rows after them.
    """
    if finished < SEAL:
        return keep
    while keep > 0 and sizes[keep - 1] <= min(finished, PIECE - finished):
        keep -= 1
        finished += sizes[keep]
    return keep
