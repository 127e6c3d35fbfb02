"""One division in time: train, then validation, then test."""

import math

from regimecast.core.errors import ConfigError
from regimecast.core.types import Samples
from regimecast.splits.base import Fold, SplitRegistry, Splitter
from regimecast.splits.parts import Cut, Timeline
from regimecast.splits.purging import PurgeRule

__all__ = ["Holdout"]


@SplitRegistry.register("holdout")
class Holdout(Splitter):
    """Train | gap | validation | gap | test, cut at shares of the distinct origin times.

    With n distinct origin times the validation part begins at position round(n * train) and the
    test part at round(n * (train + validation)). Gaps come out of the earlier part: with
    ``purge: auto`` each is as long as what a sample reads, context, look-back and label together.

    Args:
        train: share of the distinct origin times, in (0, 1).
        validation: the same; used for early stopping and calibration.
        test: the same; the three sum to 1.
        purge: ``auto`` for the interval rule, or a number of bars (see `PurgeRule`).
        embargo: extra distance: bars (int), time (``"5D"``) or a fraction of the whole span.

    Raises:
        ConfigError: shares are out of range or do not sum to 1, or purge or embargo is malformed.
    """

    def __init__(
        self,
        *,
        train: float,
        validation: float,
        test: float,
        purge: int | str,
        embargo: int | float | str,
    ) -> None:
        shares = {"train": train, "validation": validation, "test": test}
        for name, share in shares.items():
            if not 0 < share < 1:
                raise ConfigError(f"split.{name}={share!r} is not between 0 and 1")
        total = sum(shares.values())
        if not math.isclose(total, 1.0, abs_tol=1e-9):
            raise ConfigError(
                f"split.train + validation + test = {train} + {validation} + {test} = {total:g}; "
                "the three must sum to 1"
            )
        self._train = train
        self._validation = validation
        self._rule = PurgeRule.parse(purge, embargo)

    def check(self, *, label_bars: int) -> None:
        """Refuses a purge shorter than the label; see `Splitter.check`."""
        self._rule.check(label_bars=label_bars)

    def split(self, samples: Samples) -> list[Fold]:
        """The one fold.

        Raises:
            DataError: a part would be empty.
        """
        timeline = Timeline(samples)
        n = timeline.n_times
        cut = Cut(
            start=0,
            validation=round(n * self._train),
            test=round(n * (self._train + self._validation)),
            stop=n,
        )
        return [timeline.fold(cut, self._rule, label="split 'holdout'")]
