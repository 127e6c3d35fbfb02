"""Folders of the control groups that this process is in, where a container's limits are written."""

from collections.abc import Iterator
from pathlib import Path

__all__ = ["group_folders"]


def group_folders(controller: str, root: Path) -> Iterator[Path]:
    """The process's own group and all around it, innermost first; none where there are no groups.

    Args:
        controller: what the groups are to limit, such as ``memory``.
        root: folder that holds ``proc`` and ``sys``.
    """
    membership = root / "proc/self/cgroup"
    if not membership.exists():
        return
    for line in membership.read_text(encoding="utf-8").splitlines():
        # Version 2 has one hierarchy without a name, version 1 one for each list of controllers.
        _, controllers, place = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / controllers
        folder = top / place.lstrip("/")
        # In a container the path may be the host's, which is not visible: the top is its own then.
        yield folder
        while folder != top:
            folder = folder.parent
            yield folder
