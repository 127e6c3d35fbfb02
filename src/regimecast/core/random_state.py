"""All that chance draws from in this process, as tensors and plain values for a checkpoint."""

import logging
import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

__all__ = ["random_state", "set_random_state"]

_log = logging.getLogger(__name__)


def random_state() -> dict[str, Any]:
    """State of torch's generators on the CPU and on GPUs, and of Python's and numpy's.

    Once CUDA is in use it is that of all GPUs of this machine. Other accelerators have generators
    of their own, which are left out.
    """
    begun = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]  # torch's
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002  # libraries draw from it
    return {
        "cpu": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if begun else [],
        "python": [version, torch.tensor(words), gauss],
        "numpy": [
            name,
            torch.from_numpy(np.asarray(keys).astype(np.int64)),
            int(position),
            int(has_gauss),
            float(cached),
        ],
    }


def set_random_state(state: Mapping[str, Any]) -> None:
    """Puts a state of `random_state` back.

    That of GPUs only where there are as many of them; else a warning says that it is not.
    """
    torch.set_rng_state(state["cpu"])
    there, here = len(state["cuda"]), torch.cuda.device_count()
    if there == here:
        torch.cuda.set_rng_state_all(state["cuda"])
    elif there:
        _log.warning(
            "the random state of %d GPUs is not restored, since this machine has %d: what is "
            "drawn on them, by dropout say, will be other numbers",
            there,
            here,
        )
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words.tolist()), gauss))
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002  # libraries draw from it
