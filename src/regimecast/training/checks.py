"""What Lightning would accept and then not do."""

from collections.abc import Mapping
from typing import Any

from regimecast.core.errors import ConfigError, did_you_mean
from regimecast.training.module import METRICS

__all__ = ["check_monitor", "check_strategy"]

_STRATEGIES = ("auto", "ddp", "ddp_find_unused_parameters_true")
"""Strategies that give every process the whole network."""


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
