import os
import signal
import threading
import time
from contextlib import suppress

import pytest

from regimecast.core.errors import TimeLimitError
from regimecast.core.stopping import StopSignals, stop_if_asked


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_both_signals_interrupt(number: signal.Signals):
    before = signal.getsignal(number)
    with StopSignals() as stop:
        assert stop.received is None
        with pytest.raises(KeyboardInterrupt, match=number.name):
            os.kill(os.getpid(), number)
        assert stop.received == number
    assert signal.getsignal(number) is before


def test_a_sigterm_that_follows_is_ignored_and_a_second_ctrl_c_is_not():
    with StopSignals() as stop:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.received == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_what_was_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with StopSignals() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.received is None
    finally:
        signal.signal(signal.SIGINT, before)


def test_outside_the_main_thread_nothing_happens():
    errors: list[BaseException] = []

    def body() -> None:
        try:
            with StopSignals():
                pass
        except ValueError as error:  # what Python says of signals in another thread
            errors.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert not errors


class Interrupted:
    """Python drops what is raised here."""

    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_was_lost_counts_at_the_next_step():
    stop_if_asked()
    with StopSignals() as stop:
        stop_if_asked()
        thing = Interrupted()
        del thing
        assert stop.received == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt, match="SIGTERM"):
            stop_if_asked()
    stop_if_asked()


def test_the_time_is_up():
    before = signal.getsignal(signal.SIGALRM)
    with StopSignals(seconds=0.05), pytest.raises(TimeLimitError, match=r"longer than the 0\.05"):
        time.sleep(5)
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_a_time_limit_that_was_swallowed_is_said_again():
    with StopSignals(seconds=0.01):
        with suppress(TimeLimitError):
            time.sleep(5)
        with pytest.raises(TimeLimitError):
            stop_if_asked()


def test_work_that_is_done_in_time_hears_nothing_of_it():
    with StopSignals(seconds=0.05):
        pass
    time.sleep(0.1)
