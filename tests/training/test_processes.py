"""Processes side by side: how they end, whoever ends first."""

import logging
import os
import signal
import time
from functools import partial

import pytest

from regimecast.training.processes import in_processes


def _work(tell, *, dies: bool):
    rank = int(os.environ["LOCAL_RANK"])
    tell((rank, os.getpid()))
    if dies and rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_process_that_dies_is_named_and_ends_the_others():
    heard = {}
    with pytest.raises(ChildProcessError, match="training process 1 died with signal SIGKILL"):
        in_processes(2, partial(_work, dies=True), hear=lambda m: heard.update([m]))
    assert not any(_alive(pid) for pid in heard.values())


def test_ctrl_c_ends_all_processes():
    heard = {}

    def press(message):
        heard.update([message])
        if len(heard) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        in_processes(2, partial(_work, dies=False), hear=press)
    assert len(heard) == 2
    assert not any(_alive(pid) for pid in heard.values())
    assert signal.getsignal(signal.SIGINT) is before


def _say(tell):
    log = logging.getLogger("regimecast.anything")
    rank = os.environ["LOCAL_RANK"]
    log.info("trained %s", rank)
    log.warning("beware %s", rank)


def test_what_processes_log_is_logged_here(caplog):
    with caplog.at_level(logging.INFO, logger="regimecast"):
        in_processes(2, _say, hear=lambda _: None)
    assert sorted(caplog.messages) == ["beware 0", "beware 1", "trained 0"]
    assert {record.name for record in caplog.records} == {"regimecast.anything"}
