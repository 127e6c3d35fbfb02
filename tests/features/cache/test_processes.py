"""Processes that share a folder of tables, and what is done to them and to it."""

import logging
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regimecast.features.cache import disk
from regimecast.features.cache.disk import DiskTier
from tests.features.cache.tables import BYTES, NAMES, key, numbers

_CONTEXT = get_context("forkserver")

Start = Callable[..., BaseProcess]


@pytest.fixture
def start() -> Iterator[Start]:
    """A function in a process of its own, ended with the test."""
    _CONTEXT.set_forkserver_preload(["regimecast.features.cache"])
    started: list[BaseProcess] = []

    def call(target: Callable[..., None], *arguments: Any) -> BaseProcess:
        process = _CONTEXT.Process(target=target, args=arguments)
        process.start()
        started.append(process)
        return process

    yield call
    for process in started:
        if process.is_alive():
            process.kill()
        process.join()


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"no {what}"
        time.sleep(0.002)


def ask_often(folder: str, seed: int, limit: float) -> None:
    """Any of eight tables, of which the folder has room for four."""
    logging.disable()
    tier = DiskTier(Path(folder), limit)
    choice = np.random.default_rng(seed)
    for _ in range(250):
        number = int(choice.integers(8))
        values = tier.get(key(number), NAMES, lambda number=number: numbers(number))
        if not np.array_equal(values, numbers(number)):
            os._exit(3)


def ask_once(folder: str, log: str) -> None:
    """A table that takes half a second; computing it is noted."""

    def compute() -> np.ndarray:
        with Path(log).open("a") as file:
            file.write("computed\n")
        time.sleep(0.5)
        return numbers(1)

    values = DiskTier(Path(folder), 1e9).get(key(1), NAMES, compute)
    if not np.array_equal(values, numbers(1)):
        os._exit(3)


def ask_without_room(folder: str) -> None:
    """A table where no file may be as long as it."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (BYTES // 2, BYTES // 2))
    tier = DiskTier(Path(folder), 1e9)
    for number in (1, 2, 1):
        values = tier.get(key(number), NAMES, lambda number=number: numbers(number))
        if not np.array_equal(values, numbers(number)):
            os._exit(3)
    if list(Path(folder).glob("*.arrow")) or tier.statistics().misses != 3:
        os._exit(4)
    os._exit(0)  # what measures coverage could not write its file


def write_for_ever(folder: str, log: str) -> None:
    """Half a file, and no end to it."""

    def half(path: Path, *arguments: Any, **others: Any) -> None:
        path.write_bytes(b"half")
        Path(log).write_text("writing")
        time.sleep(1000)

    disk.write_table = half
    DiskTier(Path(folder), 1e9).get(key(1), NAMES, lambda: numbers(1))


def test_processes_that_write_evict_and_meet_damage_get_right_numbers(
    tmp_path: Path, start: Start
) -> None:
    folder = tmp_path / "cache"
    limit = 4.0 * (BYTES + 800)
    processes = [start(ask_often, str(folder), seed, limit) for seed in range(4)]
    choice = np.random.default_rng(99)
    damaged = 0
    while any(process.is_alive() for process in processes):
        for path in list(folder.glob("[0-9a-f]*.arrow")):
            try:
                with path.open("rb+") as file:
                    if choice.random() < 0.5:
                        file.seek(int(choice.integers(BYTES)))
                        file.write(b"\xff\x01")
                    else:
                        file.truncate(int(choice.integers(BYTES)))
                damaged += 1
            except FileNotFoundError:
                continue
        time.sleep(0.002)
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert damaged > 10
    found = list(folder.glob("*.arrow"))
    assert sum(path.stat().st_size for path in found) <= limit
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_of_processes_that_want_one_table_one_computes(tmp_path: Path, start: Start) -> None:
    log = tmp_path / "log"
    processes = [start(ask_once, str(tmp_path / "cache"), str(log)) for _ in range(4)]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert log.read_text().splitlines() == ["computed"]


def test_a_disk_without_room_is_done_without(tmp_path: Path, start: Start) -> None:
    process = start(ask_without_room, str(tmp_path / "cache"))
    process.join(60)
    assert process.exitcode == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_writer_that_is_killed_leaves_no_wrong_table_and_one_that_hangs_holds_nobody_up(
    tmp_path: Path, start: Start, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "_PATIENCE", 0.2)
    folder, log = tmp_path / "cache", tmp_path / "log"
    process = start(write_for_ever, str(folder), str(log))
    wait_for(log.exists, "beginning of a file")
    assert process.pid is not None
    os.kill(process.pid, number)
    if number == signal.SIGKILL:
        process.join()
    assert list(folder.glob("[0-9a-f]*.arrow")) == []
    values = DiskTier(folder, 1e9).get(key(1), NAMES, lambda: numbers(1))
    np.testing.assert_array_equal(values, numbers(1))
    (left,) = folder.glob(".*.arrow")
    os.utime(left, (time.time() - 7200,) * 2)
    DiskTier(folder, 1e9).get(key(2), NAMES, lambda: numbers(2))
    assert not left.exists()
