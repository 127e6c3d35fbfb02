"""What splits share that train before and after what they test."""

from typing import ClassVar

from regimecast.splits.base import Splitter
from regimecast.splits.parts import require_validation
from regimecast.splits.purging import PurgeRule
from regimecast.splits.spans import Span

__all__ = ["Around"]


class Around(Splitter):
    """Folds whose training goes on around the test part; they differ in what they test.

    Args:
        validation: tail of the training times, purged, that validates: bars, time or a share of
            them; 0 for none, as scikit-learn's cross-validation has it.
        purge: ``auto`` for the interval rule, or a number of bars (see `PurgeRule`).
        embargo: extra distance on both sides of each part: bars, time, or a fraction of the whole.
    """

    chronological: ClassVar[bool] = False

    def __init__(
        self, *, validation: int | float | str, purge: int | str, embargo: int | float | str
    ) -> None:
        self._validation = Span.parse(validation, key="split.validation")
        self._rule = PurgeRule.parse(purge, embargo)

    def check(self, *, label_bars: int) -> None:
        """Refuses a purge shorter than the label, and training without validation."""
        self._rule.check(label_bars=label_bars)
        require_validation(self._validation)
