"""The same work in several processes at once, and only that work.

Lightning's own launcher for ``strategy=ddp`` runs the whole command again in every process: its
run folder, data and tracker too, and in a notebook there is no command. Its others lose the error
and what callbacks know. Here processes are made first, each with its rank in the environment, which
Lightning takes to mean that it need not launch any.
"""

import logging
import os
import pickle
import signal
import socket
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from logging.handlers import QueueHandler
from multiprocessing import connection, parent_process
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from queue import SimpleQueue
from typing import Any, TypeAlias, TypeVar

import torch
from torch import multiprocessing
from typing_extensions import override

from regimecast.training.threads import share_of_threads

__all__ = ["Tell", "in_processes"]

_LOGGER = "regimecast"
_SECONDS_TO_END = 10.0
"""Patience with a process that has nothing left to do."""

T = TypeVar("T")
Tell: TypeAlias = Callable[[Any], None]
"""Sends a message to the process that waits."""


@dataclass(frozen=True)
class _Message:
    content: Any


@dataclass(frozen=True)
class _Logged:
    record: logging.LogRecord


@dataclass(frozen=True)
class _Failure:
    error: Exception


@dataclass(frozen=True)
class _Done:
    result: Any


def in_processes(count: int, work: Callable[[Tell], T], *, hear: Tell) -> T:
    """What `work` returns in process 0, having run in `count` new processes side by side.

    Tensors inside `work` are moved to shared memory, so that no process holds a copy; the machine's
    shared memory (``/dev/shm``) has to hold them.

    Args:
        count: number of processes; each finds its number in ``LOCAL_RANK``.
        work: picklable; gets a function that sends messages.
        hear: gets each message as it comes, here. Log records come by themselves: those of the
            framework and Python's warnings from process 0, the framework's warnings from others.

    Raises:
        Exception: the first that any process raised, with its traceback as a note.
        ChildProcessError: a process died without one, for lack of memory, say.
        KeyboardInterrupt: Ctrl-C; as after any error, no process is left.
    """
    context = multiprocessing.get_context("spawn")
    port, level = _free_port(), logging.getLogger(_LOGGER).getEffectiveLevel()
    receivers: dict[Connection, Any] = {}
    try:
        for rank in range(count):
            receiver, sender = context.Pipe(duplex=False)
            with sender:
                process = context.Process(
                    target=_body, args=(rank, port, share_of_threads(count), level, sender, work)
                )
                process.start()
            receivers[receiver] = process
        result: T = _listen(receivers, hear)
        for process in receivers.values():
            process.join(_SECONDS_TO_END)
        return result
    finally:
        for receiver, process in receivers.items():
            process.kill()
            process.join()
            receiver.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listen(receivers: dict[Connection, Any], hear: Tell) -> Any:
    """Result of process 0, once all are done."""
    talking = list(receivers)
    result = None
    while talking:
        for receiver in connection.wait(talking):
            assert isinstance(receiver, Connection)
            rank = list(receivers).index(receiver)
            match _receive(receiver, rank, receivers[receiver]):
                case _Message(content):
                    hear(content)
                case _Logged(record):
                    logging.getLogger(record.name).handle(record)
                case _Failure(error):
                    raise error
                case _Done(value):
                    talking.remove(receiver)
                    result = value if rank == 0 else result
    return result


def _receive(receiver: Connection, rank: int, process: Any) -> Any:
    try:
        return pickle.loads(receiver.recv_bytes())  # noqa: S301  # from a process made here
    except EOFError:
        process.join()
        code = process.exitcode
        ending = f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
        raise ChildProcessError(f"training process {rank} died with {ending}") from None


def _body(
    rank: int,
    port: int,
    threads: int,
    level: int,
    sender: Connection,
    work: Callable[[Tell], Any],
) -> None:
    """What a process does."""
    # Ctrl-C reaches every process of a terminal; the one that waits ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    os.environ |= {"LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}

    lock = threading.Lock()

    def send(message: Any) -> None:
        # As bytes: a tensor sent as such is shared memory, gone when this process ends.
        with lock:
            sender.send_bytes(pickle.dumps(message))

    _relay_log(send, level, first=rank == 0)
    try:
        result = work(lambda content: send(_Message(content)))
        send(_Done(result if rank == 0 else None))
    except Exception as error:  # noqa: BLE001  # it is raised in the process that waits
        error.add_note(f"Process {rank}:\n{''.join(traceback.format_exception(error))}")
        send(_Failure(_portable(error)))


def _relay_log(send: Tell, level: int, *, first: bool) -> None:
    """Hands on what is logged here, and nowhere else."""
    handler = _Sending(send)
    log = logging.getLogger(_LOGGER)
    # What one process has to say of the training, all would say.
    log.setLevel(level if first else max(level, logging.WARNING))
    logging.captureWarnings(first)
    for logger in (log, *([logging.getLogger("py.warnings")] if first else [])):
        logger.propagate = False
        logger.addHandler(handler)


class _Sending(QueueHandler):
    """Hands log records to the process that waits: only there they have somewhere to go."""

    def __init__(self, send: Tell) -> None:
        super().__init__(SimpleQueue())  # which stays empty
        self._send = send

    @override
    def enqueue(self, record: logging.LogRecord) -> None:
        self._send(_Logged(record))


def _portable(error: Exception) -> Exception:
    """The error, or its text where it cannot travel."""
    try:
        return pickle.loads(pickle.dumps(error))  # noqa: S301  # made on this line
    except Exception:  # noqa: BLE001  # an error of any class can refuse in any way
        return RuntimeError("".join(traceback.format_exception(error)))


def _end_with_parent() -> None:
    """Ends this process when the one that waits for it is no more, however it ended."""
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


def _generator(state: bytes) -> torch.Generator:
    generator = torch.Generator()
    generator.set_state(torch.frombuffer(bytearray(state), dtype=torch.uint8))
    return generator


def _generator_in_parts(generator: torch.Generator) -> tuple[Callable[..., Any], tuple[bytes]]:
    return _generator, (generator.get_state().numpy().tobytes(),)


# A generator pickles its state as a tensor that nothing else holds: here it would be shared memory,
# and closed before the new process opens it.
ForkingPickler.register(torch.Generator, _generator_in_parts)
