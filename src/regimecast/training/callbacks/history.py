"""The numbers of every epoch, kept for the report of the fit."""

from lightning.pytorch import Callback, LightningModule, Trainer

__all__ = ["History"]


class History(Callback):
    """Collects one row per epoch: ``epoch`` (from 0) and every metric that was logged."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Adds the row; validation has run by now."""
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.rows.append({"epoch": float(trainer.current_epoch), **metrics})
