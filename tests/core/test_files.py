import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from regimecast.core.errors import ConfigError
from regimecast.core.files import (
    atomic_path,
    check_writable,
    check_writable_folder,
    read_json,
    read_json_entries,
    remove_leftovers,
    write_json,
)
from regimecast.core.hashing import hash_array, hash_arrays, hash_file, hash_json


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path):
    path = tmp_path / "a.json"
    write_json(path, {"x": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"x": float("nan")})
    with pytest.raises(KeyboardInterrupt):
        _stop_half_way(path)
    assert read_json(path) == {"x": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def _stop_half_way(path: Path) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.json"
    write_json(path, [1])

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_json(path, [2])
    assert read_json(path) == [1]
    assert len(list(tmp_path.iterdir())) == 1


def test_what_can_be_written_is_known_before(tmp_path: Path):
    (tmp_path / "file").touch()
    check_writable(tmp_path / "new" / "deeper" / "a.yaml", "--output")
    check_writable(tmp_path / "file", "--output")
    check_writable_folder(tmp_path / "new", "--folder")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("check", "path", "message"),
    [
        (check_writable, "", "^--output .* is a folder; name a file"),
        (check_writable, "file/a.yaml", "^--output .*a.yaml cannot be .*/file is a file"),
        (check_writable, "/proc/none/a.yaml", "--output /proc.*no file can be made in /proc"),
        (check_writable, "gone/a.yaml", "no file can be made in .*gone"),
        (check_writable_folder, "file", "^--output .*file cannot be .* it is a file"),
        (check_writable_folder, "/proc/none", "--output /proc/none cannot be written to"),
    ],
)
def test_what_cannot_be_written_is_said(
    tmp_path: Path, check: Callable[[Path, str], None], path: str, message: str
):
    (tmp_path / "file").touch()
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=message):
        check(tmp_path / path, "--output")


def test_hashes_tell_dtype_shape_and_order_apart(tmp_path: Path):
    ones = np.ones((2, 3))
    different = [ones, ones.T.copy(), ones.astype(np.float32), ones.reshape(-1), ones + 1]
    assert len({hash_array(a) for a in different}) == len(different)
    assert hash_array(ones) == hash_array(np.asfortranarray(ones))
    assert hash_arrays(ones, ones + 1) != hash_arrays(ones + 1, ones)
    assert hash_json({"a": 1, "b": 2}) == hash_json({"b": 2, "a": 1})
    (tmp_path / "f").write_bytes(b"abc")
    assert hash_file(tmp_path / "f").startswith("ba7816bf")


@pytest.mark.parametrize("synced", [True, False])
def test_a_write_waits_for_the_disk_unless_told_otherwise(tmp_path, monkeypatch, synced):
    waits = []
    monkeypatch.setattr(os, "fsync", waits.append)
    write_json(tmp_path / "x.json", [1], synced=synced)
    assert read_json(tmp_path / "x.json") == [1]
    assert len(waits) == synced


def test_without_links_a_name_is_given_once_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    path = tmp_path / "record"
    with atomic_path(path, replaces=False) as temporary:
        temporary.write_text("first")
    with (
        pytest.raises(FileExistsError),
        atomic_path(path, replaces=False) as temporary,
    ):
        temporary.write_text("second")
    assert path.read_text() == "first"
    assert [file.name for file in tmp_path.iterdir()] == ["record"]


@pytest.mark.parametrize("indent", [None, 2])
def test_some_entries_are_read_wherever_they_are(tmp_path: Path, indent: int | None):
    path = tmp_path / "a.json"
    content = {"status": "ok", "process": {"id": 3}, "text": "ü" * 9000, "last": [1, 2]}
    path.write_text(json.dumps(content, indent=indent, ensure_ascii=False) + " " * 50)
    assert read_json_entries(path, ("status", "process")) == {"status": "ok", "process": {"id": 3}}
    assert read_json_entries(path, ("last", "status")) == {"last": [1, 2], "status": "ok"}
    assert read_json_entries(path, ("status", "none")) == {"status": "ok"}


@pytest.mark.parametrize("text", ["", "{", '{"a": 1', "[1]", "3", '{"b" 1}'])
def test_entries_of_what_is_no_mapping_are_an_error(tmp_path: Path, text: str):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError):  # noqa: PT011  # json's own, or ours
        read_json_entries(tmp_path / "a.json", ("b",))


def test_only_what_was_being_written_is_removed(tmp_path: Path):
    (tmp_path / "below").mkdir()
    kept = [tmp_path / name for name in ("a.json", ".gitignore", ".a.json", "below/.b.Report.html")]
    for file in kept:
        file.write_text("x")
    for name in (".a.json.abcd_123.json", "below/.b.zzzz0000", "below/.c.ckpt.________.ckpt"):
        (tmp_path / name).write_text("half")
    remove_leftovers(tmp_path)
    assert sorted(p for p in tmp_path.rglob("*") if p.is_file()) == sorted(kept)
