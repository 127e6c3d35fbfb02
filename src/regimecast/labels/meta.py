"""Meta-labels: whether following a given side would have paid.

López de Prado, Advances in Financial Machine Learning (2018), section 3.6. A primary model says the
side; a secondary model learns from these labels when to follow it.
"""

import numpy as np
from jaxtyping import Int

from regimecast.core.errors import DataError
from regimecast.labels.barriers import TripleBarrierLabels
from regimecast.labels.base import INCOMPLETE
from regimecast.labels.checks import Numbers, checked_cost, checked_numbers

__all__ = ["meta_labels"]


def meta_labels(
    side: Numbers, labels: TripleBarrierLabels, *, cost_bps: float = 0.0
) -> Int[np.ndarray, " M"]:
    """1 where following the side makes a profit after costs, else 0; int8.

    `INCOMPLETE` where the label is; otherwise known at the close of the label's exit. Side 0 is no
    trade and makes no profit. For a short entry the lower barrier takes the profit, so that widths
    of a profit and a stop have to change places: ``upper = where(side > 0, profit, stop)``.

    Args:
        side: 1 to buy, -1 to sell, 0 to stay out, one per label, known at its entry.
        labels: of the same entries.
        cost_bps: cost of a round trip in basis points that the returns of `labels` do not carry
            yet; 0 where `triple_barrier` was given the cost.

    Raises:
        DataError: the sides are not one per label, or not 1, 0 or -1.
        ConfigError: `cost_bps` is out of range.
    """
    cost_bps = checked_cost("cost_bps", cost_bps)
    side = checked_numbers("side", side)
    if len(side) != len(labels.label):
        raise DataError(f"side has {len(side)} values; labels: {len(labels.label)}")
    wrong = np.flatnonzero(~np.isin(side, (-1, 0, 1)))
    if len(wrong):
        raise DataError(f"side={side[wrong[0]]:g} at label {wrong[0]}; allowed: 1, 0 or -1")
    profit = side * labels.ret > cost_bps * 1e-4
    return np.where(labels.label == INCOMPLETE, INCOMPLETE, profit).astype(np.int8)
