"""Random state: the same seed gives the same bits, and no run leaves a trace in the next one."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

__all__ = ["seeded"]


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Random state of Python, numpy and torch seeded inside the block and put back after it.

    Data loader workers take theirs from torch's, which seeds all three in each worker.
    """
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002  # libraries draw from it
    # Asking for the state of a GPU that nobody uses yet would start it.
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()  # type: ignore[no-untyped-call]  # torch's
    with torch.random.fork_rng(devices=list(devices)):
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002  # libraries draw from it
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002  # libraries draw from it
