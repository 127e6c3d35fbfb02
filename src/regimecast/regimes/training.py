"""Per-asset training rows of labellers that estimate something, and the returns they use."""

import logging
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from regimecast.core.errors import DataError, LeakageError, SpecError
from regimecast.core.types import TrainingTime
from regimecast.data.panel import Panel

__all__ = ["inside", "require_fit", "require_some"]

_log = logging.getLogger(__name__)


def inside(panel: Panel, interval: TrainingTime, *, lookback: int = 0) -> Bool[np.ndarray, " R"]:
    """True for rows whose values may be learnt from; see `Interval.teaches`.

    Args:
        panel: bars.
        interval: of training.
        lookback: bars before its own that a row's value reads.
    """
    return interval.teaches(panel.earlier(lookback), panel.time)


def require_some(
    unfitted: Sequence[str], panel: Panel, minimum: int, interval: TrainingTime
) -> None:
    """Warns of assets that have too little history to be fitted.

    Raises:
        DataError: no asset has enough.
    """
    where = f"returns in {interval.start} to {interval.end}"
    if len(unfitted) == panel.n_assets:
        raise DataError(
            f"no asset has regime.minimum={minimum} {where}. Use more bars, a larger training "
            "part or a smaller minimum"
        )
    if unfitted:
        _log.warning(
            "regimes of %d of %d assets stay unknown, fewer than %d %s: %s",
            len(unfitted),
            panel.n_assets,
            minimum,
            where,
            ", ".join(unfitted[:10]) + (" ..." if len(unfitted) > 10 else ""),
        )


def require_fit(interval: TrainingTime | None, panel: Panel, name: str) -> TrainingTime:
    """The interval a labeller was fitted on, checked against the data it shall label.

    Raises:
        SpecError: it was not fitted.
        LeakageError: every bar lies before the interval, so that the parameters are from its
            future.
    """
    if interval is None:
        raise SpecError(f"regime {name!r} was not fitted: call fit before label")
    if panel.n_rows and panel.time.max() < interval.first_use:
        raise LeakageError(
            f"regime {name!r} was fitted on {interval.start} to {interval.end} and cannot label "
            f"bars that end at {panel.time.max()}, before that"
        )
    return interval
