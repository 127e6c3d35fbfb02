import os
import subprocess
import sys

from regimecast.core.processes import here, lives, this_process


def test_this_process_lives_here():
    assert here(this_process())
    assert lives(this_process())
    assert not here({**this_process(), "host": "elsewhere"})


def test_a_process_that_was_ended_does_not_live_even_before_anyone_asks_after_it():
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # a zombie now
    assert not lives({"id": child.pid})
    child.wait()
    assert not lives({"id": child.pid})


def test_a_number_that_was_given_again_is_another_process():
    assert not lives({**this_process(), "started": "1"})
    # Manifests of older versions say no more than the number.
    assert lives({"id": os.getpid()})
