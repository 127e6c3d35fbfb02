"""Sample weights from returns and from age.

López de Prado, Advances in Financial Machine Learning (2018), sections 4.6 and 4.7.
"""

from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float, Int

from regimecast.core.errors import ConfigError, DataError
from regimecast.data.overlap import checked_spans, concurrency
from regimecast.labels.checks import Numbers, checked_bars, checked_numbers, is_real

__all__ = ["return_attribution", "time_decay"]


def return_attribution(
    entries: Numbers,
    exits: Numbers,
    log_returns: Numbers,
) -> Float[np.ndarray, " N"]:
    """Weight of each label by the return that is its own, with a sum of N.

    The weight is in proportion to the absolute sum, over the bars of the label's span, of the log
    return divided by the concurrency (snippet 4.10). As in the book the span includes the entry's
    bar, whose return was made before the entry. Known once the last label that overlaps has ended.

    Args:
        entries: bar of each label's entry, in any order.
        exits: last bar that each label reads, not before its entry.
        log_returns: log return from the bar before to each bar; a missing first one counts as 0,
            for no bar precedes it.

    Raises:
        DataError: a span ends before it starts or is not within the bars, a return within a span
            is missing, or no label has a return.
    """
    returns = checked_numbers("log_returns", log_returns).copy()
    first, last = checked_spans(
        checked_bars("entries", entries), checked_bars("exits", exits), len(returns)
    )
    if not len(first):
        return np.zeros(0)
    if np.isnan(returns[0]):
        returns[0] = 0.0
    count = concurrency(first, last, len(returns))
    wrong = np.flatnonzero(~np.isfinite(returns) & (count > 0))
    if len(wrong):
        raise DataError(
            f"log_returns={returns[wrong[0]]} at bar {wrong[0]} ({len(wrong)} such bars within "
            "labels)"
        )
    weight = _own_return(first, last, count, returns)
    if not weight.sum() > 0:
        raise DataError("no label has a return: prices stand still within every span")
    return weight * (len(weight) / weight.sum())


def time_decay(uniqueness: Numbers, last_weight: float) -> Float[np.ndarray, " N"]:
    """Weight of each label by age, 1 for the newest, on a line over cumulative uniqueness.

    Age counts in uniqueness instead of time, so that labels which repeat each other do not age
    faster (snippet 4.11).

    Args:
        uniqueness: average uniqueness of each label, oldest first, positive.
        last_weight: where the line starts, just before the oldest label: 1 for no decay, 0 for a
            decay to nothing; -c, with c below 1, gives weight 0 to the oldest share c.

    Raises:
        DataError: a uniqueness is missing or not positive.
        ConfigError: `last_weight` is out of range.
    """
    if not is_real(last_weight) or not -1.0 < last_weight <= 1.0:
        raise ConfigError(f"last_weight={last_weight!r}; allowed: above -1, at most 1")
    uniqueness = checked_numbers("uniqueness", uniqueness)
    wrong = np.flatnonzero(~(np.isfinite(uniqueness) & (uniqueness > 0)))
    if len(wrong):
        raise DataError(f"uniqueness={uniqueness[wrong[0]]} at label {wrong[0]}; allowed: above 0")
    if not len(uniqueness):
        return np.zeros(0)
    age = np.cumsum(uniqueness, dtype=np.float64)
    age /= age[-1]
    slope = 1.0 - last_weight if last_weight >= 0 else 1.0 / (1.0 + last_weight)
    return np.maximum(1.0 - slope * (1.0 - age), 0.0)


@numba.njit(cache=True)
@no_type_check  # numba cannot compile the wrapper of the tests' runtime checker
def _own_return(
    first: Int[np.ndarray, " N"],
    last: Int[np.ndarray, " N"],
    count: Int[np.ndarray, " T"],
    returns: Float[np.ndarray, " T"],
) -> Float[np.ndarray, " N"]:
    weight = np.empty(len(first))
    for n in range(len(first)):
        total = 0.0
        for t in range(first[n], last[n] + 1):
            total += returns[t] / count[t]
        weight[n] = abs(total)
    return weight
