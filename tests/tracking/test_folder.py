import errno
import json
import logging
import os
import socket
import tempfile
import threading
import time
import warnings
from pathlib import Path

import pytest

from regimecast.core.errors import BusyError, ConfigError, DataError, DiskFullError, Pruned
from regimecast.core.files import read_json, write_json
from regimecast.core.processes import this_process
from regimecast.tracking import heartbeat
from regimecast.tracking.folder import RunFolder, end_dead, read_status

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
        (Pruned("after step 3"), "pruned", False),
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


def interrupted(folder: Path, **entries: object) -> Path:
    """A run folder that Ctrl-C has left."""
    run = RunFolder(folder, "job", **entries)

    def attempt() -> None:
        with run:
            LOG.info("first attempt")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt()
    return run.path


def test_a_run_goes_on_in_its_folder(tmp_path: Path):
    path = interrupted(tmp_path, identity="x", seed=3)
    first = read_json(path / "manifest.json")
    with RunFolder.reopen(path) as folder:
        assert read_status(path) == "running"
        LOG.info("second attempt")
    assert folder.path == path
    manifest = read_json(path / "manifest.json")
    assert manifest["status"] == "finished"
    assert (manifest["identity"], manifest["seed"]) == ("x", 3)
    assert "error" not in manifest
    (attempt,) = manifest["attempts"]
    assert attempt["status"] == "interrupted"
    for key in ("started", "ended", "process", "error"):
        assert attempt[key] == first[key]
    log = (path / "train.log").read_text()
    assert log.index("first attempt") < log.index("second attempt")


def test_a_run_that_was_killed_goes_on_without_what_it_was_writing(tmp_path: Path):
    folder = RunFolder(tmp_path, "job")
    folder.update(process={**this_process(), "started": "1"})
    folder.close()  # as the system does when the process dies
    (folder.path / "checkpoints").mkdir()
    litter = folder.path / "checkpoints" / ".model.ckpt.a1b2c3d4.ckpt"
    other = folder.path / ".manifest.json.________.json"
    kept = folder.path / ".gitignore"
    for file in (litter, other, kept):
        file.write_text("half")
    assert read_status(folder.path) == "interrupted"
    with RunFolder.reopen(folder.path):
        assert (litter.exists(), other.exists(), kept.exists()) == (False, False, True)
    (attempt,) = read_json(folder.path / "manifest.json")["attempts"]
    assert attempt["status"] == "interrupted"


def test_one_process_at_a_time_works_on_a_folder(tmp_path: Path):
    with RunFolder(tmp_path, "job") as folder:
        with pytest.raises(BusyError, match="another process works on"):
            RunFolder.reopen(folder.path)
        with pytest.raises(BusyError):
            end_dead(folder.path, "failed", "no")
        assert read_status(folder.path) == "running"


def test_a_run_of_another_machine_is_dead_after_a_long_silence(tmp_path: Path):
    path = interrupted(tmp_path)
    manifest = read_json(path / "manifest.json")
    elsewhere = {"id": 1, "host": "elsewhere"}
    write_json(path / "manifest.json", {**manifest, "status": "running", "process": elsewhere})
    with pytest.raises(BusyError, match="by a process of elsewhere; after 300 seconds of silence"):
        RunFolder.reopen(path)
    for file in (path, *path.iterdir()):
        os.utime(file, (0, 0))
    with RunFolder.reopen(path):
        pass
    assert read_json(path / "manifest.json")["attempts"][0]["process"] == elsewhere


def test_a_run_of_another_machine_lives_while_it_writes_anywhere(tmp_path: Path):
    path = interrupted(tmp_path)
    manifest = read_json(path / "manifest.json")
    elsewhere = {"id": 1, "host": "elsewhere"}
    write_json(path / "manifest.json", {**manifest, "status": "running", "process": elsewhere})
    below = path / "checkpoints" / "fold=0" / "training-00000009.ckpt"
    below.parent.mkdir(parents=True)
    below.write_text("weights")
    alive = tmp_path / ".jobs" / f"{path.name}.alive"
    alive.touch()
    every = (path, alive, *path.rglob("*"))
    for sign in (below, alive):
        for file in every:
            os.utime(file, None if file == sign else (0, 0))
        with pytest.raises(BusyError, match="by a process of elsewhere"):
            RunFolder.reopen(path)
    os.utime(alive, (0, 0))
    RunFolder.reopen(path).close()


def test_a_run_gives_a_sign_of_life_however_long_it_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(heartbeat, "_SECONDS", 0.01)
    with RunFolder(tmp_path, "job") as folder:
        alive = tmp_path / ".jobs" / "job.alive"
        for _ in range(2):
            deadline = time.monotonic() + 60
            while not (alive.exists() and alive.stat().st_mtime):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            for file in (folder.path, alive, *folder.path.rglob("*")):
                os.utime(file, (0, 0))
    assert list((tmp_path / ".jobs").iterdir()) == []


def test_what_cannot_go_on_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="is no run folder"):
        RunFolder.reopen(tmp_path / "none")
    with RunFolder(tmp_path, "job") as folder:
        pass
    for _ in range(2):  # the refusal leaves no lock
        with pytest.raises(ConfigError, match="is finished"):
            RunFolder.reopen(folder.path)
    (folder.path / "manifest.json").write_text("[]")
    with pytest.raises(ConfigError, match="is damaged"):
        RunFolder.reopen(folder.path)


def test_a_run_that_was_killed_on_purpose_says_why(tmp_path: Path):
    folder = RunFolder(tmp_path, "job", seed=3)
    folder.close()
    end_dead(folder.path, "failed", "it took too long")
    manifest = read_json(folder.path / "manifest.json")
    assert (manifest["status"], manifest["error"]) == ("failed", "it took too long")
    assert manifest["seed"] == 3
