import json
import multiprocessing
from pathlib import Path

import pytest

from regimecast.core.errors import BusyError
from regimecast.core.files import read_json
from regimecast.core.processes import this_process
from regimecast.tracking.claim import let_go, new_folder, remove_unborn, taken

SPAWN = multiprocessing.get_context("spawn")


def test_a_folder_is_there_with_its_manifest_and_its_lock(tmp_path: Path):
    path, lock = new_folder(tmp_path / "study", "job", {"a": 1})
    assert path == tmp_path / "study" / "job"
    assert read_json(path / "manifest.json") == {"a": 1}
    with pytest.raises(BusyError, match=r"another process works on .*job"):
        taken(path.parent, path.name)
    let_go(lock)
    let_go(taken(path.parent, path.name))
    assert list((tmp_path / "study" / ".jobs").iterdir()) == []


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path):
    (tmp_path / "job").write_text("a file")
    (tmp_path / "job~2").mkdir()
    (tmp_path / "job~2" / "note.txt").write_text("mine")
    assert new_folder(tmp_path, "job", {})[0].name == "job~3"
    assert (tmp_path / "job~2" / "note.txt").read_text() == "mine"


def test_an_empty_folder_that_a_killed_process_left_is_taken(tmp_path: Path):
    (tmp_path / "job").mkdir()
    assert new_folder(tmp_path, "job", {"a": 1})[0].name == "job"


def test_a_folder_that_another_process_works_on_is_not_taken(tmp_path: Path):
    lock = taken(tmp_path, "job")
    assert new_folder(tmp_path, "job", {})[0].name == "job~2"
    let_go(lock)


def _make(study: str, number: int) -> None:
    for _ in range(number):
        let_go(new_folder(Path(study), "job", {})[1])


def test_processes_that_come_at_once_get_folders_of_their_own(tmp_path: Path):
    workers = [SPAWN.Process(target=_make, args=(str(tmp_path), 20)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert len(list(tmp_path.glob("job*/manifest.json"))) == 60


def test_what_a_killed_process_was_making_is_removed(tmp_path: Path):
    def making(name: str, process: dict) -> Path:
        place = tmp_path / ".jobs" / name
        place.mkdir(parents=True)
        (place / "manifest.json").write_text(json.dumps({"process": process}))
        return place

    mine = making("new-1", this_process())
    dead = making("new-2", {**this_process(), "started": "another process of this number"})
    foreign = making("new-3", {**this_process(), "host": "another machine"})
    remove_unborn(tmp_path)
    assert (mine.exists(), dead.exists(), foreign.exists()) == (True, False, True)
