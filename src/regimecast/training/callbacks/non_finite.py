"""Stops training at the first loss that is not a number, and says where it came from."""

from collections.abc import Iterable, Iterator
from math import isfinite
from typing import Any

import torch
from jaxtyping import Float
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from regimecast.core.batch import Batch
from regimecast.core.errors import ConfigError, RegimecastError
from regimecast.core.group import in_group
from regimecast.data.non_finite import describe_non_finite
from regimecast.training.callbacks.best_weights import BestWeights

__all__ = ["NonFinite", "NonFiniteError"]

_STEPS_BETWEEN_WAITS = 50


class NonFiniteError(RegimecastError, ArithmeticError):
    """Training met a NaN or an infinity."""


class NonFinite(Callback):
    """Raises at a NaN or infinite loss, before it reaches the weights.

    Args:
        every_n_steps: look at every n-th training step; null for every one on a CPU and every
            fiftieth elsewhere, since looking makes a GPU wait. A loss that was missed shows in the
            weights at the next look. Validation is always looked at.

    Raises:
        ConfigError: the number is below 1.
    """

    def __init__(self, *, every_n_steps: int | None) -> None:
        if every_n_steps is not None and every_n_steps < 1:
            raise ConfigError(
                f"non finite: every_n_steps={every_n_steps}; allowed: 1 or more, or null"
            )
        self.every_n_steps = every_n_steps
        self._batch: Batch

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """Remembers the batch, to look into it if its loss is not finite."""
        self._batch = batch

    def on_before_backward(
        self, trainer: Trainer, pl_module: LightningModule, loss: Float[Tensor, ""]
    ) -> None:
        """Checks the loss of the step.

        Raises:
            NonFiniteError: it is NaN or infinite.
        """
        if trainer.global_step % self._interval(loss) == 0 and not isfinite(loss.item()):
            origin = _origin(pl_module, [self._batch], trainer.train_dataloader)
            raise _error("train/loss", loss, origin, trainer)

    def _interval(self, loss: Float[Tensor, ""]) -> int:
        if self.every_n_steps is not None:
            return self.every_n_steps
        return 1 if loss.device.type == "cpu" else _STEPS_BETWEEN_WAITS

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Checks the loss of the epoch.

        Raises:
            NonFiniteError: it is NaN or infinite.
        """
        loss = trainer.callback_metrics.get("val/loss")
        if loss is not None and not torch.isfinite(loss):
            loader: Any = trainer.val_dataloaders
            # Only now are the batches looked into, and gathered anew for it.
            batches = (batch.to(pl_module.device) for batch in loader)
            origin = _origin(pl_module, batches, loader)
            raise _error("val/loss", loss, origin, trainer)


def _error(name: str, loss: Float[Tensor, ""], origin: str, trainer: Trainer) -> NonFiniteError:
    """What happened, where, and where the weights are from before it."""
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]  # set by a connector
    kept = next((c.kept for c in callbacks if isinstance(c, BestWeights)), None)
    return NonFiniteError(
        f"{name} is {loss.item()} at epoch {trainer.current_epoch}, step {trainer.global_step}: "
        + origin
        + (f"; the best weights so far are in {kept}" if kept else "")
    )


def _origin(module: LightningModule, batches: Iterable[Batch], loader: Any) -> str:
    """Which tensor is not finite first, in the order in which they feed each other."""
    for batch in batches:
        found = describe_non_finite(batch, loader.dataset)
        if found is not None:
            return found
    for name, tensor in _tensors(module, batch):
        bad = int((~torch.isfinite(tensor)).sum())
        if bad:
            return f"{name} holds {bad} of {tensor.numel()} values that are not finite"
    if in_group():
        return "all is finite in this process: the loss overflows, or another process has the cause"
    return "data, weights and network output are finite, so the loss itself overflows"


def _tensors(module: LightningModule, batch: Batch) -> Iterator[tuple[str, Tensor]]:
    for name, parameter in module.named_parameters():
        yield f"parameter {name} (lower the learning rate or gradient_clip_val)", parameter
    with torch.no_grad():
        yield "network output", module(batch)
