"""A Lightning logger for a process that has no tracker of its own."""

from collections.abc import Callable
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only
from typing_extensions import override

__all__ = ["Relay"]


class Relay(Logger):
    """Hands metrics on; loggers hold open files and connections, which stay where they are.

    Args:
        tell: takes ``(metrics, step)``.
    """

    def __init__(self, tell: Callable[[Any], None]) -> None:
        super().__init__()
        self._tell = tell

    @property
    @override
    def name(self) -> str:
        return "relay"

    @property
    @override
    def version(self) -> int:
        return 0

    @override
    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self._tell((metrics, step))

    @override
    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: the loggers at the other end belong to a run that holds its config already."""
