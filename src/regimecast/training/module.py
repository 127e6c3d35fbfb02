"""The one Lightning module: it trains any network with any loss."""

import inspect
from collections.abc import Callable, Mapping
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
from regimecast.data.loading import Pending
from regimecast.losses.base import Loss
from regimecast.losses.regime_weighted import RegimeWeightedLoss
from regimecast.training.compiling import Compile, CompiledNetwork, decide
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
        self.compile_choice: Compile = False
        self.compile_pays_from: Mapping[str, int] = {}
        self.compiled: CompiledNetwork | None = None
        self._train_loss = EpochMean()
        self._val_loss = EpochMean()

    def __setattr__(self, name: str, value: Any) -> None:
        """Sets an attribute, without torch's search for parameters where it is known to be none."""
        # Lightning sets it forty times a step: a tenth of what it adds to a small network's step.
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def forward(self, batch: Batch) -> Float[Tensor, "B H P"]:
        """The network's output, not decoded."""
        run = self.compiled if self.compiled is not None and self.training else self.network
        output: Tensor = run(batch)
        return output

    def on_fit_start(self) -> None:
        """Decides whether the network is compiled, now that its device is known."""
        if self.compile_choice is not False:
            self.compiled = decide(
                self.network,
                self.compile_choice,
                pays_from=self.compile_pays_from,
                device=self.device,
                steps=float(self.trainer.estimated_stepping_batches),
            )

    def training_step(self, batch: Batch, batch_idx: int) -> Float[Tensor, ""]:
        """Loss to minimise."""
        stop_if_asked()
        total, count = self.reducer.parts(self(batch), batch)
        self._train_loss.add(total, count)
        return self.reducer.reduce(total, count)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Adds a batch to the mean over the epoch."""
        self._val_loss.add(*self.reducer.parts(self(batch), batch))

    def log_training(self) -> None:
        """Logs ``train/loss``; called when an epoch ends, before any callback asks for it."""
        self._log("train/loss", self._train_loss)

    def on_validation_epoch_end(self) -> None:
        """Logs ``val/loss``."""
        self._log("val/loss", self._val_loss)

    def _log(self, name: str, mean: EpochMean) -> None:
        # Lightning's own logging of every step takes longer than a small network. All processes
        # hold the same mean by now: the largest of them is it, to the bit.
        value = mean.take(self.device)
        self.log(name, value, prog_bar=True, batch_size=1, sync_dist=True, reduce_fx="max")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the training loss so far, for a checkpoint within an epoch."""
        checkpoint["train/loss"] = self._train_loss.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes the training loss up again."""
        progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        # From the last step of an epoch Lightning goes on with the next one.
        if not progress["is_last_batch"]:
            self._train_loss.restore(checkpoint["train/loss"])

    def transfer_batch_to_device(
        self, batch: Batch | Pending, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """The batch on the device, copied while the processor goes on (Lightning's own waits)."""
        if isinstance(batch, Pending):
            profiler = self.trainer.profiler  # type: ignore[attr-defined]  # set by a connector
            with profiler.profile("gather"):
                return batch.to(device, non_blocking=True)
        if device.type == "cpu":
            return batch
        # Only from page-locked memory does the copy go on by itself.
        return (batch.pin_memory() if device.type == "cuda" else batch).to(
            device, non_blocking=True
        )

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
        # Lightning does not clip what a fused step of mixed precision would unscale itself.
        mixed = str(self.trainer.precision).endswith("-mixed")
        allowed = not (mixed and self.trainer.gradient_clip_val)
        return {"fused": True} if left_open and allowed else {}

    def _lengths(self, schedule: Schedule) -> dict[str, int]:
        by_step = schedule.interval == "step"
        epochs = self.trainer.max_epochs or 1
        steps = int(self.trainer.estimated_stepping_batches) if by_step else epochs
        return dict.fromkeys(schedule.open_lengths, max(1, steps // schedule.frequency))
