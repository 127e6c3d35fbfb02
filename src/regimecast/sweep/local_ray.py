"""Ray on this machine alone, for one search: nobody else gets in, and nothing of it is left."""

import logging
import os
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from regimecast.core.cores import usable_cores

__all__ = ["begun_here", "closed_to_others"]

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 2.0
"""Between two looks whether Ray lives."""
_NAME, _LOCK = "regimecast-", "lock"
_YOUNG = 60.0
"""Seconds in which a folder may not have its lock yet."""


@contextmanager
def begun_here(ray: Any, cores: int | None, how: Mapping[str, Any]) -> Iterator[None]:
    """Block in which Ray runs, and this process is connected to it.

    Args:
        ray: the module.
        cores: that jobs may use together; None for all.
        how: further arguments of ``ray.init``.
    """
    with _temporary() as folder:
        try:
            ray.init(
                address="local",
                num_cpus=cores or usable_cores(),
                include_dashboard=False,
                configure_logging=True,
                _temp_dir=str(folder),
                **how,
            )
            with _watched(ray):
                yield
        finally:
            ray.shutdown()


@contextmanager
def _watched(ray: Any) -> Iterator[None]:
    """Block that ends as after Ctrl-C where Ray dies; what waits for it would do so for ever."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_SECONDS):
            try:
                lives = any(node["Alive"] for node in ray.nodes())
            except ray.exceptions.RaySystemError:
                return  # it has been shut down here
            if not lives:
                _log.error("Ray has died on this machine")
                os.kill(os.getpid(), signal.SIGINT)
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join(_LOOK_SECONDS)


@cache
def closed_to_others() -> dict[str, str]:
    """Environment in which Ray asks for a word that nobody else knows.

    Who reaches its ports can run code. Ray reads it as it is imported.
    """
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


@contextmanager
def _temporary() -> Iterator[Path]:
    """A folder for Ray's own files, short since it holds sockets; those of the dead are removed."""
    base = Path(tempfile.gettempdir())
    if len(str(base)) > 30 and sys.platform != "win32":  # a socket's path has 107
        base = Path("/tmp")  # noqa: S108  # made by mkdtemp, for this user only
    for left in base.glob(f"{_NAME}*/{_LOCK}"):
        with suppress(Timeout, OSError):  # its search lives, or it is somebody else's
            if time.time() - left.stat().st_mtime > _YOUNG:
                with FileLock(left, timeout=0):
                    shutil.rmtree(left.parent)
    folder = Path(tempfile.mkdtemp(prefix=_NAME, dir=base))
    try:
        with FileLock(folder / _LOCK):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
