"""Going on from a checkpoint that Lightning has saved, from within an epoch too."""

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import nn

from regimecast.core.errors import ConfigError

__all__ = ["place_in_epoch"]


def place_in_epoch(checkpoint: Path, module: nn.Module) -> dict[str, Any]:
    """The training loader's state in a checkpoint, see `BatchLoader.state_dict`.

    Lightning hands it to the loader itself, unless somebody (a schedule by the step) has asked for
    the number of steps before: https://github.com/Lightning-AI/pytorch-lightning/issues/20550

    Args:
        checkpoint: the file.
        module: what is to be trained on.

    Raises:
        ConfigError: there is no such file, or none of a training of this network.
    """
    try:
        content = torch.load(checkpoint, map_location="cpu", mmap=True, weights_only=True)
        (state,) = content["loops"]["fit_loop"]["state_dict"]["combined_loader"]
    except OSError as error:
        raise ConfigError(f"resume={checkpoint} cannot be read: {error}") from error
    except (KeyError, TypeError, ValueError, RuntimeError, pickle.UnpicklingError) as error:
        said = str(error).splitlines()[0]
        raise ConfigError(f"resume={checkpoint} is no checkpoint of a training: {said}") from error
    place: dict[str, Any] = state
    random = place.get("random")
    if not ({"epoch", "taken", "steps"} <= place.keys() and isinstance(random, list)) or any(
        "python" not in state for state in random
    ):
        raise ConfigError(f"resume={checkpoint} was written by another version; train anew")
    theirs = {name: tuple(value.shape) for name, value in content["state_dict"].items()}
    mine = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    if other := sorted({*theirs.items()} ^ {*mine.items()}):
        name = other[0][0]
        raise ConfigError(
            f"resume={checkpoint} is of another network: {name} has shape "
            f"{theirs.get(name, 'none')} there and {mine.get(name, 'none')} here"
        )
    return place
