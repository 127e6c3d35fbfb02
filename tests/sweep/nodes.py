"""A Ray cluster on this machine as ``ray start`` makes one: every node a tree of processes."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp

__all__ = ["CLIENT", "Node", "Nodes", "cluster", "environment_of"]

_PATIENCE = 120
_MEMORY = 80 * 2**20
"""Bytes of each node's object store: little is ever in it."""
_QUICK = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_health_check_initial_delay_ms": "500",
    "RAY_health_check_period_ms": "500",
}
"""Nobody needs a token, and the head looks often whether the others live."""

CLIENT = find_spec("grpc") is not None
"""Whether the head can speak to Ray Client."""


class Node:
    """One node, from ``ray start --block`` on."""

    def __init__(self, folder: Path, *options: str, within: Sequence[str] = ()) -> None:
        self._log = folder / "out.txt"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *within, sys.executable, "-m", "ray.scripts.scripts", "start", "--block",
                    "--disable-usage-stats", "--node-ip-address=127.0.0.1",
                    f"--temp-dir={folder}", f"--object-store-memory={_MEMORY}",
                    "--min-worker-port=0", "--max-worker-port=0",
                    f"--dashboard-agent-listen-port={free_port()}", *options,
                ],
                stdout=log, stderr=log, env={**os.environ, **_QUICK}, start_new_session=True,
            )  # fmt: skip

    def wait(self) -> None:
        """Returns when the node takes jobs."""
        deadline = time.monotonic() + _PATIENCE
        while "Ray runtime started" not in (text := self._log.read_text()):
            assert self.process.poll() is None, text
            assert time.monotonic() < deadline, text
            time.sleep(0.05)

    def processes(self) -> set[int]:
        """Numbers of the node's processes, jobs and what they began among them."""
        children: dict[int, list[int]] = {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                fields = path.read_text().rpartition(")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(path.parent.name))
        found, waiting = set(), [self.process.pid]
        while waiting:
            one = waiting.pop()
            found.add(one)
            waiting += children.get(one, [])
        return found

    def kill(self) -> None:
        """Ends all of it at once, as when a machine loses its power."""
        for number in self.processes():
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        self.process.wait()


class Nodes:
    """Nodes of a cluster; the first is its head."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._client_port = free_port()
        self.each: list[Node] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    @property
    def client_address(self) -> str:
        return f"ray://127.0.0.1:{self._client_port}"

    def begin(self, *, cpus: int, gpus: int = 0, within: Sequence[str] = ()) -> Node:
        """Another node; the first one waits for itself.

        Args:
            cpus, gpus: what it says it has.
            within: command that runs the node's as its last arguments.
        """
        size = (f"--num-cpus={cpus}", f"--num-gpus={gpus}")
        place = Path(mkdtemp(prefix="n", dir=self._folder))
        if self.each:
            node = Node(place, f"--address={self.address}", *size, within=within)
        else:
            client = [f"--ray-client-server-port={self._client_port}"] if CLIENT else []
            own = ("--head", f"--port={self._port}", "--include-dashboard=false", *client)
            node = Node(place, *own, *size)
            node.wait()
        self.each.append(node)
        return node


@contextmanager
def cluster() -> Iterator[Nodes]:
    """Block with a cluster that has no node yet; nothing of it is left afterwards."""
    folder = Path(mkdtemp(prefix="ray-", dir="/tmp"))  # a socket's path has to be short
    nodes = Nodes(folder)
    try:
        yield nodes
    finally:
        for node in reversed(nodes.each):
            node.kill()
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def environment_of(process: int) -> dict[str, str]:
    """What a process was begun with."""
    text = Path(f"/proc/{process}/environ").read_text(encoding="utf-8")
    return dict(entry.split("=", 1) for entry in text.split("\0") if "=" in entry)
