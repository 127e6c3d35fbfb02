"""What a series must be like before anything is said about its significance."""

import numpy as np
from jaxtyping import Bool, Float

from regimecast.core.errors import SpecError

__all__ = [
    "NOT_TESTABLE",
    "NotTestableError",
    "check_episodes",
    "check_testable",
    "spells",
    "varies",
]

NOT_TESTABLE = "not testable"
"""Stands in files and tables where a number would say more than the data do."""

_FEWEST_TIMES = 32
"""Below this the long-run variance of `diebold_mariano` rests on fewer than four averages."""
_FEWEST_HORIZONS = 10
"""Forecasts of h steps overlap over h origins, so that n of them are worth about n / h."""
_LEAST_GAP = 5
_FEWEST_EPISODES = 5
_ROUNDING = 1e-12
"""Variation below this share of the values' size comes from rounding."""


class NotTestableError(SpecError):
    """The data do not allow a test or an interval; the message says why."""


def check_testable(series: Float[np.ndarray, "T *K"], *, horizon: int) -> None:
    """Nothing, if a test or an interval over these times means something.

    Args:
        series: one value per time and column, in time order.
        horizon: times over which neighbours overlap, 1 for none.

    Raises:
        NotTestableError: fewer than 32 times or than 10 horizons, values that are not finite, or
            none that varies.
        SpecError: a horizon below 1.
    """
    if horizon < 1:
        raise SpecError(f"horizon={horizon}; allowed: 1 or more")
    least = max(_FEWEST_TIMES, _FEWEST_HORIZONS * horizon)
    if len(series) < least:
        raise NotTestableError(
            f"{len(series)} times; at least {least} are needed for a horizon of {horizon}"
        )
    if not np.isfinite(series).all():
        raise NotTestableError("a value is NaN or infinite")
    if not varies(series).any():
        raise NotTestableError("all values are equal")


def varies(series: Float[np.ndarray, "T *K"]) -> Bool[np.ndarray, " *K"]:
    """Whether each column varies by more than rounding does."""
    size = np.abs(series).max(axis=0)
    spread: Bool[np.ndarray, " *K"] = np.asarray(np.ptp(series, axis=0) > _ROUNDING * size)
    return spread


def check_episodes(marked: Bool[np.ndarray, " T"], *, horizon: int) -> None:
    """Nothing, if the marked times are of five episodes or more (`spells`).

    What is said of a regime generalises from its episodes, of which bars are no independent sample:
    where episodes differ much from one another, intervals are still too narrow.

    Raises:
        NotTestableError: they are of fewer.
    """
    found = spells(marked, horizon=horizon)
    if found < _FEWEST_EPISODES:
        counted = {0: "no episode", 1: "one episode"}.get(found, f"{found} episodes")
        raise NotTestableError(f"{counted}; at least {_FEWEST_EPISODES} are needed")


def spells(marked: Bool[np.ndarray, " T"], *, horizon: int) -> int:
    """Episodes that marked times form.

    Spells count as one episode where fewer than `horizon` times lie between them, so that their
    outcomes overlap, or fewer than 5, so that a regime that flickers for some days is one event.

    Args:
        marked: per time of a calendar, in order.
        horizon: times over which neighbours overlap.
    """
    between = np.diff(np.flatnonzero(marked)) - 1
    return int(marked.any()) + int((between >= max(horizon, _LEAST_GAP)).sum())
