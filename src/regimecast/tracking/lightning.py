"""A Lightning logger that hands training metrics to a tracker."""

from typing import Any

from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from regimecast.tracking.base import Tracker

__all__ = ["TrackerLogger"]


class TrackerLogger(Logger):
    """Epoch metrics of one fold, named ``fold=0/train/loss`` and so on.

    Args:
        tracker: where they go.
        fold: number of the fold.
    """

    def __init__(self, tracker: Tracker, *, fold: int) -> None:
        super().__init__()
        self._tracker = tracker
        self._fold = fold

    @property
    def name(self) -> str:
        """Name of the tracker."""
        return self._tracker.name

    @property
    def version(self) -> int:
        """Number of the fold."""
        return self._fold

    @property
    def place(self) -> int | None:
        """How far the tracker's log has come, see `Tracker.place`."""
        return self._tracker.place

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Numbers of one epoch."""
        epoch = metrics.get("epoch", step)
        self._tracker.log_metrics(
            {f"fold={self._fold}/{k}": float(v) for k, v in metrics.items() if k != "epoch"},
            step=None if epoch is None else int(epoch),
        )

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: the tracker holds the whole config already."""
