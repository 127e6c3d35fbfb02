"""Quantile levels as intervals, and quantiles in their order."""

import numpy as np
from jaxtyping import Float

from regimecast.core.errors import ConfigError

__all__ = ["Pair", "central", "intervals_of", "ordered", "with_interval"]

Pair = tuple[int, int, float]
"""Positions of the lower and the upper level, and the share of outcomes that may lie outside."""

_SAME = 1e-6
"""Levels that are closer are the same: 1 - 0.95 is not 0.05 to the last bit."""


def with_interval(levels: tuple[float, ...], level: float) -> tuple[float, ...]:
    """The levels, and those of the central interval `level` where there is only a point."""
    if len(levels) > 1:
        return levels
    share = round((1 - level) / 2, 12)
    return (share, 0.5, round(1 - share, 12))


def intervals_of(levels: tuple[float, ...], level: float) -> tuple[Pair, ...]:
    """Central intervals that the levels form, the widest first.

    Raises:
        ConfigError: a level has no mirror image, or `level` is none of the intervals.
    """
    at = np.asarray(levels)
    pairs: list[Pair] = []
    for low, lower in enumerate(levels):
        if abs(lower - 0.5) < _SAME:
            continue
        mirrored = np.flatnonzero(np.abs(at + lower - 1) < _SAME)
        if not len(mirrored):
            raise ConfigError(
                f"loss.levels={list(levels)}: {lower:g} has no partner {1 - lower:g}, so that no "
                "interval can be calibrated. Allowed with a conformal method: levels in pairs "
                "q and 1 - q, or conformal=none"
            )
        if lower < 0.5:
            pairs.append((low, int(mirrored[0]), 2 * lower))
    if not any(abs(1 - outside - level) < _SAME for *_, outside in pairs):
        known = ", ".join(f"{1 - outside:g}" for *_, outside in pairs)
        raise ConfigError(
            f"conformal.level={level:g} needs the levels {(1 - level) / 2:g} and "
            f"{(1 + level) / 2:g}, which loss.levels={list(levels)} do not have. "
            f"Allowed: {known or 'none of these levels forms an interval'}"
        )
    return tuple(pairs)


def central(levels: tuple[float, ...], level: float) -> tuple[int, int]:
    """Positions of the two levels of the central interval.

    Raises:
        ConfigError: the levels do not have it.
    """
    pairs = intervals_of(levels, level)
    return next((low, high) for low, high, left in pairs if abs(1 - left - level) < _SAME)


def ordered(
    values: Float[np.ndarray, "N H Q"], levels: tuple[float, ...], pairs: tuple[Pair, ...]
) -> Float[np.ndarray, "N H Q"]:
    """Quantiles that ascend with their level, changed in place.

    Each interval is widened to hold the narrower ones and the median, so that none covers less than
    before. Without a median, bounds of the narrowest interval that crossed meet in their middle.
    """
    if not pairs:
        return values
    low, high, _ = pairs[-1]
    if high - low == 1:
        crossed = values[:, :, low] > values[:, :, high]
        middle = (values[:, :, low] + values[:, :, high]) / 2
        for end in (low, high):
            values[:, :, end] = np.where(crossed, middle, values[:, :, end])
    inner = (len(levels) - 1) // 2, len(levels) // 2
    lower, upper = values[:, :, : inner[0] + 1], values[:, :, inner[1] :]
    lower[:] = np.minimum.accumulate(lower[:, :, ::-1], axis=2)[:, :, ::-1]
    upper[:] = np.maximum.accumulate(upper, axis=2)
    return values
