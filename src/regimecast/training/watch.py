"""What training tells whoever watches it: the validation objective, as it comes.

    class Printer:
        def report(self, progress: Progress) -> None:
            print(progress.step, progress.objective)

    execute(config, watch=Printer())

Every model speaks through it: a network after each epoch that was validated, boosted trees every
few rounds, what trains in one go at its end. The numbers are those of ``progress.csv``.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

__all__ = ["Progress", "Watch"]


@dataclass(frozen=True)
class Progress:
    """How far a run is and how well it does, on validation data only."""

    step: int
    """1, 2, 3, ... through all folds."""
    fold: int
    """From 0."""
    epoch: int
    """From 0, or the boosting round."""
    objective: float
    """Mean over the folds so far of each one's best value so far; lower is better. What its last
    report says is the run's ``metrics.json["validation"]["val/loss"]``."""
    current: float
    """This epoch's own value."""


@runtime_checkable
class Watch(Protocol):
    """Who is told, and may stop the run."""

    def report(self, progress: Progress) -> None:
        """Returns when training may go on.

        Raises:
            Pruned: it shall not.
        """
