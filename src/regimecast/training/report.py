"""What a training run tells about itself."""

from dataclasses import dataclass, field

__all__ = ["FitReport"]


@dataclass(frozen=True)
class FitReport:
    """What training did; goes into ``metrics.json``."""

    seconds: float
    """Of all attempts, without what a kill has cost them."""
    epochs: int = 0
    """Epochs or boosting rounds run; 0 where there are none."""
    best_epoch: int | None = None
    best_score: float | None = None
    """Validation objective at the best checkpoint, which is the one kept."""
    parameters: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    """One row per epoch: ``epoch``, ``train/loss``, ``val/loss`` and what else was logged."""
    unused: tuple[str, ...] = ()
    """Channels that the model cannot use."""
    compiled: bool = False
    """Whether training steps ran compiled."""
