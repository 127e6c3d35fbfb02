"""Times of contestants that take turns, and the memory of a new process."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, Literal

from regimecast.bench.results import Sample
from regimecast.core.errors import ConfigError

__all__ = ["Clock", "in_new_process", "resident_bytes", "take_turns"]

Clock = Literal["wall", "processor"]

_CHILD = """
import json, sys
from importlib import import_module
call = getattr(import_module(sys.argv[1]), sys.argv[2])
print(json.dumps(call(*json.loads(sys.argv[3]))))
"""


def take_turns(
    contestants: Mapping[str, Callable[[], object]],
    *,
    repetitions: int,
    clock: Clock,
    before: Callable[[], object] | None = None,
    each_turn: Callable[[int], object] | None = None,
    least_seconds: float = 0.0,
) -> dict[str, Sample]:
    """Seconds of each contestant in each repetition, by its name.

    They take turns (A B C A B C …), so that a busy spell of the machine falls on all of them. A
    first round compiles and warms and does not count.

    Args:
        contestants: what to call, by name.
        repetitions: calls of each that count.
        clock: ``wall`` where disks are part of it, ``processor`` for one thread of computation,
            which is what an idle machine would take.
        before: called before every call, outside the time.
        each_turn: called with the number of each turn before it, 0 for the one that does not count.
        least_seconds: a contestant is called again until it has had this long, and the mean call
            counts; for calls of less than a few milliseconds.
    """
    now = perf_counter if clock == "wall" else process_time
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(repetitions + 1):
        if each_turn is not None:
            each_turn(turn)
        for name, call in contestants.items():
            taken, number = 0.0, 0
            while number == 0 or (turn > 0 and taken < least_seconds):
                if before is not None:
                    before()
                start = now()
                call()
                taken += now() - start
                number += 1
            if turn > 0:
                times[name].append(max(taken, 1e-9) / number)
    return {name: Sample(name, tuple(taken)) for name, taken in times.items()}


def in_new_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function of a module returns in a Python process of its own.

    Args:
        function: defined at the top of an importable module; returns plain values.
        arguments: plain values.

    Raises:
        ConfigError: the process failed; the message ends with what it said last.
    """
    command = [sys.executable, "-c", _CHILD, function.__module__, function.__name__]
    # S603: Python itself, and a function that the caller holds.
    done = subprocess.run(  # noqa: S603  # above
        [*command, json.dumps(arguments)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["nothing"]
        raise ConfigError(f"{function.__name__} failed in a process of its own: {said[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def resident_bytes(which: Literal["now", "peak"]) -> int:
    """Resident memory of this process. Linux only: elsewhere the peak counts a parent's pages too.

    Raises:
        ConfigError: the system does not tell.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        raise ConfigError("resident memory is read from /proc, which this system lacks")
    key = "VmRSS:" if which == "now" else "VmHWM:"
    return int(status.read_text().partition(key)[2].split()[0]) * 1024
