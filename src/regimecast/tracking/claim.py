"""Run folders appear whole, and one process at a time works on each.

runs/<study>/.jobs/<run folder>.lock    held while a process works on the run folder
runs/<study>/.jobs/new-*/               a run folder that is being made
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from filelock import FileLock, Timeout

from regimecast.core.errors import BusyError
from regimecast.core.files import read_json, write_json
from regimecast.core.processes import here, lives

__all__ = ["let_go", "new_folder", "remove_unborn", "taken"]

_JOBS = ".jobs"
_NEW = "new-"


def new_folder(study: Path, job: str, manifest: Mapping[str, Any]) -> tuple[Path, FileLock]:
    """A run folder with its manifest, and its lock, held.

    Nobody ever sees it without the one or the other. A number is added to its name where that is
    taken, also by another process.
    """
    (study / _JOBS).mkdir(parents=True, exist_ok=True)
    made = Path(mkdtemp(prefix=_NEW, dir=study / _JOBS))
    try:
        made.chmod(0o755)
        write_json(made / "manifest.json", manifest)
        number = 1
        while True:
            path = study / (job if number == 1 else f"{job}~{number}")
            if (lock := _place(made, path)) is not None:
                return path, lock
            number += 1
    finally:
        shutil.rmtree(made, ignore_errors=True)  # it is there only if this has failed


def taken(study: Path, name: str, *, of: str | None = None) -> FileLock:
    """A lock of this name in the study, held.

    Args:
        study: folder of the study.
        name: of a run folder, or another one.
        of: what is locked, for the message; the folder of this name where left out.

    Raises:
        BusyError: another process holds it.
    """
    lock = FileLock(study / _JOBS / f"{name}.lock")
    lock_path = Path(lock.lock_file)
    lock_path.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise BusyError(f"another process works on {of or study / name}") from None
    return lock


def let_go(lock: FileLock) -> None:
    """Nothing is left of the lock."""
    if lock.is_locked:
        # While it is held: who waits for this file sees that it is gone, and makes another.
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def remove_unborn(study: Path) -> None:
    """Removes what is left of run folders that were being made when their process was killed."""
    for manifest in (study / _JOBS).glob(f"{_NEW}*/manifest.json"):
        try:
            process = read_json(manifest)["process"]
        except (OSError, ValueError, KeyError):
            continue
        if here(process) and not lives(process):
            shutil.rmtree(manifest.parent, ignore_errors=True)


def _place(made: Path, path: Path) -> FileLock | None:
    """The lock of a path where the folder lies now; None if the path is taken."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        return None
    try:
        lock = taken(path.parent, path.name)
    except BusyError:
        return None
    try:
        made.rename(path)  # an empty folder gives way
    except OSError:
        let_go(lock)
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            return None
        raise
    return lock
