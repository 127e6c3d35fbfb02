"""A Ray cluster on this machine as ``ray start`` makes one: every node a session of processes.

Tests use it too.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp

__all__ = ["CLIENT", "Cluster", "Node", "Process", "cluster", "processes_of"]

CLIENT = find_spec("grpc") is not None
"""Whether a head can speak to Ray Client."""
PATIENCE = 120.0
"""Seconds in which a node begins."""
MEMORY = 80 * 2**20
"""Bytes of each node's object store: little is ever in it."""
SETTINGS = {
    "RAY_AUTH_MODE": "disabled",  # whatever this user's home has
    # The head looks often whether the others live.
    "RAY_health_check_initial_delay_ms": "500",
    "RAY_health_check_period_ms": "500",
    # A server for a client imports Ray, which takes half a minute where much else runs.
    "RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S": f"{PATIENCE:.0f}",
}


@dataclass(frozen=True)
class Process:
    """One that lives."""

    id: int
    parent: int
    group: int
    command: str


def processes_of(*sessions: int) -> list[Process]:
    """Processes of sessions, by /proc."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state, parent, group, session = (
                (place / "stat").read_text().rpartition(")")[2].split(maxsplit=4)[:4]
            )
            if int(session) in sessions and state != "Z":
                command = (place / "cmdline").read_text().replace("\0", " ")
                found.append(Process(int(place.name), int(parent), int(group), command))
    return found


class Node:
    """One node, from ``ray start --block`` on; it may still be beginning."""

    def __init__(self, folder: Path, *options: str, within: Sequence[str] = ()) -> None:
        folder.mkdir()
        self._log = folder / "out.txt"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *within, sys.executable, "-m", "ray.scripts.scripts", "start", "--block",
                    "--disable-usage-stats", "--node-ip-address=127.0.0.1",
                    f"--temp-dir={folder}", f"--object-store-memory={MEMORY}",
                    "--min-worker-port=0", "--max-worker-port=0",
                    "--dashboard-agent-listen-port=0", *options,
                ],
                stdout=log, stderr=log, env={**os.environ, **SETTINGS}, start_new_session=True,
            )  # fmt: skip
        self.session = self._process.pid

    def wait(self) -> str:
        """What the node has said when it takes jobs."""
        deadline = time.monotonic() + PATIENCE
        while "Ray runtime started" not in (text := self._log.read_text()):
            assert self._process.poll() is None, text
            assert time.monotonic() < deadline, text
            time.sleep(0.05)
        return text

    @property
    def lives(self) -> bool:
        return self._process.poll() is None and any(
            "/raylet " in process.command for process in processes_of(self.session)
        )

    def kill(self) -> int:
        """Ends all of it at once, as when a machine loses its power; returns how many they were."""
        hit = 0
        for process in processes_of(self.session):
            with suppress(ProcessLookupError):
                os.kill(process.id, signal.SIGKILL)
                hit += 1
        self._process.wait()
        return hit


class Cluster:
    """Nodes on this machine; the first is the head."""

    def __init__(self, folder: Path, size: int) -> None:
        self._folder = folder
        self._size = size
        self._made = 0
        self.nodes: list[Node] = []
        self.address = ""
        self.client_address = ""
        """For Ray Client."""

    def begin(self, *, cpus: int = 1, gpus: int = 0, within: Sequence[str] = ()) -> Node:
        """Another node; only the head is waited for.

        Args:
            cpus: cores that it says it has.
            gpus: such GPUs.
            within: command that runs the node's as its last arguments.
        """
        self._made += 1
        place, size = self._folder / str(self._made), (f"--num-cpus={cpus}", f"--num-gpus={gpus}")
        if self.nodes:
            node = Node(place, f"--address={self.address}", *size, within=within)
        else:
            with socket.create_server(("127.0.0.1", 0)) as server:
                port = server.getsockname()[1]
            client = [f"--ray-client-server-port={port}"] if CLIENT else []
            own = ("--head", "--port=0", "--include-dashboard=false", *client)
            node = Node(place, *own, *size, within=within)
            (self.address,) = re.findall(r"--address='(\S+)'", node.wait())
            self.client_address = f"ray://127.0.0.1:{port}"
        self.nodes.append(node)
        return node

    def mend(self) -> None:
        """Begins a fresh node for each that is dead or missing; all of them where the head is."""
        if not self.nodes or not self.nodes[0].lives:
            self.kill()
        for node in [node for node in self.nodes if not node.lives]:
            node.kill()
            self.nodes.remove(node)
        while len(self.nodes) < self._size:
            self.begin()
        for node in self.nodes:
            node.wait()

    def kill(self) -> None:
        """Ends all nodes."""
        while self.nodes:
            self.nodes.pop().kill()


@contextmanager
def cluster(size: int = 0) -> Iterator[Cluster]:
    """Block with a cluster of which nothing is left afterwards.

    Args:
        size: nodes with one core each that it begins with.
    """
    folder = Path(mkdtemp(prefix="ray-", dir="/tmp"))  # a socket's path has to be short
    made = Cluster(folder, size)
    try:
        made.mend()
        yield made
    finally:
        made.kill()
        shutil.rmtree(folder, ignore_errors=True)
