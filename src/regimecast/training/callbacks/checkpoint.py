"""What a training that was cut off goes on from, to the bit."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from regimecast.core.errors import ConfigError
from regimecast.training.checkpoints import Checkpoints

__all__ = ["TrainingCheckpoint"]

_KEY = "regimecast"
"""Of what a checkpoint holds beyond Lightning's own."""


class TrainingCheckpoint(Callback):
    """Keeps one checkpoint in the fold's folder, new after every epoch, until the model is saved.

    It is made when the next epoch or step begins, hence after all that belongs to the one before;
    it has to be the first callback, before any that begins something. (Lightning's own
    `ModelCheckpoint` looks earlier: of an epoch it misses that training was to stop, what was
    logged, and what a plateau schedule, which moves last of all, made of the metric.)

    Args:
        every_n_steps: a further one within the epoch after so many training steps; null for none.
            One that is due after a validation, amid accumulated gradients or before the epoch's
            last batch comes a step later.

    Raises:
        ConfigError: the number is below 1.
    """

    def __init__(self, *, every_n_steps: int | None) -> None:
        if every_n_steps is not None and every_n_steps < 1:
            raise ConfigError(
                f"checkpoint: every_n_steps={every_n_steps}; allowed: 1 or more, or null"
            )
        self.every_n_steps = every_n_steps
        self.kept: Checkpoints | None = None
        """Where they go; None keeps none."""
        self.seconds = 0.0
        """Of earlier attempts, up to the checkpoint that this one goes on from."""
        self._began = perf_counter()
        self._last = 0  # step of the latest one
        self._within: bool | None = None  # whether the one being made is from within an epoch
        self._taken_up: dict[str, Any] | None = None
        self._readable = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Begins to count seconds."""
        self._began = perf_counter()

    def state_dict(self) -> dict[str, Any]:
        """Seconds of training so far, those of earlier attempts included, for a checkpoint."""
        return {"seconds": self.seconds + perf_counter() - self._began}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on counting from there."""
        self.seconds = state_dict["seconds"]

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keeps the end of the epoch before."""
        if trainer.global_step > self._last:
            self._keep(trainer, within=False)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Keeps the step before, where it is due."""
        if self.every_n_steps is None or trainer.global_step < self._last + self.every_n_steps:
            return
        over_epochs = trainer.check_val_every_n_epoch is None
        done = trainer.fit_loop.total_batch_idx if over_epochs else batch_idx
        validated = trainer.val_check_batch is not None and done % trainer.val_check_batch == 0
        amid = batch_idx % trainer.accumulate_grad_batches != 0
        # The last batch may be a small one, and a compiled network takes its size from the first.
        last = batch_idx + 1 >= trainer.num_training_batches
        if not (validated or amid or last):
            self._keep(trainer, within=True)

    def _keep(self, trainer: Trainer, *, within: bool) -> None:
        rehearsed = trainer.fast_dev_run  # type: ignore[attr-defined]  # set by a connector
        if self.kept is None or rehearsed:
            return
        self._last, self._within = trainer.global_step, within
        try:
            if not trainer.is_global_zero:  # its states are gathered, and it writes nothing
                trainer.save_checkpoint(self.kept.folder / "unwritten", weights_only=False)
                return
            with self.kept.writing(
                step=trainer.global_step,
                epochs=trainer.current_epoch,
                begun=trainer.current_epoch + within,
                logged=getattr(trainer.logger, "place", None),
            ) as path:
                with _without_sums():
                    trainer.save_checkpoint(path, weights_only=False)
                self._check_readable(path)
        finally:
            self._within = None

    def _check_readable(self, path: Path) -> None:
        """Reads the first one back, as far as it takes to know that all of it can be.

        Raises:
            ConfigError: a callback or a schedule keeps something that is no plain value.
        """
        if self._readable:
            return
        try:
            torch.load(path, map_location="cpu", mmap=True, weights_only=True)
        except pickle.UnpicklingError as error:
            kinds = ", ".join(torch.serialization.get_unsafe_globals_in_checkpoint(path))
            raise ConfigError(
                "callbacks.checkpoint: the state of a callback or of the schedule cannot be read "
                f"back: it holds {kinds}. Allowed: tensors and plain values, or "
                "callbacks.checkpoint=null, which leaves nothing to go on from"
            ) from error
        self._readable = True

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Adds what Lightning leaves out, and takes back what it has begun already."""
        if self._within is None:  # somebody else's
            return
        checkpoint[_KEY] = {
            "within": self._within,
            "should_stop": trainer.should_stop,
            "metrics": {k: v.detach().cpu().clone() for k, v in trainer.callback_metrics.items()},
        }
        loops = checkpoint["loops"]["fit_loop"]
        begun = loops["epoch_loop.batch_progress" if self._within else "epoch_progress"]
        for counts in (begun["total"], begun["current"]):
            counts["ready"] = counts["completed"]
        if self._within:
            (place,) = loops["state_dict"]["combined_loader"]
            place["taken"] -= 1

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Remembers that, until training begins."""
        self._taken_up = checkpoint.get(_KEY)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes it up."""
        self._last = trainer.global_step
        taken_up, self._taken_up = self._taken_up, None
        if taken_up is None:
            return
        trainer.should_stop = taken_up["should_stop"]
        trainer.callback_metrics.update(taken_up["metrics"])
        # Else the plateau schedules of the first epoch would not move, and with max_steps a new
        # epoch would be taken for the rest of one.
        trainer.fit_loop._restarting = False
        if not taken_up["within"]:
            trainer.fit_loop.epoch_loop.restarting = False


@contextmanager
def _without_sums() -> Iterator[None]:
    """Leaves out the check sums within torch's zip: the whole of it has a hash beside it."""
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        yield
    finally:
        torch.serialization.set_crc32_options(before)
