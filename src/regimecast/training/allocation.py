"""Memory that a training step frees stays with the process, for the next step to take.

The C library hands large blocks back to the system at once, and every step then waits for the
system to clear them anew, page by page: half of a step of an LSTM on a CPU.
"""

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

__all__ = ["freed_memory_kept"]

# Numbers and defaults of glibc's malloc.h; M_MMAP_THRESHOLD is left at the most that glibc itself
# raises it to, since it stops adjusting once any of them is set.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_NEVER = -1
_USUAL = {_TRIM_THRESHOLD: 64 * 2**20, _MMAP_THRESHOLD: 32 * 2**20, _MMAP_MAX: 65_536}


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Blocks come from the process's own heap and return to it; the system gets them at the end.

    What is taken at the peak is held until then, and somewhat more where blocks of ever other sizes
    leave gaps. Without glibc this does nothing, nor where the user has set its variables
    (``MALLOC_...``, ``GLIBC_TUNABLES``).
    """
    library = _glibc()
    if library is None:
        yield
        return
    library.mallopt(_MMAP_MAX, 0)
    library.mallopt(_TRIM_THRESHOLD, _NEVER)
    try:
        yield
    finally:
        for option, value in _USUAL.items():
            library.mallopt(option, value)
        library.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    chosen = any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ)
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" and not chosen else None
