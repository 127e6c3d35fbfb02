"""Checks of numbers that come from a config."""

from math import inf, isfinite

from regimecast.core.errors import ConfigError

__all__ = ["bounded", "whole"]


def bounded(key: str, value: object, *, low: float, high: float = inf) -> float:
    """The value as a float from `low` to `high`, both included.

    Raises:
        ConfigError: not a finite number, or out of range.
    """
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not (isfinite(value) and low <= value <= high)
    ):
        allowed = f"at least {low:g}" if high == inf else f"from {low:g} to {high:g}"
        raise ConfigError(f"{key}={value!r} must be a number {allowed}")
    return float(value)


def whole(key: str, value: object, *, low: int) -> int:
    """The value as a whole number of at least `low`.

    Raises:
        ConfigError: not a whole number, or too small.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ConfigError(f"{key}={value!r} must be a whole number of at least {low}")
    return value
