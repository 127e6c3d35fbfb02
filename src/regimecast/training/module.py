"""The one Lightning module: it trains any network with any loss."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import LRSchedulerConfigType, OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer

from regimecast.core.batch import Batch
from regimecast.core.stopping import stop_if_asked
from regimecast.losses.base import Loss
from regimecast.losses.regime_weighted import RegimeWeightedLoss
from regimecast.training.epoch_mean import EpochMean

__all__ = ["METRICS", "ForecastModule", "Schedule"]

METRICS: tuple[str, ...] = ("train/loss", "val/loss")
"""Everything the module logs, hence everything a callback can monitor."""

_LENGTHS = ("T_max", "total_steps")
"""Scheduler parameters that mean the length of training; null stands for the trainer's own."""


@dataclass(frozen=True)
class Schedule:
    """A learning-rate schedule and when Lightning advances it."""

    make: partial[Any]
    """Scheduler of an optimizer; a length of training left open is None among its arguments."""
    interval: str
    """``epoch`` or ``step``."""
    frequency: int
    """Advance every so many intervals."""
    monitor: str | None
    """Metric that a plateau schedule watches."""

    @property
    def open_lengths(self) -> list[str]:
        """Its parameters that wait for the length of training."""
        return [name for name in _LENGTHS if self.make.keywords.get(name, name) is None]


class ForecastModule(LightningModule):
    """Trains a network; logs ``train/loss`` and ``val/loss``, exact means over the epoch.

    Args:
        network: maps a `Batch` to ``[B, H, P]``, with P = ``loss.n_outputs``.
        loss: what the numbers mean; it is reduced by `RegimeWeightedLoss`.
        optimizer: optimizer of the parameters.
        schedule: learning-rate schedule, or None for a constant rate.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: Loss,
        *,
        optimizer: Callable[..., Optimizer],
        schedule: Schedule | None,
    ) -> None:
        super().__init__()
        self.network = network
        self.reducer = RegimeWeightedLoss(loss)
        self._optimizer = optimizer
        self._schedule = schedule
        self.trained_on = torch.device("cpu")
        self._train_loss = EpochMean()
        self._val_loss = EpochMean()

    def forward(self, batch: Batch) -> Float[Tensor, "B H P"]:
        """The network's output, not decoded."""
        output: Tensor = self.network(batch)
        return output

    def training_step(self, batch: Batch, batch_idx: int) -> Float[Tensor, ""]:
        """Loss to minimise."""
        stop_if_asked()
        total, count = self.reducer.parts(self(batch), batch)
        self._log("train/loss", self._train_loss, total, count)
        return self.reducer.reduce(total, count)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Adds a batch to the mean over the epoch."""
        total, count = self.reducer.parts(self(batch), batch)
        self._log("val/loss", self._val_loss, total, count)

    def _log(
        self, name: str, metric: EpochMean, total: Float[Tensor, ""], count: Float[Tensor, ""]
    ) -> None:
        metric.update(total, count)
        self.log(name, metric, on_step=False, on_epoch=True, prog_bar=True, batch_size=1)

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """The batch on the device, copied while the processor goes on (Lightning's own waits)."""
        return batch.to(device, non_blocking=True)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Optimizer, fused where device and precision allow, and its schedule."""
        optimizer = self._optimizer(self.parameters(), **self._fused())
        if self._schedule is None:
            return optimizer
        scheduler: LRSchedulerConfigType = {
            "scheduler": self._schedule.make(optimizer, **self._lengths(self._schedule)),
            "interval": self._schedule.interval,
            "frequency": self._schedule.frequency,
            "monitor": self._schedule.monitor,
        }
        return {"optimizer": optimizer, "lr_scheduler": scheduler}

    def _fused(self) -> dict[str, bool]:
        parameters = inspect.signature(self._optimizer).parameters
        left_open = "fused" in parameters and parameters["fused"].default is None
        # A fused step unscales half-precision gradients itself, so that they cannot be clipped.
        allowed = str(self.trainer.precision) != "16-mixed"
        return {"fused": True} if left_open and allowed else {}

    def _lengths(self, schedule: Schedule) -> dict[str, int]:
        by_step = schedule.interval == "step"
        epochs = self.trainer.max_epochs or 1
        steps = int(self.trainer.estimated_stepping_batches) if by_step else epochs
        return dict.fromkeys(schedule.open_lengths, max(1, steps // schedule.frequency))
