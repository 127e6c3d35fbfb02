"""The weights of the best epoch, without pickle.

Lightning's `ModelCheckpoint` writes pickles. It can still be added for what it alone does, keeping
the optimizer's state; the weights that a model ends up with come from here.
"""

from math import isnan
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import Callback, LightningModule, Trainer
from safetensors.torch import save_file
from torch import Tensor

from regimecast.core.errors import ConfigError
from regimecast.core.files import atomic_path

__all__ = ["BestWeights"]


class BestWeights(Callback):
    """Keeps a copy of the weights of the epoch with the best metric; ties keep the earlier one.

    An epoch whose metric is NaN is kept only until one has a number.

    Args:
        monitor: metric that decides, such as ``val/loss``.
        mode: ``min`` or ``max``: which direction is better.
        filename: file in the fold's folder of the run's ``checkpoints/`` that holds the copy, as
            safetensors, so that a run that is killed leaves it behind. Under the default name the
            saved model takes its place.

    Raises:
        ConfigError: unknown mode.
    """

    def __init__(self, *, monitor: str, mode: Literal["min", "max"], filename: str) -> None:
        if mode not in ("min", "max"):
            raise ConfigError(f"best weights: mode={mode!r} must be 'min' or 'max'")
        self.monitor = monitor
        self.mode = mode
        self.filename = filename
        self.folder: Path | None = None
        """Where the file goes; None keeps the copy in memory only."""
        self.epoch: int | None = None
        self.score: float | None = None
        self._state: dict[str, Tensor] = {}

    @property
    def kept(self) -> Path | None:
        """The file, once an epoch was finished."""
        return None if self.folder is None or self.epoch is None else self.folder / self.filename

    def state_dict(self) -> dict[str, Any]:
        """The best weights so far and where they are from, for a checkpoint."""
        return {"epoch": self.epoch, "score": self.score, "weights": self._state}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on with the best weights of a checkpoint."""
        self.epoch, self.score = state_dict["epoch"], state_dict["score"]
        self._state = state_dict["weights"]

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compares; validation has run by now, if it runs in this epoch."""
        if self.monitor not in trainer.callback_metrics:
            return
        score = float(trainer.callback_metrics[self.monitor])
        if self.score is not None and not self._better(score, self.score):
            return
        self.epoch, self.score = trainer.current_epoch, score
        # A copy even on the CPU, where .cpu() would hand out the weights that train on.
        self._state = {
            key: value.detach().to("cpu", copy=True).contiguous()
            for key, value in pl_module.state_dict().items()
        }
        if self.folder is not None and trainer.is_global_zero:
            with atomic_path(self.folder / self.filename) as path:
                about = {"epoch": str(self.epoch), self.monitor: repr(score)}
                save_file(self._state, path, metadata=about)

    def restore(self, module: LightningModule) -> None:
        """Puts the best weights back; does nothing where no epoch was finished."""
        if self._state:
            module.load_state_dict(self._state)
            self._state = {}

    def _better(self, score: float, than: float) -> bool:
        if isnan(than):
            return not isnan(score)
        return score < than if self.mode == "min" else score > than
