"""What a model that learns in rounds, part after part, says on the way."""

from math import ceil, inf

import numpy as np

from regimecast.training.progress import Reports

__all__ = ["Rounds"]

_REPORTS = 40
"""Reports of a fold, about: as many as a network has epochs, or twice. Each costs a round trip to
whoever watches, which takes longer than a round."""


class Rounds:
    """Reports of a fold's parts (a step's booster, say), which are trained one after another.

    A part makes the same number of reports in every model with the same number of parts and rounds,
    and repeats its last one where it stops early: so the same report is the same place in all of
    them. The objective is the mean over the parts so far of each one's best value; one without
    validation rows counts for nothing.

    Args:
        reports: where to; None is nowhere.
        parts: how many are trained.
        rounds: most rounds of each.
    """

    def __init__(self, reports: Reports | None, *, parts: int, rounds: int) -> None:
        self._reports = reports
        self._of_part = max(1, _REPORTS // parts)
        self._every = ceil(rounds / self._of_part)
        self._finished: list[float] = []
        self._value: float
        self._best: float
        self._begin()

    def heard(self, value: float) -> None:
        """Takes a round's validation objective.

        Raises:
            Pruned: training shall not go on.
        """
        self._round += 1
        self._value = value
        self._best = min(self._best, value)
        if self._round % self._every == 0:
            self._report()

    def finish(self) -> None:
        """Ends a part.

        Raises:
            Pruned: training shall not go on.
        """
        if self._round:
            while self._made < self._of_part:
                self._report()
            self._finished.append(self._best)
        self._begin()

    def _begin(self) -> None:
        self._round = self._made = 0
        self._value = self._best = inf

    def _report(self) -> None:
        self._made += 1
        if self._reports is not None:
            value, best = (self._mean(part) for part in (self._value, self._best))
            self._reports.record(self._round - 1, value, best)
            self._reports.announce()

    def _mean(self, value: float) -> float:
        values = [*self._finished, value]
        return float(np.mean(values))
