"""Deep time-series research on financial markets: leak-free windows, regimes, honest evaluation.

    from regimecast import compose, run
    result = run("model=nhits", "data=sp500")

Importing this package loads neither torch nor a model; the first call that needs them does.
"""

import os
from importlib import import_module
from importlib.metadata import version
from typing import Any

__version__ = version("regimecast")
__all__ = ["__version__", "compose", "run"]

# Threads that wait by spinning make small networks six times slower on a machine that is shared
# (experiments/benchmarks/waiting_threads.md). It must be said before torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def __getattr__(name: str) -> Any:
    """``compose`` and ``run``, loaded on first use."""
    if name in {"compose", "run"}:
        return getattr(import_module("regimecast.experiment"), name)
    raise AttributeError(f"module 'regimecast' has no attribute {name!r}")
