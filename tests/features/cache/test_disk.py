"""The disk tier: damage, folders that cannot be used, limits, and what dead processes leave."""

import errno
import logging
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from regimecast.features.cache import disk
from regimecast.features.cache.disk import DiskTier
from tests.features.cache.tables import NAMES, key, numbers


class Asked:
    """A tier, and the numbers of the tables that had to be computed."""

    def __init__(self, folder: Path, *, limit: float = 1e9) -> None:
        self.tier = DiskTier(folder, limit)
        self.computed: list[int] = []

    def __call__(self, number: int) -> None:
        def compute() -> np.ndarray:
            self.computed.append(number)
            return numbers(number)

        np.testing.assert_array_equal(self.tier.get(key(number), NAMES, compute), numbers(number))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "a" / "cache"


@pytest.fixture
def size(tmp_path: Path) -> int:
    """Bytes of one file."""
    Asked(tmp_path / "measured")(0)
    (file,) = tables(tmp_path / "measured")
    return file.stat().st_size


def tables(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9a-f]*.arrow"))


def file(folder: Path, number: int) -> Path:
    return folder / f"{key(number)}.arrow"


def temporary(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.startswith(".")]


def test_a_table_is_computed_once_for_every_tier_of_the_folder(folder: Path) -> None:
    first, second = Asked(folder), Asked(folder)
    for asked in (first, second, first):
        asked(1)
    assert (first.computed, second.computed) == ([1], [])
    statistics = first.tier.statistics()
    assert (statistics.hits, statistics.misses, statistics.entries) == (1, 1, 1)
    assert statistics.bytes == file(folder, 1).stat().st_size
    assert temporary(folder) == []


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def exchanged(path: Path) -> None:
    """The sound file of another table under this one's name."""
    Asked(path.parent)(2)
    shutil.copy(file(path.parent, 2), path)


@pytest.mark.parametrize("damage", [flipped, cut, emptied, exchanged])
def test_a_damaged_file_is_reported_computed_anew_and_replaced(
    folder: Path, damage: object, caplog: pytest.LogCaptureFixture
) -> None:
    Asked(folder)(1)
    whole = file(folder, 1).read_bytes()
    assert callable(damage)
    damage(file(folder, 1))
    asked = Asked(folder)
    with caplog.at_level(logging.WARNING):
        asked(1)
        asked(1)
    assert asked.computed == [1]
    assert asked.tier.statistics().corrupt == 1
    (record,) = caplog.records
    assert f"{file(folder, 1)} is damaged" in record.getMessage()
    assert file(folder, 1).read_bytes() == whole


def test_a_file_in_place_of_the_folder_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_text("not a folder")
    asked = Asked(tmp_path / "cache")
    with caplog.at_level(logging.WARNING):
        for number in (1, 2, 1):
            asked(number)
    assert asked.computed == [1, 2, 1]
    (record,) = caplog.records
    assert f"{tmp_path / 'cache'} cannot be" in record.getMessage()
    assert "the run goes on" in record.getMessage()
    assert asked.tier.statistics().entries == 0


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_a_folder_that_takes_no_more_is_said_once_and_still_read(
    folder: Path, number: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Asked(folder)(1)

    def refuse(path: Path, *args: object, **kwargs: object) -> None:
        path.write_bytes(b"half")
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(disk, "write_table", refuse)
    asked = Asked(folder)
    with caplog.at_level(logging.WARNING):
        for table in (2, 3, 1, 2):
            asked(table)
    assert asked.computed == [2, 3, 2]
    (record,) = caplog.records
    assert os.strerror(number) in record.getMessage()
    assert tables(folder) == [file(folder, 1)]
    assert temporary(folder) == []


def test_a_read_only_folder_gives_what_it_holds(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As root, whom no mode of a folder keeps out, every call that writes is refused."""
    Asked(folder)(1)

    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "utime", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    monkeypatch.setattr(disk, "atomic_path", refuse)
    asked = Asked(folder)
    with caplog.at_level(logging.WARNING):
        asked(1)
        assert caplog.records == []
        asked(2)
        asked(3)
    assert asked.computed == [2, 3]
    assert len(caplog.records) == 1


def test_a_file_system_without_locks_does_without(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*args: object, **kwargs: object) -> None:
        raise NotImplementedError("no flock here")

    monkeypatch.setattr("filelock.FileLock.acquire", none)
    asked = Asked(folder)
    asked(1)
    asked(1)
    assert asked.computed == [1]


def test_the_table_used_longest_ago_goes_first(folder: Path, size: int) -> None:
    asked = Asked(folder, limit=2.5 * size)
    asked(1)
    asked(2)
    for number, age in ((1, 200), (2, 100)):
        os.utime(file(folder, number), (time.time() - age,) * 2)
    asked(1)  # a hit, hence used just now
    asked(3)
    assert set(tables(folder)) == {file(folder, 1), file(folder, 3)}
    statistics = asked.tier.statistics()
    assert statistics.evictions == 1
    assert statistics.bytes <= 2.5 * size


def test_a_limit_holds_to_the_byte(folder: Path, size: int) -> None:
    exact = Asked(folder, limit=2.0 * size)
    for number in range(4):
        exact(number)
        assert sum(path.stat().st_size for path in tables(folder)) <= 2 * size
    assert len(tables(folder)) == 2


def test_a_table_beyond_the_limit_pushes_nothing_out(folder: Path, size: int) -> None:
    Asked(folder)(1)
    small = Asked(folder, limit=10.0)
    small(2)
    assert tables(folder) == [file(folder, 1)]


def test_other_files_in_the_folder_are_left_alone(folder: Path, size: int) -> None:
    folder.mkdir(parents=True)
    others = [folder / "mine.arrow", folder / ".hidden.arrow", folder / f"{key(1)}.txt"]
    for other in others:
        other.write_bytes(b"x" * 10 * size)
        os.utime(other, (0, 0))
    asked = Asked(folder, limit=1.5 * size)
    for number in range(3):
        asked(number)
    assert all(other.exists() for other in others)
    assert len(tables(folder)) == 1


def test_what_a_dead_process_left_is_cleared_away_later(folder: Path) -> None:
    Asked(folder)(1)
    left = [folder / f".{key(7)}.arrow.{name}.arrow" for name in ("old", "new")]
    for path in left:
        path.write_bytes(b"half")
    os.utime(left[0], (time.time() - 7200,) * 2)
    Asked(folder)(2)
    assert [path.exists() for path in left] == [False, True]  # somebody may be writing the new one


def test_an_empty_table_is_not_written(folder: Path) -> None:
    tier = DiskTier(folder, 1e9)
    empty = np.empty((0, 2), np.float32)
    for _ in range(2):
        assert tier.get(key(1), NAMES, lambda: empty).shape == (0, 2)
    assert tables(folder) == []


def test_an_error_of_the_computation_leaves_nothing(folder: Path) -> None:
    def fail() -> np.ndarray:
        raise KeyboardInterrupt

    tier = DiskTier(folder, 1e9)
    with pytest.raises(KeyboardInterrupt):
        tier.get(key(1), NAMES, fail)
    assert tables(folder) == []
    asked = Asked(folder)
    asked(1)  # and the lock is free
    assert asked.computed == [1]


def test_ctrl_c_while_writing_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(path: Path, *args: object, **kwargs: object) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(disk, "write_table", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Asked(folder)(1)
    assert tables(folder) == []
    assert temporary(folder) == []
    Asked(folder)(1)
