"""Processes of this machine: who one is, and whether it still lives."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["here", "lives", "this_process"]

_GONE = ("Z", "X")
"""States of a process that has ended and that nobody has asked after yet."""


def this_process() -> dict[str, Any]:
    """What tells this process from every other: its number, its host, and when it was started."""
    return {"id": os.getpid(), "host": socket.gethostname(), "started": _started(os.getpid())}


def here(process: Mapping[str, Any]) -> bool:
    """Whether a process is, or was, one of this machine."""
    return process.get("host") == socket.gethostname()


def lives(process: Mapping[str, Any]) -> bool:
    """Whether a process of this machine still runs.

    A number is given again after a while; where the system says when each was started, the later
    process is not taken for the earlier.
    """
    number = int(process["id"])
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    started = _started(number)
    return started != "" and (started is None or process.get("started") in (None, started))


def _started(number: int) -> str | None:
    """Clock tick of its start; empty where it has ended, None where the system does not say."""
    try:
        text = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return "" if Path("/proc/self/stat").exists() else None
    except OSError:
        return None
    # The name in brackets may hold anything; what follows it is plain.
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] in _GONE else fields[19]
