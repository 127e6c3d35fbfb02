import errno
import json
import logging
import os
import socket
import tempfile
import threading
import warnings
from pathlib import Path

import pytest

from regimecast.core.errors import DataError, DiskFullError
from regimecast.core.files import read_json, write_json
from regimecast.tracking.folder import RunFolder, read_status

LOG = logging.getLogger("regimecast.somewhere")


def test_a_run_that_ends_well_is_finished(tmp_path: Path):
    with RunFolder(tmp_path / "study", "job") as folder:
        folder.update(seed=3)
        assert read_status(folder.path) == "running"
        LOG.info("a line")
    assert folder.path == tmp_path / "study" / "job"
    manifest = read_json(folder.path / "manifest.json")
    assert manifest["status"] == read_status(folder.path) == "finished"
    assert manifest["seed"] == 3
    assert manifest["started"] <= manifest["ended"]
    assert "INFO regimecast.somewhere: a line" in (folder.path / "train.log").read_text()


def test_the_log_is_of_this_run_only_and_leaves_logging_as_it_was(tmp_path: Path):
    logger = logging.getLogger("regimecast")
    before = (list(logger.handlers), logger.level)
    with RunFolder(tmp_path, "one") as one:
        LOG.info("first")
        with pytest.warns(UserWarning, match="odd"):
            warnings.warn("odd", stacklevel=1)
    with RunFolder(tmp_path, "two") as two:
        LOG.info("second")
    assert (list(logger.handlers), logger.level) == before
    assert "second" not in (one.path / "train.log").read_text()
    assert "first" not in (two.path / "train.log").read_text()


@pytest.mark.parametrize(
    ("error", "status", "traced"),
    [
        (DataError("no rows"), "failed", False),
        (ZeroDivisionError("slip"), "failed", True),
        (KeyboardInterrupt(), "interrupted", True),
        (SystemExit(1), "interrupted", True),
    ],
)
def test_an_error_is_named_and_passed_on(
    tmp_path: Path, error: BaseException, status: str, traced: bool
):
    folder = RunFolder(tmp_path, "job")
    write_json(folder.path / "metrics.json", {"status": "finished", "a": 1})
    with pytest.raises(type(error)), folder:
        raise error
    manifest = read_json(folder.path / "manifest.json")
    assert manifest["status"] == read_status(folder.path) == status
    assert manifest["error"].startswith(type(error).__name__)
    assert not manifest["error"].endswith(": ")
    assert ("traceback" in manifest) is traced
    assert read_json(folder.path / "metrics.json") == {"status": status, "a": 1}
    assert f"ERROR regimecast.tracking.folder: {status}" in (folder.path / "train.log").read_text()


def test_folders_of_one_name_never_meet(tmp_path: Path):
    made: list[Path] = []
    barrier = threading.Barrier(8)

    def claim() -> None:
        barrier.wait()
        made.append(RunFolder(tmp_path, "job").path)

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {path.name for path in made} == {"job", *(f"job~{n}" for n in range(2, 9))}


@pytest.mark.parametrize(
    ("process", "status"),
    [
        ({"id": os.getpid(), "host": socket.gethostname()}, "running"),
        ({"id": 2**22 + 1, "host": socket.gethostname()}, "interrupted"),
        ({"id": 2**22 + 1, "host": "elsewhere"}, "running"),
        ({"id": 1, "host": socket.gethostname()}, "running"),
    ],
)
def test_status_of_a_run_whose_process_may_be_gone(tmp_path: Path, process: dict, status: str):
    write_json(tmp_path / "manifest.json", {"status": "running", "process": process})
    assert read_status(tmp_path) == status


def test_status_needs_a_manifest(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        read_status(tmp_path)
    (tmp_path / "manifest.json").write_text('{"status": "run')
    with pytest.raises(json.JSONDecodeError):
        read_status(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_interrupts_and_names_the_folder(tmp_path: Path, number: int):
    folder = RunFolder(tmp_path, "job")
    with pytest.raises(DiskFullError, match=f"{folder.path} is full.*interrupted"), folder:
        raise OSError(number, os.strerror(number))
    manifest = read_json(folder.path / "manifest.json")
    assert manifest["status"] == "interrupted"
    assert os.strerror(number) in manifest["error"]


def test_a_full_disk_is_known_behind_the_error_of_a_library(tmp_path: Path):
    folder = RunFolder(tmp_path, "job")
    said = "(sqlite3.OperationalError) database or disk is full\n[SQL: INSERT INTO ...]"
    with pytest.raises(DiskFullError, match=r"database or disk is full$"), folder:
        raise RuntimeError(said)
    assert read_status(folder.path) == "interrupted"


def test_a_full_disk_is_written_over_the_manifest_of_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    folder = RunFolder(tmp_path, "job")

    def fill_the_disk_and_fail() -> None:
        with folder:
            folder.update(seed=3)
            write_json(folder.path / "metrics.json", {"status": "finished", "a": [1, 2, 3]})
            monkeypatch.setattr(tempfile, "mkstemp", full)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fill_the_disk_and_fail()
    manifest = read_json(folder.path / "manifest.json")
    assert (manifest["status"], manifest["seed"]) == ("failed", 3)
    assert manifest["error"] == "ZeroDivisionError"
    assert read_json(folder.path / "metrics.json") == {"status": "failed", "a": [1, 2, 3]}
    monkeypatch.undo()
    other = RunFolder(tmp_path, "other")
    with pytest.raises(DiskFullError, match="No space left"), other:
        monkeypatch.setattr(tempfile, "mkstemp", full)
    assert read_json(other.path / "manifest.json")["status"] == "interrupted"


def test_a_log_that_cannot_be_written_says_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    with RunFolder(tmp_path, "job") as folder:
        handler = folder._log_handler
        handler.close()
        handler.baseFilename = "/dev/full"
        LOG.info("there is no room for this")
    assert capsys.readouterr().err == ""
    assert read_status(folder.path) == "finished"
