"""Processor cores that this process may really use."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["usable_cores"]


def usable_cores(root: Path = Path("/")) -> int:
    """Cores that the system lets this process use: those it is bound to, within its quota.

    `os.cpu_count` is the machine's number. In a container with a quota, threads beyond it only take
    turns and wait for each other.

    Args:
        root: where the system's own files are looked for.
    """
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min((bound or 1, *map(math.ceil, _quotas(root)))))


def _quotas(root: Path) -> Iterator[float]:
    """Cores that control groups allow: of this process's own group and of all around it."""
    membership = root / "proc/self/cgroup"
    if not membership.exists():
        return
    base = root / "sys/fs/cgroup"
    for line in membership.read_text(encoding="utf-8").splitlines():
        _, controllers, place = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = base / controllers if controllers else base
        group = top / place.lstrip("/")
        # In a container the path may be the host's, which is not visible: the top is its own then.
        for folder in (group, *group.parents):
            yield from _quota(folder)
            if folder == top:
                break


def _quota(folder: Path) -> Iterator[float]:
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
