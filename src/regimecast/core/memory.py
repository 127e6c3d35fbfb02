"""Memory that this process may still take: what the machine has, and what its container allows."""

from collections.abc import Iterator
from pathlib import Path

__all__ = ["available_bytes"]

_ROOT = Path("/")
_VERSIONS = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
"""Files of limit and use in control groups of version 2 and of version 1."""


def available_bytes(root: Path = _ROOT) -> int | None:
    """Bytes that can be taken before something is killed; None where the system does not tell.

    The least of what the machine has free or can free (``MemAvailable``) and what each control
    group around this process leaves, files in its page cache counted as free.

    Args:
        root: folder that holds ``proc`` and ``sys``; another one in tests.
    """
    found = [*_machine(root), *_groups(root)]
    return min(found, default=None)


def _machine(root: Path) -> Iterator[int]:
    path = root / "proc/meminfo"
    if path.exists():
        _, known, after = path.read_text(encoding="ascii").partition("MemAvailable:")
        if known:
            yield int(after.split()[0]) * 1024


def _groups(root: Path) -> Iterator[int]:
    """What each group leaves that has a limit, from the process's own to the outermost."""
    path = root / "proc/self/cgroup"
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        _, controllers, name = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / ("memory" if controllers else "")
        group = top / name.lstrip("/")
        # A container often sees its own group as the top, under the name that it has outside.
        for folder in (group, *(parent for parent in group.parents if parent.is_relative_to(top))):
            yield from _left(folder)


def _left(folder: Path) -> Iterator[int]:
    for limit, used in _VERSIONS:
        if not ((folder / limit).exists() and (folder / used).exists()):
            continue
        text = (folder / limit).read_text(encoding="ascii").strip()
        if text != "max":
            taken = int((folder / used).read_text(encoding="ascii"))
            yield max(int(text) - taken + _page_cache(folder), 0)


def _page_cache(folder: Path) -> int:
    """Bytes of files that the group has read and that can be dropped at once."""
    path = folder / "memory.stat"
    if not path.exists():
        return 0
    counts = dict(line.split() for line in path.read_text(encoding="ascii").splitlines())
    return int(counts.get("total_inactive_file", counts.get("inactive_file", 0)))
