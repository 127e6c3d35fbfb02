"""The training loss of every epoch, logged before other callbacks look at it."""

from lightning.pytorch import Callback, LightningModule, Trainer

from regimecast.training.module import ForecastModule

__all__ = ["EpochLoss"]


class EpochLoss(Callback):
    """Has the module log its mean loss; has to be the first callback.

    Lightning calls callbacks at the end of an epoch before it calls the module.
    """

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Logs ``train/loss``."""
        if isinstance(pl_module, ForecastModule):
            pl_module.log_training()
