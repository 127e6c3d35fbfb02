"""The bars that a search may read."""

import numpy as np

from regimecast.core.errors import ConfigError
from regimecast.core.types import Interval, Samples
from regimecast.data.market import MarketData
from regimecast.splits.base import Splitter

__all__ = ["check_chronological", "training_interval"]


def training_interval(splitter: Splitter, market: MarketData, *, horizon: int) -> Interval:
    """Training interval of the first fold, were every label to reach its longest deadline.

    The interval follows from the times of bars alone and not from their prices, so that what comes
    after it cannot move its end. Later folds train on more, and test later.

    Args:
        splitter: what divides the samples.
        market: bars, features and target as configured.
        horizon: the longest deadline of the search, in bars.

    Raises:
        ConfigError: the split tests on bars before its training ends.
        DataError: a part of the fold would be empty.
        LeakageError: the split's purge is shorter than the deadline.
    """
    check_chronological(splitter)
    horizon = max(horizon, market.target_rule.label_bars)
    splitter.check(label_bars=horizon)
    samples = market.samples(complete=True)
    samples = samples.take(np.flatnonzero(samples.row + horizon <= market.last_row[samples.row]))
    deadline = samples.row + horizon
    samples = Samples(
        row=samples.row,
        asset=samples.asset,
        origin=samples.origin,
        start=samples.start,
        end=market.bars.time[deadline],
        end_row=deadline,
    )
    interval = splitter.split(samples)[0].train_interval
    assert isinstance(interval, Interval)  # as of every chronological split
    return interval


def check_chronological(splitter: Splitter) -> None:
    """Nothing, if what is found on the first fold's training part may be used by every fold.

    Raises:
        ConfigError: the split tests on bars before its training ends.
    """
    if not splitter.chronological:
        raise ConfigError(
            f"split={splitter.name} tests on bars that the first fold trains on, and barriers are "
            "sought there once for all folds; allowed: a split in order of time, such as "
            "split=holdout or split=walk_forward, or in a pipeline search=null"
        )
