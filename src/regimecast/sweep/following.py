"""A job that begins with another's first steps: copies of what a training goes on from."""

import shutil
from pathlib import Path

from regimecast.core.files import atomic_path
from regimecast.core.naming import safe
from regimecast.sweep.jobs import SweepJob, find_job
from regimecast.tracking.folder import RunFolder
from regimecast.training.progress import FILENAME

__all__ = ["follow", "keep"]

_STATE = ("checkpoints", FILENAME, "metrics.csv")
"""Of a run folder: what a training is resumed from, what it has reported and what was logged."""
_LONGEST_NAME = 80


def keep(run: Path, place: Path) -> None:
    """Copies the state of an interrupted run; the copy is there as a whole or not at all."""
    if place.exists():
        return
    made = place.with_name(f".{place.name}")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    _copy(run, made)
    made.rename(place)


def follow(job: SweepJob, place: Path) -> None:
    """Makes the run folder of a job that goes on from a copy; nothing if it has one already.

    Without the copy the job makes the first steps itself, which gives the same.
    """
    assert job.identity is not None
    if not place.is_dir() or find_job(job.study, job.identity) is not None:
        return
    name = f"{job.number:03d}_{safe(','.join(job.distinct), _LONGEST_NAME)}"
    folder = RunFolder(job.study, name, identity=job.identity)
    try:
        _copy(place, folder.path)
        folder.update(status="interrupted")
    finally:
        folder.close()


def _copy(source: Path, target: Path) -> None:
    """Copies the state file by file, so that it can be gone on from whenever that is cut short."""
    files = [path for name in _STATE for path in (source / name, *(source / name).rglob("*"))]
    for path in sorted(filter(Path.is_file, files), key=_rank):
        with atomic_path(target / path.relative_to(source)) as temporary:
            shutil.copyfile(path, temporary)


def _rank(path: Path) -> int:
    """Place of a file among those that are copied: what tells of others comes after them."""
    if path.name == FILENAME:
        return 3
    if path.suffix != ".json":
        return 0
    return 2 if path.name.startswith("training-") else 1
