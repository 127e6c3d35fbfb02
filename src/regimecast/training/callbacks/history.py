"""The numbers of every epoch, kept for the report of the fit."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

__all__ = ["History"]


class History(Callback):
    """Collects one row per epoch: ``epoch`` (from 0) and every metric that was logged in it."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self._validated = False

    def state_dict(self) -> dict[str, Any]:
        """Rows so far, for a checkpoint."""
        return {"rows": self.rows, "validated": self._validated}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on after these rows."""
        self.rows, self._validated = state_dict["rows"], state_dict["validated"]

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remembers that this epoch was validated."""
        self._validated = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Adds the row; validation has run by now, if it runs in this epoch."""
        self.rows.append(
            {"epoch": float(trainer.current_epoch)}
            | {
                name: float(value)
                for name, value in trainer.callback_metrics.items()
                # Lightning keeps the numbers of the last validation until the next.
                if self._validated or not name.startswith("val/")
            }
        )
        self._validated = False
