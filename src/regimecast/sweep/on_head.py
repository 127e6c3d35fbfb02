"""A search through Ray Client: a process on the cluster's head runs the command, this one shows it.

Ray Client hands over tasks and nothing else. A search lives where its decisions, its lock and the
study's files are, so all of it goes to the head.
"""

import multiprocessing
import os
import runpy
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from regimecast.core.errors import ConfigError
from regimecast.sweep.job_process import end_with_parent

__all__ = ["is_client", "run_on_head"]

_ADDRESS = "sweep.address="
_CLIENT = "ray://"
_LISTEN_SECONDS = 1.0
"""The head answers that often at least."""
_BLOCK = 65536


def is_client(address: str | None) -> bool:
    """Whether an address is of Ray Client."""
    return address is not None and address.startswith(_CLIENT)


def run_on_head(ray: Any, arguments: Sequence[str]) -> int:
    """Exit code of a command that the head has run in this folder; its output is shown here.

    It ends as after Ctrl-C if this process or the connection dies.

    Args:
        ray: connected through Ray Client.
        arguments: of the command; the cluster's own address takes the place of the client's.

    Raises:
        KeyboardInterrupt: Ctrl-C; the command has ended as it does then.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    on_head = NodeAffinitySchedulingStrategy(_head(ray), soft=False)
    kept = [argument for argument in arguments if not argument.startswith(_ADDRESS)]
    remote = ray.remote(num_cpus=0, max_restarts=0)(_Command)
    command = remote.options(scheduling_strategy=on_head).remote(str(Path.cwd()), kept)
    try:
        return _shown(ray, command)
    except KeyboardInterrupt:
        ray.get(command.interrupt.remote())
        _shown(ray, command)
        raise


def _shown(ray: Any, command: Any) -> int:
    """Exit code of a command, when all that it says has been shown."""
    code: int | None = None
    while code is None:
        said, code = ray.get(command.hear.remote())
        for number, text in said:
            stream = sys.stdout if number == 1 else sys.stderr
            stream.write(text.decode(errors="replace"))
            stream.flush()
    return code


def _head(ray: Any) -> str:
    """Name of the node that the cluster began with.

    Raises:
        ConfigError: it is gone.
    """
    for node in ray.nodes():
        if node["Alive"] and "node:__internal_head__" in node["Resources"]:
            return str(node["NodeID"])
    raise ConfigError(f"{_ADDRESS}{_CLIENT}…: the cluster has no head that lives")


class _Command:
    """A command on the head; it lives in a worker of Ray.

    Args:
        folder: to run in.
        arguments: without the address.
    """

    def __init__(self, folder: str, arguments: Sequence[str]) -> None:
        import ray

        os.chdir(folder)
        # The command would import the worker's own script before anything else.
        sys.modules["__main__"].__dict__.pop("__file__", None)
        address = ray.get_runtime_context().gcs_address
        context = multiprocessing.get_context("spawn")
        pipes = [context.Pipe(duplex=False) for _ in range(2)]
        self._process = context.Process(
            target=_run, args=([*arguments, f"{_ADDRESS}{address}"], *(end for _, end in pipes))
        )
        self._process.start()
        for _, end in pipes:
            end.close()
        self._open: dict[Any, int] = {read: i for i, (read, _) in enumerate(pipes, start=1)}

    def hear(self) -> tuple[list[tuple[int, bytes]], int | None]:
        """What it has written since, each with the number of its stream, and its exit code."""
        ready = wait([*self._open, self._process.sentinel], _LISTEN_SECONDS)
        ended = self._process.sentinel in ready
        # What it has begun may keep the streams open longer than it lives.
        said = [self._read(one) for one in (wait(list(self._open), 0) if ended else ready)]
        texts = [one for one in said if one[1]]
        if ended and not texts:
            self._process.join()
            return [], self._process.exitcode
        return texts, None

    def interrupt(self) -> None:
        """Ctrl-C."""
        with suppress(ProcessLookupError):
            os.kill(int(self._process.pid or 0), signal.SIGINT)

    def _read(self, stream: Any) -> tuple[int, bytes]:
        number = self._open[stream]
        text = os.read(stream.fileno(), _BLOCK)
        if not text:
            del self._open[stream]
        return number, text


def _run(arguments: Sequence[str], out: Connection, errors: Connection) -> None:
    """Body of the command's process."""
    for number, stream in ((1, out), (2, errors)):
        os.dup2(stream.fileno(), number)
        stream.close()
    threading.Thread(target=end_with_parent, daemon=True).start()
    sys.argv = ["regimecast", *arguments]
    runpy.run_module("regimecast", run_name="__main__")
