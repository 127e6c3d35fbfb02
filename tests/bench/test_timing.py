import os
from pathlib import Path
from time import sleep

import pytest

from regimecast.bench.timing import in_new_process, resident_bytes, take_turns
from regimecast.core.errors import ConfigError


def test_contestants_take_turns_and_the_first_round_does_not_count():
    calls = []
    found = take_turns(
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")},
        repetitions=3,
        clock="processor",
        before=lambda: calls.append("-"),
        each_turn=lambda turn: calls.append(str(turn)),
    )
    assert "".join(calls) == "0-a-b1-a-b2-a-b3-a-b"
    assert {name: len(sample.values) for name, sample in found.items()} == {"a": 3, "b": 3}


def test_what_happens_before_is_not_timed():
    found = take_turns({"a": lambda: None}, repetitions=3, clock="wall", before=lambda: sleep(0.01))
    assert found["a"].median < 0.005


def test_waiting_counts_on_the_wall_alone():
    def wait() -> None:
        sleep(0.02)

    wall = take_turns({"a": wait}, repetitions=1, clock="wall")["a"].median
    processor = take_turns({"a": wait}, repetitions=1, clock="processor")["a"].median
    assert wall >= 0.02 > processor


def test_short_calls_are_repeated_for_a_while():
    calls = []
    take_turns(
        {"a": lambda: (calls.append(1), sleep(0.001))},
        repetitions=1,
        clock="wall",
        least_seconds=0.02,
    )
    assert 5 < len(calls) <= 21


def test_a_function_in_a_process_of_its_own():
    assert in_new_process(os.getppid) == os.getpid()
    assert in_new_process(divmod, 7, 2) == [3, 1]
    with pytest.raises(ConfigError, match=r"divmod failed .* ZeroDivisionError"):
        in_new_process(divmod, 1, 0)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_resident_memory():
    now, peak = resident_bytes("now"), resident_bytes("peak")
    assert 2**20 < now <= peak
