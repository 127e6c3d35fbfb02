"""Memory that this process may still take: what the machine has, and what its container allows."""

from collections.abc import Iterator
from pathlib import Path

from regimecast.core.control_groups import group_folders

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
    left = (size for folder in group_folders("memory", root) for size in _left(folder))
    return min((*_machine(root), *left), default=None)


def _machine(root: Path) -> Iterator[int]:
    path = root / "proc/meminfo"
    if path.exists():
        _, known, after = path.read_text(encoding="ascii").partition("MemAvailable:")
        if known:
            yield int(after.split()[0]) * 1024


def _left(folder: Path) -> Iterator[int]:
    """What a control group leaves, where it has a limit."""
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
