"""A network's validation loss, reported as training goes."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from regimecast.training.progress import Reports

__all__ = ["ReportProgress"]


class ReportProgress(Callback):
    """Reports ``val/loss`` of every epoch that was validated.

    It is written down before a checkpoint is made at the end of the epoch, which therefore counts
    it, and told after: whoever is told finds the checkpoint of what was said.

    Args:
        reports: where to.
    """

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self._made: list[tuple[int, float]] = []
        self._validated = False

    def state_dict(self) -> dict[str, Any]:
        """Epochs and values of the reports so far, for a checkpoint."""
        return {"made": list(self._made), "validated": self._validated}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on after these reports; later ones of the attempt before are dropped."""
        self._made, self._validated = list(state_dict["made"]), state_dict["validated"]
        self._reports.restore(self._made)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remembers that this epoch was validated."""
        self._validated = not trainer.sanity_checking

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the report down; validation has run by now, if it runs in this epoch."""
        if self._validated:
            self._validated = False
            report = trainer.current_epoch, float(trainer.callback_metrics["val/loss"])
            self._made.append(report)
            if trainer.is_global_zero:
                self._reports.record(*report)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tells of the epoch before."""
        self._announce(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tells of the last epoch."""
        self._announce(trainer)

    def _announce(self, trainer: Trainer) -> None:
        if trainer.is_global_zero:
            self._reports.announce()
