"""Runs in an object store: whole states, who is behind, and what two ledgers know of a job."""

import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fsspec.registry import registry  # type: ignore[import-untyped]  # fsspec carries no types

from regimecast.core.errors import BusyError, ConfigError, DataError
from regimecast.core.files import read_json, write_json
from regimecast.sweep.search_store import SearchStore
from regimecast.sweep.states import check_remote, check_remote_name
from regimecast.sweep.store import Store
from regimecast.tracking.folder import RunFolder
from regimecast.tracking.ledger import Ledger, Trial
from tests.sweep.searching import settings

JOB, OTHER = "a" * 64, "b" * 64
DATABASE = "search.db"


class Machine:
    """A folder with runs and a ledger that no other machine sees."""

    def __init__(self, folder: Path, url: str) -> None:
        self.config: dict[str, Any] = {
            "runs": str(folder / "runs"), "study": "study", "ledger": str(folder / "ledger"),
        }  # fmt: skip
        self.study = folder / "runs" / "study"
        self.study.mkdir(parents=True)
        self.ledger = Ledger(folder / "ledger")
        self.database = self.study / DATABASE
        self.url = url

    @property
    def store(self) -> Store:
        return Store(self.url, self.config)

    @property
    def search(self) -> SearchStore:
        return SearchStore(self.url, self.config, self.database)

    def begins(self, identity: str = JOB, name: str = "000_a", trial: str = "trial") -> Path:
        """A run folder after its first step."""
        run = RunFolder(self.study, name, identity=identity, trial={"id": trial, "attempt": 1})
        run.close()
        self.goes_on(run.path, 1)
        write_json(self.ledger.folder / "running" / f"{trial}.json", {"attempt": 1})
        return run.path

    def goes_on(self, run: Path, step: int) -> None:
        (run / "checkpoints").mkdir(exist_ok=True)
        for old in (run / "checkpoints").iterdir():
            old.unlink()
        (run / "checkpoints" / f"{step}.ckpt").write_text(f"weights {step}")
        with (run / "progress.csv").open("a") as file:
            file.write(f"{step}\n")

    def ends(self, run: Path, status: str = "finished", trial: str = "trial") -> None:
        manifest = read_json(run / "manifest.json")
        write_json(run / "manifest.json", {**manifest, "status": status})
        record(self.ledger, trial, status)
        (self.ledger.folder / "running" / f"{trial}.json").unlink()


def record(ledger: Ledger, trial: str, status: str, attempt: int = 1) -> None:
    ledger.append(
        Trial(
            trial=trial, attempt=attempt, status=status, study="study", job="job", config={},
            data="", commit=None, split="holdout", metrics={}, bars_per_year=float("nan"),
            time=np.empty(0, "datetime64[ns]"), returns=np.empty(0),
        )
    )  # fmt: skip


def content(run: Path) -> dict[str, bytes]:
    """Files of a run but its manifest, which says who works on it."""
    files = [path for path in run.rglob("*") if path.is_file() and path.name != "manifest.json"]
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return (tmp_path / "store").as_uri()


@pytest.fixture
def machine(tmp_path: Path, url: str) -> Callable[[str], Machine]:
    return lambda name: Machine(tmp_path / name, url)


def test_a_job_goes_on_elsewhere_and_comes_back(machine: Callable[[str], Machine]):
    one, two = machine("one"), machine("two")
    assert two.store.pull(JOB) is None
    run = one.begins()
    one.store.push(JOB, run)
    copy = two.store.pull(JOB)
    assert copy is not None
    assert copy.name == run.name
    assert content(copy) == content(run)
    assert read_json(run / "manifest.json")["status"] == "running"
    assert read_json(copy / "manifest.json")["status"] == "interrupted"
    assert (two.ledger.folder / "running" / "trial.json").exists()
    two.goes_on(copy, 2)
    two.ends(copy)
    two.store.push(JOB, copy)
    assert one.store.pull(JOB) == run
    assert content(run) == content(copy)
    assert sorted(content(run)) == ["checkpoints/2.ckpt", "progress.csv"]
    assert read_json(run / "manifest.json")["status"] == "finished"
    assert list(one.ledger.table()["status"]) == ["finished"]
    assert not (one.ledger.folder / "running" / "trial.json").exists()
    assert one.ledger.verify() == two.ledger.verify() == []


def test_what_is_further_here_is_kept(machine: Callable[[str], Machine]):
    one = machine("one")
    run = one.begins()
    one.store.push(JOB, run)
    one.goes_on(run, 2)
    before = content(run)
    assert one.store.pull(JOB) == run
    assert content(run) == before


def test_only_what_is_new_is_sent(
    machine: Callable[[str], Machine], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    one = machine("one")
    run = one.begins()
    (run / "large").write_text("the same")
    store = one.store
    store.push(JOB, run)
    sent: list[str] = []
    send = store.there.send

    def counted(key: str, digest: str, path: Path) -> None:
        sent.append(path.name)
        send(key, digest, path)

    monkeypatch.setattr(store.there, "send", counted)
    store.push(JOB, run)
    assert sent == []
    one.goes_on(run, 2)
    store.push(JOB, run)
    assert sent == ["2.ckpt", "progress.csv"]
    # Nothing is left of states that have been followed by another.
    (state,) = (tmp_path / "store" / "study" / "states" / JOB[:16]).iterdir()
    named = read_json(state)
    there = {path.name for path in (tmp_path / "store" / "study" / "files" / JOB[:16]).iterdir()}
    assert there == {*named["files"].values(), *named["records"].values()}


def test_two_machines_do_not_write_the_same_job(machine: Callable[[str], Machine]):
    one, two = machine("one"), machine("two")
    run = one.begins()
    one.store.push(JOB, run)
    copy = two.store.pull(JOB)
    assert copy is not None
    two.goes_on(copy, 2)
    two.store.push(JOB, copy)
    one.goes_on(run, 3)
    with pytest.raises(BusyError, match="another machine goes on with 000_a"):
        one.store.push(JOB, run)


def test_a_push_that_is_killed_leaves_the_state_of_before(
    machine: Callable[[str], Machine], monkeypatch: pytest.MonkeyPatch
):
    """At each of its calls to the store, in turn."""
    one = machine("one")
    run = one.begins()
    one.store.push(JOB, run)
    wholes = [content(run)]
    at = 0
    while True:
        one.goes_on(run, 2 + at)
        wholes.append(content(run))
        store, left = one.store, at
        call = store.there._call

        def dying(function: Any, *arguments: Any, call: Any = call) -> Any:
            nonlocal left
            if left == 0:
                raise KeyboardInterrupt
            left -= 1
            return call(function, *arguments)

        monkeypatch.setattr(store.there, "_call", dying)
        try:
            store.push(JOB, run)
        except KeyboardInterrupt:
            found = machine(f"look {at}").store.pull(JOB)
            assert found is not None
            assert content(found) in wholes
            one.store.push(JOB, run)  # the machine itself has lost nothing
            at += 1
        else:
            break
    assert at > 4


def test_a_half_written_state_is_none(machine: Callable[[str], Machine], tmp_path: Path):
    one = machine("one")
    run = one.begins()
    one.store.push(JOB, run)
    states = tmp_path / "store" / "study" / "states" / JOB[:16]
    (state,) = states.iterdir()
    (states / "00000009-00000000.json").write_text(state.read_text()[:-9])
    copy = machine("two").store.pull(JOB)
    assert copy is not None
    assert content(copy) == content(run)


def test_what_is_damaged_or_leads_elsewhere_is_refused(
    machine: Callable[[str], Machine], tmp_path: Path
):
    one = machine("one")
    one.store.push(JOB, one.begins())
    (state,) = (tmp_path / "store" / "study" / "states" / JOB[:16]).iterdir()
    named = read_json(state)
    write_json(state, {**named, "files": {"../../outside": named["files"]["progress.csv"]}})
    two = machine("two")
    with pytest.raises(DataError, match="outside"):
        two.store.pull(JOB)
    assert not (two.study.parent / "outside").exists()
    write_json(state, named)
    place = tmp_path / "store" / "study" / "files" / JOB[:16] / named["files"]["progress.csv"]
    place.write_text("flipped")
    with pytest.raises(DataError, match="damaged"):
        machine("three").store.pull(JOB)
    place.unlink()
    with pytest.raises(OSError, match="missing"):
        machine("four").store.pull(JOB)


def test_another_job_of_the_same_name_is_not_overwritten(machine: Callable[[str], Machine]):
    one, two = machine("one"), machine("two")
    one.store.push(JOB, one.begins())
    mine = two.begins(OTHER, trial="other")
    before = content(mine)
    copy = two.store.pull(JOB)
    assert copy is not None
    assert copy.name == "000_a~2"
    assert content(mine) == before
    assert two.store.pull(JOB) == copy


def test_a_record_of_an_attempt_is_the_first_that_was_made(machine: Callable[[str], Machine]):
    """A machine that comes back records the attempt that another has recorded for it."""
    one, two = machine("one"), machine("two")
    run = one.begins()
    one.store.push(JOB, run)
    copy = two.store.pull(JOB)
    assert copy is not None
    record(two.ledger, "trial", "interrupted")
    record(two.ledger, "trial", "finished", attempt=2)
    (two.ledger.folder / "running" / "trial.json").unlink()
    two.store.push(JOB, copy)
    record(one.ledger, "trial", "interrupted")
    mine = (one.ledger.folder / "trial.parquet").read_bytes()
    one.store.pull(JOB)
    assert (one.ledger.folder / "trial.parquet").read_bytes() == mine
    assert list(one.ledger.table()["status"]) == ["finished"]
    assert one.ledger.verify() == []
    one.store.push(JOB, run)
    three = machine("three")
    three.store.pull(JOB)
    theirs = (three.ledger.folder / "trial.parquet").read_bytes()
    assert theirs == (two.ledger.folder / "trial.parquet").read_bytes()


def test_a_search_is_begun_here_and_finished_there(machine: Callable[[str], Machine]):
    one, two = machine("one"), machine("two")
    ended, running = one.begins(), one.begins(OTHER, "001_b", "other")
    one.ends(ended)
    noted(one.database, "first")
    one.search.meet()  # what was run before there was a store
    one.search.hand_over()
    two.search.meet()
    assert content(two.study / "000_a") == content(ended)
    assert rows(two.database) == ["first"]
    assert list(two.ledger.table()["status"]) == ["finished"]
    assert not (two.study / "001_b").exists()  # it still runs
    noted(two.database, "second")
    two.search.hand_over()
    noted(one.database, "of a driver that lives on")
    with pytest.raises(BusyError, match="another machine searches the study"):
        one.search.hand_over()
    one.search.meet()
    assert rows(one.database) == ["first", "second"]
    assert read_json(running / "manifest.json")["status"] == "running"


def noted(database: Path, text: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE IF NOT EXISTS trials (text TEXT)")
        connection.execute("INSERT INTO trials VALUES (?)", [text])


def rows(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as connection:
        return [text for (text,) in connection.execute("SELECT text FROM trials")]


def test_searches_that_were_begun_apart_stay_apart(machine: Callable[[str], Machine]):
    one, two = machine("one"), machine("two")
    for each in (one, two):
        noted(each.database, "mine")
    one.search.hand_over()
    with pytest.raises(ConfigError, match="begun apart"):
        two.search.meet()


def test_a_finished_run_is_more_than_an_interrupted_one(machine: Callable[[str], Machine]):
    one, two = machine("one"), machine("two")
    one.store.push(JOB, one.begins())
    run = two.begins()
    two.ends(run)
    two.search.meet()
    one.search.meet()
    assert read_json(one.study / "000_a" / "manifest.json")["status"] == "finished"


def test_jobs_that_were_cut_are_known_until_the_next_search(machine: Callable[[str], Machine]):
    one, two = machine("one"), machine("two")
    one.search.cut(JOB)
    assert two.store.is_cut(JOB)
    assert not two.store.is_cut(OTHER)
    one.search.meet()
    assert not two.store.is_cut(JOB)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("/shared/runs", "must be a URL"),
        ("s3://", "must be a URL"),
        ("simplecache::s3://bucket", "must be a URL"),
        ("sftpp://host/folder", "Did you mean 'sftp'"),
        ("memory://runs", "no other process"),
    ],
)
def test_a_url_that_names_no_store_is_refused(url: str, said: str):
    with pytest.raises(ConfigError, match=said):
        check_remote_name(url)


def test_a_store_that_cannot_be_written_to_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written to"):
        check_remote((tmp_path / "file" / "store").as_uri())


def test_a_backend_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    if "s3" in registry:
        pytest.skip("it has been imported")
    with pytest.raises(ConfigError, match="Install s3fs"):
        check_remote("s3://bucket/folder")


def test_a_store_does_not_go_with_everything():
    with pytest.raises(ConfigError, match="sweep=pbt"):
        settings(
            remote="s3://bucket",
            scheduler={"name": "pbt", "interval": 1, "quantile": 0.5, "resample": 0, "factors": []},
        )
    with pytest.raises(ConfigError, match="allowed: auto"):
        settings(remote="s3://bucket", address="ray://host:1")
