"""What a run will train, validate and test on, before it does."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from regimecast.core.types import Samples
from regimecast.splits.base import Fold

__all__ = ["PartRow", "preflight"]


@dataclass(frozen=True)
class PartRow:
    """One part of one fold, as a row of the pre-flight table."""

    fold: int
    part: str
    """``train``, ``validation`` or ``test``."""
    samples: int
    first: np.datetime64
    """Time of the first origin."""
    last: np.datetime64
    """Time of the last origin."""
    purged: int
    """Samples that the whole fold left out, on its training row; 0 on the others."""


def preflight(folds: Sequence[Fold], samples: Samples) -> list[PartRow]:
    """Three rows per fold, in order of time."""
    rows = []
    for number, fold in enumerate(folds):
        for part in ("train", "validation", "test"):
            origin = samples.origin[getattr(fold, part)]
            rows.append(
                PartRow(
                    fold=number,
                    part=part,
                    samples=len(origin),
                    first=origin.min(),
                    last=origin.max(),
                    purged=fold.purged if part == "train" else 0,
                )
            )
    return rows
