"""What the command line says about an error, and the exit code."""

from collections.abc import Sequence

from regimecast.core.errors import DiskFullError, RegimecastError
from regimecast.core.hydra_errors import explain_hydra

__all__ = ["explain"]

_FAILED = 1
_MISUSED = 2


def explain(error: Exception, arguments: Sequence[str]) -> tuple[str, int]:
    """One message and the exit code: 2 for what the user wrote, 1 for everything else.

    Args:
        error: what was raised.
        arguments: of the command; they tell which keys there are.
    """
    if isinstance(error, RegimecastError):
        return str(error), _MISUSED
    if (message := explain_hydra(error, arguments)) is not None:
        return message, _MISUSED
    if isinstance(error, DiskFullError):
        return str(error), _FAILED
    if isinstance(error, OSError):
        return f"{type(error).__name__}: {error}", _FAILED
    return f"{type(error).__name__}: {error}\nRun again with --debug for the traceback.", _FAILED
