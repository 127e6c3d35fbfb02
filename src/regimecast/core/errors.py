"""Errors that a user can cause. Each names the key, the value and what is allowed."""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "BusyError",
    "ConfigError",
    "DataError",
    "DiskFullError",
    "LeakageError",
    "Pruned",
    "RegimecastError",
    "SpecError",
    "TimeLimitError",
    "did_you_mean",
]


class RegimecastError(Exception):
    """Base of every error a user can cause; the command line shows its text and exits with 2."""


class ConfigError(RegimecastError, ValueError):
    """A config names something unknown, misses something or contradicts itself."""


class DataError(RegimecastError, ValueError):
    """The data cannot be used as they are: unreadable, empty, mis-typed or too short."""


class LeakageError(RegimecastError, ValueError):
    """A setting would let something after t reach a decision at t."""


class SpecError(RegimecastError, ValueError):
    """A model, a loss or a checkpoint does not fit the data it is given."""


class BusyError(RegimecastError):
    """Another process works on the same run; it can be looked at again when that has ended."""


class TimeLimitError(RegimecastError):
    """A job has taken longer than it may."""


class DiskFullError(OSError):
    """There is no room for what a run has to write; the run is interrupted, not wrong."""


class Pruned(Exception):  # noqa: N818  # an end, not an error
    """A job is told to stop because others promise more; what it has is kept."""


def did_you_mean(name: str, allowed: Iterable[str]) -> str:
    """``" Did you mean 'x'?"`` for the nearest allowed name, or an empty string."""
    matches = get_close_matches(name, list(allowed), n=1, cutoff=0.6)
    return f" Did you mean {matches[0]!r}?" if matches else ""
