"""The command line as tests call it: in this process, or in a process of its own.

A process of its own is a fork of the server that runs a sweep's jobs, which has imported the
framework already: it is as real as one from a shell, and starts in no time.
"""

import faulthandler
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regimecast.tracking.ledger import Ledger

TINY = (
    "data=synthetic",
    "data.assets=1",
    "data.bars=500",
    "features=[calendar]",
    "window.context_length=8",
    "target.volatility_window=10",
    "regime.minimum=50",
    "model=lstm",
    "trainer.max_epochs=1",
    "trainer.accelerator=cpu",
    "tracker=csv",
    "runs=runs",
    "study=study",
)
"""A run that takes a second."""

ENDLESS = (*TINY, "trainer.max_epochs=1000000", "callbacks.early_stopping.patience=1000000")
"""A run that somebody has to stop."""

_PATIENCE = 180
"""Seconds that a command may take; on a busy machine its server alone takes half a minute.

They are waited for piece by piece, so a machine that stood still for minutes has cost one piece.
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


class Started:
    """A command in a process of its own, its output in files."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["regimecast.experiment"])
        self.out, self.err = folder / "out.txt", folder / "err.txt"
        self.process = context.Process(
            target=_command, args=(list(arguments), str(self.out), str(self.err))
        )
        self.process.start()

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        for _ in range(_PATIENCE * 50):
            if condition():
                return
            assert self.process.is_alive(), f"ended before {what}:\n{self.err.read_text()}"
            time.sleep(0.02)
        raise AssertionError(f"no {what}:\n{self.err.read_text()}")

    def signal(self, number: signal.Signals, *, group: bool = False) -> None:
        """Sends a signal to it, or to all its processes too, as a terminal's Ctrl-C does."""
        assert self.process.pid is not None
        (os.killpg if group else os.kill)(self.process.pid, number)

    def end(self, *, patience: int = _PATIENCE) -> Ended:
        for _ in range(patience):
            self.process.join(1)
            if not self.process.is_alive():
                break
        else:
            assert self.process.pid is not None
            os.kill(self.process.pid, signal.SIGUSR1)  # it writes where it stands
            self.process.join(2)
            self.process.kill()
            raise AssertionError(f"still runs:\n{self.err.read_text()}")
        assert self.process.exitcode is not None
        return Ended(self.process.exitcode, self.out.read_text(), self.err.read_text())


def _command(arguments: list[str], out: str, err: str) -> None:
    os.setpgid(0, 0)
    for path, stream in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    faulthandler.register(signal.SIGUSR1)
    from regimecast.cli import main

    sys.argv = ["regimecast", *arguments]
    main()


def search_end(started: Started) -> Ended:
    """How a search ended; Ray alone takes its time to begin."""
    return started.end(patience=420)


def counted() -> int:
    """Trials of the ledger in the working folder, which is whole."""
    ledger = Ledger(Path("ledger"))
    assert ledger.verify() == []
    return len(ledger.table())


def run_folders(study: Path) -> list[Path]:
    return sorted(path.parent for path in study.glob("*/manifest.json"))


def trains(study: Path, number: int = 1) -> Callable[[], bool]:
    """Whether that many runs of the study have logged an epoch."""

    def look() -> bool:
        logs: list[Any] = [path for path in study.glob("*/metrics.csv") if path.stat().st_size > 99]
        return len(logs) >= number

    return look
