"""A part for calibration, carved out of a fold's validation part."""

from dataclasses import replace

import numpy as np

from regimecast.core.errors import DataError
from regimecast.core.types import Samples
from regimecast.splits.base import Fold
from regimecast.splits.parts import Timeline
from regimecast.splits.purging import PurgeRule
from regimecast.splits.spans import distinct, ticks

__all__ = ["carve"]


def carve(fold: Fold, samples: Samples, *, share: float, rule: PurgeRule) -> Fold:
    """The fold whose validation part ends earlier, and what it ended with as `Fold.calibration`.

    Early stopping picks the weights that do best on the validation part, so that errors there are
    smaller than they will be: what calibrates must have been seen by neither. Of the distinct
    origin times of the validation part the last `share` calibrate, and validation samples that read
    a bar of theirs are left out (``purge: auto``; a purge in bars is between the two as it is
    between all parts). Training and test were purged against the whole validation part by the
    splitter, on whatever side of it they lie, and so they are against its end.

    Args:
        fold: without a calibration part.
        samples: what the fold divides.
        share: in (0, 1).
        rule: how far apart parts must be.

    Raises:
        DataError: one of the two would be empty.
    """
    origin = ticks(samples.origin[fold.validation])
    times = distinct(np.sort(origin))
    first = len(times) - round(share * len(times))
    late = origin >= times[first] if first < len(times) else np.zeros(len(origin), dtype=bool)
    early, calibration = fold.validation[~late], fold.validation[late]
    timeline = Timeline(samples)
    validation = early[
        rule.keep(
            samples.take(early),
            samples.take(calibration),
            timeline.bars if rule.measures else timeline.times,
        )
    ]
    if not (len(validation) and len(calibration)):
        raise DataError(
            f"conformal.calibration={share:g} leaves a part without samples: of "
            f"{len(fold.validation):,} in the validation part {len(calibration):,} calibrate, "
            f"{len(early) - len(validation):,} before them read the same bars, and "
            f"{len(validation):,} are left for early stopping. Use a larger split.validation, "
            "another share, or a smaller context_length, feature look-back or horizon"
        )
    lost = len(early) - len(validation)
    return replace(
        fold,
        validation=validation,
        calibration=calibration,
        purged=fold.purged + lost,
        purged_validation=fold.purged_validation + lost,
    )
