"""Quantile levels as they may stand in a config."""

from collections.abc import Sequence
from itertools import pairwise

from regimecast.core.errors import ConfigError

__all__ = ["check_levels"]


def check_levels(levels: Sequence[float]) -> tuple[float, ...]:
    """The levels as floats.

    Raises:
        ConfigError: none, not strictly ascending, outside (0, 1), or all on one side of the median,
            which is the point forecast that errors, directions and positions are taken from.
    """
    checked = tuple(float(level) for level in levels)
    ascending = all(low < high for low, high in pairwise(checked))
    if not checked or not ascending or not 0 < checked[0] <= checked[-1] < 1:
        raise ConfigError(
            f"loss.levels={list(checked)} must be at least one quantile level inside (0, 1), "
            "in ascending order without repeats, such as [0.1, 0.5, 0.9]"
        )
    if not checked[0] <= 0.5 <= checked[-1]:
        raise ConfigError(
            f"loss.levels={list(checked)} must enclose the median, which is the point forecast. "
            "Allowed: a first level of at most 0.5 and a last of at least 0.5, such as "
            "[0.1, 0.5, 0.9]"
        )
    return checked
