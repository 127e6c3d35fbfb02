"""Purged k-fold: each of k stretches of time is tested once by a model of all the others."""

from regimecast.core.errors import ConfigError
from regimecast.core.types import Samples
from regimecast.splits.base import Fold, SplitRegistry, Splitter
from regimecast.splits.combinatorial_purged import MOST_FOLDS, CombinatorialPurged

__all__ = ["PurgedKFold"]


@SplitRegistry.register("purged_kfold")
class PurgedKFold(Splitter):
    """Test parts that follow one another through all of the data, training around each.

    `CombinatorialPurged` with one tested group: as many folds as groups, and one path. Lopez de
    Prado (2018), *Advances in Financial Machine Learning*, section 7.4.

    Args:
        folds: number of groups, at least 2.
        validation: tail of the training times, purged, that validates: bars, time or a share of
            them; 0 for none, as scikit-learn's cross-validation has it.
        purge: ``auto`` for the interval rule, or a number of bars (see `PurgeRule`).
        embargo: extra distance on both sides of each part: bars, time, or a fraction of the whole.

    Raises:
        ConfigError: a number is out of range.
    """

    chronological = False

    def __init__(
        self,
        *,
        folds: int,
        validation: int | float | str,
        purge: int | str,
        embargo: int | float | str,
    ) -> None:
        if not 2 <= folds <= MOST_FOLDS:
            raise ConfigError(f"split.folds={folds}; allowed: 2 to {MOST_FOLDS:,}")
        self._one_of_all = CombinatorialPurged(
            groups=folds, test_groups=1, validation=validation, purge=purge, embargo=embargo
        )

    def check(self, *, label_bars: int) -> None:
        """Refuses a purge shorter than the label, and training without validation."""
        self._one_of_all.check(label_bars=label_bars)

    def split(self, samples: Samples) -> list[Fold]:
        """Folds in order of the time that they test.

        Raises:
            DataError: there are fewer origin times than folds, or a part would be empty.
        """
        return self._one_of_all.split(samples)
