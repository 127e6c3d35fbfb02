"""Processor cores that this process may really use."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

from regimecast.core.control_groups import group_folders

__all__ = ["usable_cores"]


def usable_cores(root: Path = Path("/")) -> int:
    """Cores that the system lets this process use: those it is bound to, within its quota.

    `os.cpu_count` is the machine's number. In a container with a quota, threads beyond it only take
    turns and wait for each other.

    Args:
        root: where the system's own files are looked for.
    """
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quotas = (quota for folder in group_folders("cpu", root) for quota in _quota(folder))
    return max(1, min((bound or 1, *map(math.ceil, quotas))))


def _quota(folder: Path) -> Iterator[float]:
    """Cores that a control group allows, where it says so."""
    together = folder / "cpu.max"  # version 2
    apart = folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us"  # version 1
    if together.exists():
        quota, period = together.read_text(encoding="utf-8").split()
    elif all(path.exists() for path in apart):
        quota, period = (path.read_text(encoding="utf-8").strip() for path in apart)
    else:
        return
    if quota not in ("max", "-1"):
        yield int(quota) / int(period)
