"""Jobs of a sweep, and which of them a study folder holds already."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regimecast.core.config import study_folder
from regimecast.core.files import read_json, read_json_entries
from regimecast.tracking.folder import Status, status_of

__all__ = ["ENDED", "JobOutcome", "SweepJob", "error_of", "find_done", "find_job", "objective_of"]

ENDED: tuple[Status, ...] = ("finished", "pruned")
"""How jobs end that are never run again."""

_RANK: dict[Status, int] = {"failed": 0, "interrupted": 1, "running": 2, "pruned": 3, "finished": 4}
"""Which of several run folders of one job counts: the one that came furthest."""


@dataclass(frozen=True, eq=False)
class SweepJob:
    """One job, not yet run.

    Args:
        number: its place in the sweep, from 0.
        overrides: what the user changed.
        config: resolved, plain values.
        distinct: those overrides that tell it from the sweep's other jobs.
        identity: see `job_identity`; None where it is not known, and the job is new in any case.
    """

    number: int
    overrides: tuple[str, ...]
    config: dict[str, Any]
    distinct: tuple[str, ...] = ()
    identity: str | None = None

    @property
    def title(self) -> str:
        """What tells it from the others, on one line."""
        return " ".join(self.distinct) or "defaults"

    @property
    def study(self) -> Path:
        """Folder of its study."""
        return study_folder(self.config)

    def outcome(
        self,
        status: Status,
        *,
        folder: Path | None = None,
        error: str | None = None,
        before: bool = False,
    ) -> "JobOutcome":
        """How it ended."""
        return JobOutcome(self.study, self.overrides, folder, error, status, before)


@dataclass(frozen=True)
class JobOutcome:
    """How one job of a sweep ended.

    Args:
        study: folder of its study.
        overrides: what the user changed.
        folder: its run folder, if it came that far.
        error: what went wrong; None where it is finished or pruned.
        status: as the run folder says; ``running`` where another process works on the same job.
        before: whether it had ended so already, and nothing was run.
    """

    study: Path
    overrides: tuple[str, ...]
    folder: Path | None
    error: str | None
    status: Status
    before: bool = False


def find_done(study: Path) -> dict[str, tuple[Path, Status]]:
    """Run folder and status of every job that was begun in a study, by its identity.

    Args:
        study: folder of the study, which need not exist.
    """
    found: dict[str, tuple[Path, Status]] = {}
    for folder, manifest in _manifests(study):
        identity, status = manifest.get("identity"), status_of(manifest)
        if isinstance(identity, str) and (
            identity not in found or _RANK[status] > _RANK[found[identity][1]]
        ):
            found[identity] = (folder, status)
    return found


def find_job(study: Path, identity: str) -> tuple[Path, Status] | None:
    """The same for one job; None if it was not begun."""
    found = [
        (folder, status_of(manifest))
        for folder, manifest in _manifests(study)
        if manifest.get("identity") == identity
    ]
    return max(found, key=lambda one: _RANK[one[1]], default=None)


def error_of(folder: Path) -> str:
    """What a run folder says of why its run failed."""
    try:
        return str(read_json(folder / "manifest.json")["error"])
    except (OSError, ValueError, KeyError):
        return "it does not say why"


def objective_of(folder: Path) -> float | None:
    """Validation objective of a finished run; None where it has none."""
    try:
        value = read_json(folder / "metrics.json")["validation"]["val/loss"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return float(value) if isinstance(value, int | float) else None


def _manifests(study: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Run folders, and of their manifests what they begin with."""
    for path in sorted(study.glob("[!.]*/manifest.json")):
        try:
            manifest = read_json_entries(path, ("status", "process", "identity"))
        except (OSError, ValueError):
            continue  # damaged: the job is run anew
        if manifest.get("status") in _RANK:
            yield path.parent, manifest
