"""Ctrl-C and SIGTERM as one `KeyboardInterrupt`, so that whatever runs can close its files."""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, ClassVar

from regimecast.core.errors import TimeLimitError

__all__ = ["StopSignals", "stop_if_asked"]


class StopSignals:
    """Context in which SIGINT and SIGTERM raise `KeyboardInterrupt`; `received` says which came.

    A SIGTERM that follows another signal is ignored: a sweep that stops sends one to jobs that the
    terminal's Ctrl-C may have reached already, and their closing must not be interrupted. A second
    Ctrl-C raises again: the user is in a hurry. Signals that were ignored before stay ignored.
    Outside the main thread, where Python has no signals, nothing happens.

    Python drops a `KeyboardInterrupt` that is raised while an object is being deleted. Long work
    therefore calls `stop_if_asked` between its steps.

    Args:
        seconds: after which `TimeLimitError` is raised in it; None for never.
    """

    _innermost: ClassVar["StopSignals | None"] = None

    def __init__(self, *, seconds: float | None = None) -> None:
        self.received: signal.Signals | None = None
        self._seconds = seconds
        self._before: dict[signal.Signals, Callable[..., Any] | int | None] = {}
        self._outer: StopSignals | None = None

    def __enter__(self) -> "StopSignals":
        self._outer, StopSignals._innermost = StopSignals._innermost, self
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._stop)
            if self._seconds is not None:
                self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._time_is_up)
                signal.setitimer(signal.ITIMER_REAL, self._seconds)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        StopSignals._innermost = self._outer
        if signal.SIGALRM in self._before:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None and number == signal.SIGTERM:
            return
        self.received = signal.Signals(number)
        raise KeyboardInterrupt(self.received.name)

    def _time_is_up(self, number: int, frame: FrameType | None) -> None:
        if self.received is None:
            self.received = signal.Signals(number)
            raise self._too_long()

    def _too_long(self) -> TimeLimitError:
        return TimeLimitError(f"it has taken longer than the {self._seconds:g} seconds it may")


def stop_if_asked() -> None:
    """Nothing, unless a signal came whose interrupt was lost.

    Raises:
        KeyboardInterrupt: a signal was received and the work goes on all the same.
        TimeLimitError: the time is up, and it goes on all the same.
    """
    innermost = StopSignals._innermost
    if innermost is not None and innermost.received is signal.SIGALRM:
        raise innermost._too_long()
    if innermost is not None and innermost.received is not None:
        raise KeyboardInterrupt(innermost.received.name)
