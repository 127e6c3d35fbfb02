"""Seconds of a training step, stamped at its start, whoever's loop it is.

Set-up, the first step and what follows the last one do not count.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from time import perf_counter, process_time
from typing import Any

from lightning.pytorch import Callback

from regimecast.bench.results import Sample
from regimecast.bench.timing import Clock
from regimecast.core.errors import ConfigError
from regimecast.training.lightning import quiet

__all__ = ["Stamps", "in_turn", "mark", "stamps_for", "step_seconds", "unheard"]

_UNCOUNTED = 1
_marks: list[tuple[float, float]] = []
"""Wall and processor time of the training that runs now; callbacks may be copied, so that none
keeps its own."""


def mark() -> None:
    """Notes that a training step starts now."""
    _marks.append((perf_counter(), process_time()))


class _Stamping:
    """`mark` at the start of every training batch, as a Lightning callback of either package."""

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
        """Notes the time."""
        mark()


class Stamps(_Stamping, Callback):
    """The callback for `lightning.pytorch`."""


def stamps_for(package: str) -> Any:
    """The callback for another package of Lightning, such as ``pytorch_lightning``."""
    return type("Stamps", (_Stamping, import_module(package).Callback), {})()


@contextmanager
def unheard() -> Iterator[None]:
    """A peer at work without its greetings and warnings, which are its own affair."""
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def step_seconds(train: Callable[[], object], *, clock: Clock = "processor") -> float:
    """Mean time from one step's start to the next one's.

    Raises:
        ConfigError: fewer than three steps were marked.
    """
    _marks.clear()
    train()
    counted = [now[clock == "processor"] for now in _marks[_UNCOUNTED:]]
    if len(counted) < 2:
        raise ConfigError(f"{len(_marks)} steps were marked; allowed: {_UNCOUNTED + 2} or more")
    return (counted[-1] - counted[0]) / (len(counted) - 1)


def in_turn(
    contestants: Mapping[str, Callable[[], float]], *, repetitions: int
) -> dict[str, Sample]:
    """What each contestant says it took, in each repetition; a first round does not count.

    As `take_turns`, for contestants that hold the clock themselves.
    """
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(repetitions + 1):
        for name, call in contestants.items():
            taken = call()
            if turn > 0:
                times[name].append(max(taken, 1e-9))
    return {name: Sample(name, tuple(taken)) for name, taken in times.items()}
