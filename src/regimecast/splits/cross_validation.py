"""Any splitter as scikit-learn's ``cv=``, over the intervals that samples read.

cv = as_cross_validator(splitter, samples)
cross_val_score(estimator, X, y, cv=cv)
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped

from regimecast.core.errors import SpecError
from regimecast.core.types import Samples
from regimecast.splits.base import Fold, Splitter

__all__ = ["CrossValidator", "as_cross_validator", "samples_between"]

Positions = Int[np.ndarray, " _"]
"""Rows of X, ascending; their number differs from fold to fold."""


class CrossValidator:
    """A splitter and the samples that the rows of X are, with the methods that scikit-learn calls.

    Training and validation part are both for training here, since no estimator of scikit-learn's
    asks for the latter. They are purged against each other all the same; ``validation=0``, where a
    splitter allows it, loses nothing between them.
    """

    def __init__(self, splitter: Splitter, samples: Samples) -> None:
        self.splitter = splitter
        self.samples = samples

    @cached_property
    def folds(self) -> list[Fold]:
        """The splitter's folds of the samples."""
        return self.splitter.split(self.samples)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:  # noqa: N803  # scikit-learn's names
        """Number of folds."""
        return len(self.folds)

    def split(
        self,
        X: Any,  # noqa: N803  # scikit-learn's name
        y: Any = None,
        groups: Any = None,
    ) -> Iterator[tuple[Positions, Positions]]:
        """Rows to train on and rows to test, fold by fold.

        Args:
            X: anything with a row per sample, in their order: an array or a table.
            y: not looked at.
            groups: not looked at: which samples belong together, their intervals say.

        Raises:
            SpecError: X has another number of rows than there are samples.
        """
        rows = X.shape[0] if hasattr(X, "shape") else len(X)
        if rows != len(self.samples):
            raise SpecError(
                f"X has {rows:,} rows and the cross-validator {len(self.samples):,} samples; row i "
                "of X has to be sample i"
            )
        for fold in self.folds:
            yield np.sort(np.concatenate([fold.train, fold.validation])), fold.test


def as_cross_validator(splitter: Splitter, samples: Samples) -> CrossValidator:
    """What scikit-learn takes as ``cv=``: the splitter's folds of these samples.

    Args:
        splitter: any of `SplitRegistry`.
        samples: row i is row i of X; see `samples_between` where there is no panel.
    """
    return CrossValidator(splitter, samples)


def samples_between(
    start: Shaped[np.ndarray, " N"],
    end: Shaped[np.ndarray, " N"],
    *,
    origin: Shaped[np.ndarray, " N"] | None = None,
    asset: Int[np.ndarray, " N"] | None = None,
) -> Samples:
    """Samples of the times that they read, for rows that come from no panel.

    Args:
        start: time of the first bar that each row's features read.
        end: time of the last bar that its label reads.
        origin: time at which it is known and forecast from; `start` where left out, which is right
            for features that are of one bar.
        asset: index of its asset; all of one where left out.

    Raises:
        SpecError: a row starts after its origin or ends before it.
    """
    times = [np.asarray(t).astype("datetime64[ns]") for t in (start, origin, end) if t is not None]
    first, known, last = times if len(times) == 3 else (times[0], times[0], times[1])
    wrong = np.flatnonzero(~((first <= known) & (known <= last)))
    if len(wrong):
        row = int(wrong[0])
        raise SpecError(
            f"row {row} reads from {first[row]} to {last[row]} and is forecast at {known[row]}; "
            "start <= origin <= end has to hold"
        )
    number = np.arange(len(first))
    of_asset = np.zeros(len(first), dtype=np.int64) if asset is None else asset
    return Samples(number, of_asset, known, first, last, number)
