"""Threads of torch."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from regimecast.core.cores import usable_cores
from regimecast.core.errors import ConfigError

__all__ = ["check_threads", "share_of_threads", "threads_set"]


def check_threads(threads: object) -> None:
    """Nothing, if this is a value of the key ``threads``.

    Raises:
        ConfigError: it is not.
    """
    if threads is None or (isinstance(threads, int) and threads is not True and threads > 0):
        return
    raise ConfigError(f"threads={threads!r}; allowed: a whole number of at least 1, or null")


def share_of_threads(sharing: int) -> int:
    """Threads for each of several processes: torch's own number, within the cores, divided."""
    return max(1, min(torch.get_num_threads(), usable_cores()) // sharing)


@contextmanager
def threads_set(threads: int | None) -> Iterator[None]:
    """Block with so many threads for torch, put back after it.

    Args:
        threads: None for as many as torch would take (``OMP_NUM_THREADS`` says how many), but no
            more than the cores that this process may use.

    Raises:
        ConfigError: the number is below 1.
    """
    check_threads(threads)
    before = torch.get_num_threads()
    torch.set_num_threads(share_of_threads(1) if threads is None else threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
