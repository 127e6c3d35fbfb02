"""Going on from a checkpoint of Lightning's `ModelCheckpoint`, from within an epoch too."""

import pickle
from pathlib import Path
from typing import Any

import torch

from regimecast.core.errors import ConfigError

__all__ = ["place_in_epoch"]


def place_in_epoch(checkpoint: Path) -> dict[str, Any]:
    """The training loader's state in a checkpoint, see `BatchLoader.state_dict`.

    Lightning hands it to the loader itself, unless somebody (a schedule by the step) has asked for
    the number of steps before: https://github.com/Lightning-AI/pytorch-lightning/issues/20550

    Raises:
        ConfigError: there is no such file, or none of a training that can be resumed.
    """
    try:
        content = torch.load(checkpoint, map_location="cpu", mmap=True, weights_only=True)
        (state,) = content["loops"]["fit_loop"]["state_dict"]["combined_loader"]
    except OSError as error:
        raise ConfigError(f"resume={checkpoint} cannot be read: {error}") from error
    except (KeyError, TypeError, ValueError, RuntimeError, pickle.UnpicklingError) as error:
        raise ConfigError(f"resume={checkpoint} is no checkpoint of a training: {error}") from error
    place: dict[str, Any] = state
    if not isinstance(place.get("random"), list):
        raise ConfigError(f"resume={checkpoint} was written by an older version; train anew")
    return place
