"""Runs of a study here and in an object store, for machines that share no file system.

What is there is in `States`: under the identity of each job its run folder and what the ledger has
of it, under ``search`` Optuna's file. ``runs/<study>/.jobs/<key>.state`` says which state a folder
here goes on from, and so whether another machine has come further.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from regimecast.core.config import study_folder
from regimecast.core.errors import BusyError, ConfigError, DataError
from regimecast.core.files import atomic_path, read_json, write_json
from regimecast.core.hashing import hash_file
from regimecast.sweep.jobs import find_job
from regimecast.sweep.states import State, States, next_name
from regimecast.tracking.claim import let_go, taken
from regimecast.tracking.record import trial_of

__all__ = ["SEARCH", "Store"]

SEARCH = "search"
"""Key of Optuna's file."""
_JOBS, _SCRATCH = ".jobs", "store-"
_TRIES = 3
_JOURNALS = ("-journal", "-wal", "-shm")


class Store:
    """What this machine and a store have of one study, and what either of them lacks.

    One process at a time may write what there is of a job; Tune sees to that.

    Args:
        url: of fsspec.
        config: which says what the study is called, and where it and the ledger are here.

    Raises:
        ConfigError: the URL cannot be used on this machine.
    """

    def __init__(self, url: str, config: Mapping[str, Any]) -> None:
        self.study, self._ledger = study_folder(config), Path(config["ledger"])
        self.there = States(url, Path(config["study"]).as_posix())
        self._hashes: dict[tuple[str, int, int], str] = {}

    def push(self, identity: str, folder: Path, *, newest: bool = False) -> None:
        """Hands over what is new in the run folder of a job, and what is recorded of it.

        Args:
            identity: of the job, which does not go on meanwhile.
            folder: its run folder.
            newest: whether it takes the place of what another machine has.

        Raises:
            BusyError: another machine has gone on with the job.
            OSError: the store cannot be reached.
        """
        manifest = read_json(folder / "manifest.json")
        trial = (manifest.get("trial") or {}).get("id")
        patterns = [] if trial is None else [f"{trial}*.parquet", f"running/{trial}*.json"]
        records = [path for pattern in patterns for path in self._ledger.glob(pattern)]
        self.write(
            identity[:16],
            {path.relative_to(folder).as_posix(): path for path in _visible(folder)},
            {
                path.relative_to(self._ledger).as_posix(): path
                for path in records
                if trial_of(path.stem) == trial
            },
            {"identity": identity, "folder": folder.name, "status": str(manifest["status"])},
            newest=newest,
        )

    def pull(self, identity: str) -> Path | None:
        """The run folder of a job, as far as any machine has come; None where none has begun it.

        Raises:
            DataError: what is there is damaged.
            OSError: the store cannot be reached.
        """
        if (brought := self.bring(identity[:16])) is not None:
            return brought
        found = find_job(self.study, identity)
        return None if found is None else found[0]

    def is_cut(self, identity: str) -> bool:
        """Whether the scheduler has ended a job."""
        return self.there.is_flagged(identity)

    def write(
        self,
        key: str,
        files: Mapping[str, Path],
        records: Mapping[str, Path],
        about: Mapping[str, str],
        *,
        newest: bool = False,
    ) -> None:
        """Writes the next state, if it is another."""
        before = self.there.newest(key)
        if before is not None and not newest and before.name not in self.goes_on_from(key):
            what = "searches the study" if key == SEARCH else f"goes on with {about['folder']}"
            raise BusyError(f"another machine {what}, as {self.there.url} shows")
        known = set() if before is None else before.hashes
        # A record is never changed, whoever was first.
        kept = {} if before is None else _records(before.records)
        new = {name: path for name, path in records.items() if name not in kept}
        hashes = {name: self._sent(key, path, known) for name, path in files.items()}
        recorded = kept | {name: self._sent(key, path, known) for name, path in new.items()}
        if before is not None and (hashes, recorded) == (before.files, before.records):
            return
        state = State(next_name(before), about, hashes, recorded)
        # Before and after: a kill in between is not taken for another machine.
        self._note(key, about["folder"], *([] if before is None else [before.name]), state.name)
        self.there.write(key, state, before)
        self._note(key, about["folder"], state.name)

    def _sent(self, key: str, path: Path, known: set[str]) -> str:
        """Hash of a file that is there from now on."""
        about = path.stat()
        seen = str(path), about.st_mtime_ns, about.st_size
        digest = self._hashes.get(seen, "")
        if digest not in known:
            with self.scratch() as scratch:
                copy = scratch / path.name
                shutil.copyfile(path, copy)  # what is sent is what was hashed
                self._hashes[seen] = digest = hash_file(copy)
                if digest not in known:
                    self.there.send(key, digest, copy)
                    known.add(digest)
        return digest

    def bring(self, key: str) -> Path | None:
        """What there is of a key, here; None where there is nothing."""
        state: State | None = None
        for _ in range(_TRIES):
            if (state := self.there.newest(key)) is None:
                return None
            if state.name in self.goes_on_from(key):
                return self.study / str(self._noted(key)["folder"])
            with suppress(FileNotFoundError):  # the next state has taken its place
                return self._brought(key, state)
        raise OSError(f"{self.there.url}: files of {state and state.about['folder']} are missing")

    def _brought(self, key: str, state: State) -> Path:
        """A state in its place here."""
        place = self._place(key, state)
        with self.scratch() as scratch:
            run, ledger = scratch / "run", scratch / "ledger"
            for name, digest in state.files.items():
                self._fetch(key, digest, _inside(run, name), place / name)
            for name, digest in state.records.items():
                self._fetch(key, digest, _inside(ledger, name), self._ledger / name)
            if key == SEARCH:
                for journal in _JOURNALS:  # of the file that was here
                    place.with_name(f"{place.name}{journal}").unlink(missing_ok=True)
                (run / place.name).replace(place)
            else:
                _stopped(run / "manifest.json")
                lock = taken(self.study, place.name)
                try:
                    if place.exists():
                        place.rename(scratch / "before")
                    run.rename(place)
                finally:
                    let_go(lock)
                self._record(ledger, state)
        self._note(key, place.name, state.name)
        return place

    def _fetch(self, key: str, digest: str, target: Path, mine: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        if mine.is_file() and hash_file(mine) == digest:
            shutil.copyfile(mine, target)
        else:
            self.there.fetch(key, digest, target)

    def _record(self, fetched: Path, state: State) -> None:
        """Enters what other machines have recorded, and what waits to be."""
        for name in state.records:
            place = self._ledger / name
            record = self._ledger / f"{place.stem}.parquet"
            place.parent.mkdir(parents=True, exist_ok=True)
            if place != record:
                if not record.exists():
                    shutil.move(fetched / name, place)
                continue
            with suppress(FileExistsError), atomic_path(place, replaces=False) as temporary:
                shutil.copyfile(fetched / name, temporary)
            (self._ledger / "running" / f"{place.stem}.json").unlink(missing_ok=True)

    def _place(self, key: str, state: State) -> Path:
        """Where a state belongs here."""
        wanted = _inside(self.study, state.about["folder"])
        if key == SEARCH:
            if wanted.exists() and not self.goes_on_from(key):
                raise ConfigError(
                    f"study={self.study.name!r}: the search here and that of {self.there.url} "
                    "were begun apart. Name another study"
                )
            return wanted
        if (found := find_job(self.study, state.about["identity"])) is not None:
            return found[0]
        place, number = wanted, 1
        while place.exists():  # by other code, or on other bars
            number += 1
            place = wanted.with_name(f"{wanted.name}~{number}")
        return place

    def goes_on_from(self, key: str) -> list[str]:
        """States of which one is the last that a folder here has handed over, or was fetched as."""
        noted = self._noted(key)
        return noted["states"] if noted and (self.study / noted["folder"]).exists() else []

    def _noted(self, key: str) -> dict[str, Any]:
        try:
            noted: dict[str, Any] = read_json(self.study / _JOBS / f"{key}.state")
        except (FileNotFoundError, ValueError):
            return {}
        return noted

    def _note(self, key: str, folder: str, *states: str) -> None:
        write_json(self.study / _JOBS / f"{key}.state", {"states": states, "folder": folder})

    def tidy(self) -> None:
        """Removes what processes that were killed have left here."""
        for left in (self.study / _JOBS).glob(f"{_SCRATCH}*"):
            shutil.rmtree(left, ignore_errors=True)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder on the disk of the study, for a moment."""
        (self.study / _JOBS).mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self.study / _JOBS, prefix=_SCRATCH) as folder:
            yield Path(folder)


def _visible(folder: Path) -> Iterator[Path]:
    """Files of a run; hidden ones are half written."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not path.is_symlink() and not hidden:
            yield path


def _records(files: Mapping[str, str]) -> dict[str, str]:
    """Of the ledger's files those that are records."""
    return {name: digest for name, digest in files.items() if name.endswith(".parquet")}


def _inside(folder: Path, name: str) -> Path:
    """A path below a folder.

    Raises:
        DataError: the name leads elsewhere.
    """
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise DataError(f"the store names a file outside of its run: {name!r}")
    return folder / name


def _stopped(path: Path) -> None:
    """Says in a manifest that nobody works here on what another machine has begun."""
    manifest = read_json(path)
    if manifest["status"] == "running":
        error = "it goes on elsewhere, or its machine is gone"
        write_json(path, {**manifest, "status": "interrupted", "error": error})
