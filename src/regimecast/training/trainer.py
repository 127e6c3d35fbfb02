"""`ModelTrainer`: how to train, from config to a trained module.

    trainer = ModelTrainer.default()
    report = trainer.train(model, data)
    forecast = trainer.evaluate(model, data, "test")

Optimizer, schedule, callbacks and Lightning's own Trainer come from config; nothing about them is
decided here but what a config cannot know: where the run's files go, whether anyone watches.
"""

import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol, runtime_checkable

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import (
    Checkpoint,
    EarlyStopping,
    LearningRateMonitor,
    ProgressBar,
)
from lightning.pytorch.loggers import Logger
from omegaconf import OmegaConf
from torch import nn
from torch.optim import Optimizer

from regimecast.core.config import config_folder, instantiate
from regimecast.core.errors import ConfigError, did_you_mean
from regimecast.core.types import Forecast
from regimecast.data.datamodule import FinancialDataModule
from regimecast.losses.base import Loss
from regimecast.training.callbacks.best_weights import BestWeights
from regimecast.training.callbacks.history import History
from regimecast.training.lightning import interruptible, quiet
from regimecast.training.module import METRICS, ForecastModule, Schedule
from regimecast.training.report import FitReport

__all__ = ["ModelTrainer", "Trainable"]

_log = logging.getLogger(__name__)


@runtime_checkable
class Trainable(Protocol):
    """What `ModelTrainer` asks of a model; every model of the registry fits."""

    def fit(self, data: FinancialDataModule, trainer: "ModelTrainer | None" = None) -> FitReport:
        """Trains on ``train`` and stops early on ``validation``."""

    def predict(self, data: FinancialDataModule, split: str) -> Forecast:
        """Forecast for every sample of a split."""


@dataclass(frozen=True, kw_only=True)
class ModelTrainer:
    """Everything about training that is not the model, the loss or the data.

    It holds config only, so one object trains any number of models, each with fresh callbacks.

    Raises:
        ConfigError: a target is not allowed or does not take a parameter, or a callback or the
            scheduler monitors a metric that is never logged.
    """

    trainer: Mapping[str, Any]
    """Config of Lightning's Trainer."""
    callbacks: Mapping[str, Mapping[str, Any] | None]
    """Configs of callbacks by a name of one's own; null leaves one out."""
    optimizer: Mapping[str, Any]
    """Config of the optimizer, partial: it still lacks the parameters to optimise."""
    scheduler: Mapping[str, Any] | None
    """Config of the schedule with Lightning's interval, frequency and monitor beside it."""
    seed: int
    """Seeds weights, dropout and workers; see `derive_seed` for one per fold."""
    logger: Logger | Sequence[Logger] | None = None
    """Lightning loggers, already made; none by default."""
    folder: Path | None = None
    """Run folder that receives ``checkpoints/``; None writes nothing."""

    def __post_init__(self) -> None:
        for callback in self._callbacks():
            _check_monitor(getattr(callback, "monitor", None), type(callback).__name__)
        self._optimizer()
        if (schedule := self._schedule()) is not None:
            _check_monitor(schedule.monitor, "scheduler")
        instantiate({**self.trainer, "_partial_": True}, key="trainer")

    @classmethod
    def default(cls, *, seed: int = 0) -> "ModelTrainer":
        """The packaged config: at most 20 epochs, early stopping, AdamW, constant rate."""
        conf = config_folder()
        groups = {
            group: OmegaConf.to_container(OmegaConf.load(conf / group / f"{option}.yaml"))
            for group, option in {
                "trainer": "default",
                "callbacks": "default",
                "optimizer": "adamw",
                "scheduler": "none",
            }.items()
        }
        return cls(seed=seed, **groups)  # type: ignore[arg-type]  # yaml: checked by __post_init__

    @property
    def patience(self) -> int | None:
        """Epochs without improvement before stopping; None where training never stops early."""
        stops = (c for c in self._callbacks() if isinstance(c, EarlyStopping))
        return next((int(stop.patience) for stop in stops), None)

    def train(self, model: Trainable, data: FinancialDataModule) -> FitReport:
        """What `model.fit` reports, trained this way; works for boosters and baselines too."""
        return model.fit(data, self)

    def evaluate(self, model: Trainable, data: FinancialDataModule, split: str) -> Forecast:
        """The model's forecast of a split, ready to be judged."""
        return model.predict(data, split)

    def build_module(self, network: nn.Module, loss: Loss) -> ForecastModule:
        """A network ready for `fit_module`."""
        return ForecastModule(network, loss, optimizer=self._optimizer(), schedule=self._schedule())

    def fit_module(self, module: ForecastModule, data: FinancialDataModule) -> FitReport:
        """Trains the module in place; it ends with the best weights, on the CPU.

        Seeding is the caller's: weights were drawn before this.

        Raises:
            ConfigError: a callback watches validation and the fold has none, or Lightning refuses
                the config.
            NonFiniteError: the loss became NaN or infinite.
            KeyboardInterrupt: Ctrl-C; Lightning itself would exit the interpreter.
        """
        started = perf_counter()
        callbacks = self._callbacks()
        validates = len(data.split("validation")) > 0
        if not validates:
            self._check_without_validation(callbacks)
        history = next((c for c in callbacks if isinstance(c, History)), None)
        best = next((c for c in callbacks if isinstance(c, BestWeights)), None)
        if best is not None and self.folder is not None:
            best.folder = self.folder / "checkpoints"
        with quiet(), interruptible():
            trainer = self._build(callbacks)
            trainer.fit(
                module,
                train_dataloaders=data.train_dataloader(),
                val_dataloaders=data.val_dataloader() if validates else None,
            )
        module.trained_on = trainer.strategy.root_device
        if best is not None:
            best.restore(module)
        return FitReport(
            seconds=perf_counter() - started,
            epochs=trainer.current_epoch,
            best_epoch=best.epoch if best else None,
            best_score=best.score if best else None,
            parameters=sum(p.numel() for p in module.parameters() if p.requires_grad),
            history=history.rows if history else [],
        )

    def _build(self, callbacks: list[Callback]) -> Trainer:
        progress = any(isinstance(callback, ProgressBar) for callback in callbacks)
        trainer: Trainer = instantiate(
            self.trainer,
            key="trainer",
            callbacks=callbacks,
            logger=self.logger or False,
            default_root_dir=self.folder,
            enable_checkpointing=any(isinstance(c, Checkpoint) for c in callbacks),
            enable_progress_bar=progress,
            enable_model_summary=False,
        )
        return trainer

    def _callbacks(self) -> list[Callback]:
        made = [
            instantiate(config, key=f"callbacks.{name}")
            for name, config in self.callbacks.items()
            if config is not None
        ]
        watched = sys.stdout.isatty() and "CI" not in os.environ
        return [
            callback
            for callback in made
            if (watched or not isinstance(callback, ProgressBar))
            and (self.logger or not isinstance(callback, LearningRateMonitor))
        ]

    def _optimizer(self) -> Callable[..., Optimizer]:
        made: partial[Optimizer] = instantiate(
            {**self.optimizer, "_partial_": True}, key="optimizer"
        )
        return made

    def _schedule(self) -> Schedule | None:
        config = dict(self.scheduler or {})
        if config.get("_target_") is None:
            return None
        interval = config.pop("interval", "epoch")
        if interval not in ("epoch", "step"):
            raise ConfigError(f"scheduler.interval={interval!r} must be 'epoch' or 'step'")
        frequency, monitor = config.pop("frequency", 1), config.pop("monitor", None)
        made: partial[Any] = instantiate({**config, "_partial_": True}, key="scheduler")
        return Schedule(made, interval, frequency, monitor)

    def _check_without_validation(self, callbacks: list[Callback]) -> None:
        schedule = self._schedule()
        for watcher in (*callbacks, schedule):
            monitor = getattr(watcher, "monitor", None)
            if monitor is not None and monitor.startswith("val/"):
                raise ConfigError(
                    f"{type(watcher).__name__} watches {monitor!r}, but the fold has no "
                    "validation samples. Allowed: a split with validation, or monitor=train/loss"
                )


def _check_monitor(monitor: str | None, owner: str) -> None:
    if monitor is not None and monitor not in METRICS:
        raise ConfigError(
            f"{owner}: monitor={monitor!r} is never logged.{did_you_mean(monitor, METRICS)} "
            f"Allowed: {', '.join(METRICS)}"
        )
