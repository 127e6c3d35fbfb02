"""What of a config is checked across its groups, before any data are read."""

from collections.abc import Mapping
from typing import Any

from regimecast.core.config import split_name
from regimecast.core.errors import ConfigError
from regimecast.core.values import fitting
from regimecast.models.base import ModelRegistry
from regimecast.models.neural import NeuralModel
from regimecast.splits.base import Splitter

__all__ = ["check_changes", "check_int", "check_warm_start"]


def check_warm_start(config: Mapping[str, Any], splitter: Splitter) -> None:
    """Nothing, if folds may begin with what the one before learnt, or are not to.

    Raises:
        ConfigError: the model has no weights to begin with, or the split would leak through them.
    """
    if not fitting("warm_start", config["warm_start"], bool):
        return
    name, _ = split_name(config["model"], "model")
    if not issubclass(ModelRegistry.get(name), NeuralModel):
        raise ConfigError(
            f"warm_start=true begins with the weights of the fold before, and model={name} is no "
            "network that has any; allowed: warm_start=false"
        )
    if not splitter.chronological:
        raise ConfigError(
            f"warm_start=true with split={splitter.name} would begin with weights that were "
            "trained on what a fold tests; allowed: a split in order of time, such as "
            "split=walk_forward, or warm_start=false"
        )


def check_changes(config: Mapping[str, Any]) -> None:
    """Nothing, if there is an optimizer to change, or nothing is to be changed.

    Raises:
        ConfigError: the model is not trained by one.
    """
    name, _ = split_name(config["model"], "model")
    if config["changes"] and not issubclass(ModelRegistry.get(name), NeuralModel):
        raise ConfigError(
            f"changes={config['changes']!r} are of the optimizer, by which model={name} is not "
            "trained; allowed: []"
        )


def check_int(key: str, value: Any, *, minimum: int) -> None:
    """Nothing, if it is a whole number and large enough.

    Raises:
        ConfigError: it is not.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
        raise ConfigError(f"{key}={value!r} must be a whole number of at least {minimum}")
