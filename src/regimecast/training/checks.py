"""What Lightning would accept and then not do."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import OnExceptionCheckpoint
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from regimecast.core.errors import ConfigError, did_you_mean
from regimecast.training.module import METRICS, Schedule

__all__ = [
    "check_made",
    "check_monitor",
    "check_strategy",
    "check_together",
    "check_trained",
    "check_unwatched",
    "lacks_validation",
]

_STRATEGIES = ("auto", "ddp", "ddp_find_unused_parameters_true")
"""Strategies that give every process the whole network."""
_LENGTH = ("max_epochs", "max_steps", "max_time", "limit_train_batches")
"""Settings that can leave nothing to train."""


def check_monitor(monitor: str | None, owner: str) -> None:
    """Nothing, if the metric is logged or there is none.

    Raises:
        ConfigError: it never is.
    """
    if monitor is not None and monitor not in METRICS:
        raise ConfigError(
            f"{owner}: monitor={monitor!r} is never logged.{did_you_mean(monitor, METRICS)} "
            f"Allowed: {', '.join(METRICS)}"
        )


def check_strategy(trainer: Mapping[str, Any]) -> None:
    """Nothing, if this config of Lightning's Trainer leaves launching processes to us.

    Raises:
        ConfigError: the strategy launches its own or splits the weights, or there are more nodes.
    """
    strategy, nodes = trainer.get("strategy", "auto"), trainer.get("num_nodes", 1)
    if isinstance(strategy, str) and strategy not in _STRATEGIES:
        raise ConfigError(
            f"trainer.strategy={strategy!r} launches processes of its own or splits the weights."
            f"{did_you_mean(strategy, _STRATEGIES)} Allowed: {', '.join(_STRATEGIES)}"
        )
    if nodes != 1:
        raise ConfigError(f"trainer.num_nodes={nodes!r}: one machine trains. Allowed: 1")


def check_together(callbacks: Iterable[Callback]) -> None:
    """Nothing, if these callbacks can work in one of several processes.

    Raises:
        ConfigError: one writes a checkpoint when its process fails, for which it would wait for the
            others forever.
    """
    for callback in callbacks:
        if isinstance(callback, OnExceptionCheckpoint) or getattr(
            callback, "save_on_exception", False
        ):
            raise ConfigError(
                f"{type(callback).__name__} writes when a process fails, and would then wait for "
                "the others. Allowed with trainer.devices above 1: checkpoints by step, time or "
                "epoch (save_on_exception=false)"
            )


def check_made(optimizer: Callable[..., Optimizer], schedule: Schedule | None) -> None:
    """Nothing, if torch makes this optimizer and this schedule and takes a first step.

    Raises:
        ConfigError: it refuses a value.
    """
    key = "optimizer"
    try:
        made = optimizer([nn.Parameter(torch.zeros(1))])
        key = "scheduler"
        if schedule is not None:
            rate = schedule.make(made, **dict.fromkeys(schedule.open_lengths, 10))
            made.step(lambda: 0.0)
            rate.step(*[0.0] * isinstance(rate, ReduceLROnPlateau))
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise ConfigError(f"{key}: {error}") from error


def lacks_validation(trainer: Mapping[str, Any], samples: int) -> str | None:
    """Why nothing will be validated with this config and so many samples; None where it will."""
    if not samples:
        return "the fold has no validation samples"
    if trainer.get("limit_val_batches", 1.0) == 0:
        return f"trainer.limit_val_batches={trainer['limit_val_batches']} leaves out validation"
    return None


def check_unwatched(watchers: Iterable[Any], lack: str) -> None:
    """Nothing, if no callback or schedule watches validation.

    Raises:
        ConfigError: one does, and would wait for ever.
    """
    for watcher in watchers:
        monitor = getattr(watcher, "monitor", None)
        if monitor is not None and monitor.startswith("val/"):
            raise ConfigError(
                f"{type(watcher).__name__} watches {monitor!r}, but {lack}. "
                "Allowed: validation, or monitor=train/loss"
            )


def check_trained(trainer: Mapping[str, Any], steps: int) -> None:
    """Nothing, if at least one step was made.

    Raises:
        ConfigError: none was: forecasts would be those of random weights.
    """
    if steps == 0:
        given = (f"trainer.{key}={trainer[key]!r}" for key in _LENGTH if key in trainer)
        raise ConfigError(f"no training step was made with {', '.join(given)}")
