"""Lightning's and torch's parts of training, made from their configs."""

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import LearningRateMonitor, ProgressBar
from lightning.pytorch.profilers import Profiler
from lightning.pytorch.strategies import Strategy
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from regimecast.core.config import instantiate
from regimecast.core.errors import ConfigError
from regimecast.training.module import Schedule

__all__ = ["make_callbacks", "make_optimizer", "make_schedule", "make_trainer"]

_HARDWARE = ("accelerator", "devices", "strategy", "precision")
"""Settings of which Lightning says that they are wrong, and not which they are."""


def make_callbacks(
    configs: Mapping[str, Mapping[str, Any] | None], *, logged: bool
) -> list[Callback]:
    """Fresh callbacks, without those that nobody would see.

    Args:
        configs: by a name of one's own; null leaves one out.
        logged: whether there is a logger.

    Raises:
        ConfigError: a target is not allowed or does not take a parameter.
    """
    made = [
        instantiate(config, key=f"callbacks.{name}", base=Callback)
        for name, config in configs.items()
        if config is not None
    ]
    watched = sys.stdout.isatty() and "CI" not in os.environ
    return [
        callback
        for callback in made
        if (watched or not isinstance(callback, ProgressBar))
        and (logged or not isinstance(callback, LearningRateMonitor))
    ]


def make_optimizer(config: Mapping[str, Any]) -> Callable[..., Optimizer]:
    """An optimizer that still lacks the parameters to optimise.

    Raises:
        ConfigError: the target is not allowed or does not take a parameter.
    """
    made: partial[Optimizer] = instantiate(
        {**config, "_partial_": True}, key="optimizer", base=Optimizer
    )
    return made


def make_schedule(config: Mapping[str, Any] | None) -> Schedule | None:
    """A learning-rate schedule that still lacks its optimizer; None for a constant rate.

    Raises:
        ConfigError: the target or the interval is not allowed, or a parameter is unknown.
    """
    given = dict(config or {})
    if given.get("_target_") is None:
        return None
    interval = given.pop("interval", "epoch")
    if interval not in ("epoch", "step"):
        raise ConfigError(f"scheduler.interval={interval!r} must be 'epoch' or 'step'")
    frequency, monitor = given.pop("frequency", 1), given.pop("monitor", None)
    made: partial[Any] = instantiate(
        {**given, "_partial_": True}, key="scheduler", base=LRScheduler
    )
    return Schedule(made, interval, frequency, monitor)


def make_trainer(config: Mapping[str, Any], **extra: Any) -> Any:
    """Lightning's Trainer, or what makes it where the config is partial.

    Raises:
        ConfigError: Lightning refuses a setting, or a target is not allowed.
    """
    parts = {"strategy": Strategy, "profiler": Profiler}
    try:
        return instantiate(config, key="trainer", base=Trainer, parts=parts, **extra)
    except MisconfigurationException as error:
        given = ", ".join(f"trainer.{key}={config[key]!r}" for key in _HARDWARE if key in config)
        raise ConfigError(f"trainer: {error} Given: {given}") from error
