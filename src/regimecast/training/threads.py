"""Threads of torch and of BLAS, numpy's and scipy's linear algebra."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import scipy.linalg  # noqa: F401  # only BLAS that is loaded can be told its number of threads
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from regimecast.core.cores import usable_cores
from regimecast.core.errors import ConfigError

__all__ = ["check_threads", "share_of_threads", "share_threads", "threads_like", "threads_set"]


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


def share_threads(sharing: int, threads: int | None = None) -> None:
    """Gives this process its share of the threads that a run by itself would take, for good.

    Args:
        sharing: processes that run beside each other; 1 leaves BLAS as it is.
        threads: of torch and of BLAS, for each of them, instead.
    """
    torch.set_num_threads(threads or share_of_threads(sharing))
    if threads is None and sharing == 1:
        return
    own = max((p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"), default=1)
    threadpool_limits(threads or max(1, min(own, usable_cores()) // sharing), user_api="blas")


@contextmanager
def threads_set(threads: int | None, *, blas: int | None = None) -> Iterator[None]:
    """Block with so many threads for torch and BLAS, put back after it.

    Args:
        threads: of torch; None for as many as it would take (``OMP_NUM_THREADS`` says how many),
            but no more than the cores that this process may use.
        blas: None leaves them as they are.

    Raises:
        ConfigError: the number is below 1.
    """
    check_threads(threads)
    before = torch.get_num_threads()
    torch.set_num_threads(share_of_threads(1) if threads is None else threads)
    try:
        with threadpool_limits(blas, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def threads_like(recorded: Mapping[str, int]) -> Iterator[list[str]]:
    """Block with the thread counts of another process, put back after it; yields what cannot be.

    Args:
        recorded: of ``torch`` and ``blas``, numpy's linear algebra, as a manifest has them.
    """
    before, wanted = torch.get_num_threads(), recorded.get("blas")
    torch.set_num_threads(recorded.get("torch", before))
    try:
        with threadpool_limits(wanted, user_api="blas"):
            pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
            yield [
                f"the run had {wanted} threads of {pool['internal_api']}, which gives no more than "
                f"{pool['num_threads']} here"
                for pool in pools
                if wanted is not None and pool["num_threads"] < wanted
            ]
    finally:
        torch.set_num_threads(before)
