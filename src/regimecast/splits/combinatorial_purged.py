"""Combinatorial purged cross-validation: every choice of groups of time tests once."""

from itertools import combinations
from math import comb

import numpy as np

from regimecast.core.errors import ConfigError, DataError
from regimecast.core.types import Samples
from regimecast.splits.around import Around
from regimecast.splits.base import Fold, SplitRegistry
from regimecast.splits.parts import Timeline

__all__ = ["MOST_FOLDS", "CombinatorialPurged"]

MOST_FOLDS = 1_000


@SplitRegistry.register("combinatorial_purged")
class CombinatorialPurged(Around):
    """One fold for every choice of k of N groups: those test, the others train around them.

    The distinct origin times of all assets together are cut into N groups in a row, equal but for
    the first ones, which take what the division leaves. Each origin is tested by C(N - 1, k - 1)
    folds, so that their forecasts make that many paths through all of the data
    (`regimecast.evaluation.paths`): with N = 6 and k = 2, 15 folds and 5 paths. Lopez de Prado
    (2018), *Advances in Financial Machine Learning*, section 12.4.

    Training goes on before and after a tested group, so it learns from its future too: this asks
    how a model does on many stretches of history, not what trading it would have earned. What is
    fitted reads no bar of another part. The regime of a training sample does, where it lies after
    one: known at the origin from bars before it, it weighs the sample and is no input of a model.

    Args:
        groups: N, at least 2.
        test_groups: k, from 1 to N - 1.
        validation: tail of the training times, purged, that validates: bars, time or a share of
            them; 0 for none, as scikit-learn's cross-validation has it.
        purge: ``auto`` for the interval rule, or a number of bars (see `PurgeRule`).
        embargo: extra distance on both sides of each part: bars, time, or a fraction of the whole.

    Raises:
        ConfigError: a number is out of range, or there are more than 1,000 folds.
    """

    def __init__(
        self,
        *,
        groups: int,
        test_groups: int,
        validation: int | float | str,
        purge: int | str,
        embargo: int | float | str,
    ) -> None:
        if groups < 2:
            raise ConfigError(f"split.groups={groups}; allowed: 2 or more")
        if not 1 <= test_groups < groups:
            raise ConfigError(f"split.test_groups={test_groups}; allowed: 1 to {groups - 1}")
        if comb(groups, test_groups) > MOST_FOLDS:
            raise ConfigError(
                f"split.groups={groups} and split.test_groups={test_groups} make "
                f"{comb(groups, test_groups):,} folds, each a model to train; "
                f"at most {MOST_FOLDS:,}"
            )
        self._groups = groups
        self._test_groups = test_groups
        super().__init__(validation=validation, purge=purge, embargo=embargo)

    def split(self, samples: Samples) -> list[Fold]:
        """Folds in the order of the groups they test: (0, 1), (0, 2), ...

        Raises:
            DataError: there are fewer origin times than groups, or a part would be empty.
        """
        timeline = Timeline(samples)
        if timeline.n_times < self._groups:
            raise DataError(
                f"split {self.name!r}: {timeline.n_times} distinct origin times cannot make "
                f"{self._groups} groups"
            )
        parts = np.array_split(np.arange(timeline.n_times), self._groups)
        folds = []
        for chosen in combinations(range(self._groups), self._test_groups):
            tested = np.zeros(timeline.n_times, dtype=bool)
            for group in chosen:
                tested[parts[group]] = True
            label = f"split {self.name!r}, fold that tests {_named(chosen)} of {self._groups},"
            folds.append(timeline.around(tested, self._validation, self._rule, label=label))
        return folds


def _named(groups: tuple[int, ...]) -> str:
    return f"group{'s' if len(groups) > 1 else ''} {', '.join(str(g + 1) for g in groups)}"
