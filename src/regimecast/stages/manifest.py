"""``manifest.json`` of a pipeline folder: what each stage read, ran and left."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from regimecast.core.errors import DataError
from regimecast.core.files import read_json, write_json
from regimecast.core.hashing import hash_file, hash_json
from regimecast.stages.keys import packages

__all__ = ["Artifact", "PipelineManifest", "StageRecord", "StageStatus"]

MANIFEST = "manifest.json"
_SCHEMA = 1

StageStatus = Literal["running", "finished", "failed", "interrupted"]


@dataclass(frozen=True)
class Artifact:
    """A file of a stage."""

    sha256: str
    bytes: int

    @classmethod
    def of(cls, path: Path) -> "Artifact":
        """The artifact that a file is."""
        return cls(hash_file(path), path.stat().st_size)


@dataclass(frozen=True)
class StageRecord:
    """One stage, as it last ran."""

    status: StageStatus
    key: str
    """SHA-256 of everything that the artifacts depend on; see `StageKey`."""
    config: Mapping[str, Any]
    code: str
    inputs: Mapping[str, Mapping[str, str]]
    outside: Mapping[str, str] | None
    started: str
    seconds: float = 0.0
    said: str = ""
    """What the stage did, in a sentence; or how it ended."""
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of each artifact by its name."""
        return {name: artifact.sha256 for name, artifact in self.artifacts.items()}


@dataclass(frozen=True)
class PipelineManifest:
    """Every stage that has run in a folder, in the order of the pipeline."""

    stages: Mapping[str, StageRecord]
    overrides: tuple[str, ...] = ()
    """Of the last command."""

    @property
    def run_id(self) -> str:
        """16 hex digits from keys and artifacts of the finished stages.

        Two pipelines of one run id came from the same config and code, and hold the same bytes.
        """
        done = {n: [s.key, s.hashes] for n, s in self.stages.items() if s.status == "finished"}
        return hash_json(done)[:16]

    @property
    def status(self) -> str:
        """``finished`` if every stage that was begun is, else how the first other one stands.

        ``outdated`` if a stage has run since on which a finished one depends.
        """
        unfinished = (s.status for s in self.stages.values() if s.status != "finished")
        return next(unfinished, "outdated" if self.outdated else "finished")

    @property
    def outdated(self) -> tuple[str, ...]:
        """Finished stages that read other artifacts than those that are there now."""
        return tuple(
            name
            for name, record in self.stages.items()
            if any(self.stages[n].hashes != dict(files) for n, files in record.inputs.items())
        )

    def save(self, folder: Path) -> None:
        """Writes the file, atomically."""
        write_json(
            folder / MANIFEST,
            {
                "schema": _SCHEMA,
                "run_id": self.run_id,
                "status": self.status,
                "outdated": list(self.outdated),
                "updated": now(),
                "overrides": list(self.overrides),
                "packages": packages(),
                "stages": {name: asdict(record) for name, record in self.stages.items()},
            },
        )

    @classmethod
    def load(cls, folder: Path) -> "PipelineManifest":
        """The manifest of a folder; an empty one where there is none yet.

        Raises:
            DataError: the file is damaged, or another version of Regimecast wrote it.
        """
        path = folder / MANIFEST
        if not path.exists():
            return cls({})
        try:
            content = read_json(path)
            if content["schema"] != _SCHEMA:
                raise DataError(
                    f"{path} has schema {content['schema']!r}, this version reads {_SCHEMA}; "
                    "use another folder"
                )
            stages = {name: _record(value) for name, value in content["stages"].items()}
            return cls(stages, tuple(content["overrides"]))
        except DataError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(
                f"{path} is damaged ({type(error).__name__}: {error}), so that nothing in the "
                "folder can be trusted. Remove the file to run every stage again, or use another "
                "folder"
            ) from error


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _record(value: Mapping[str, Any]) -> StageRecord:
    artifacts = {name: Artifact(**found) for name, found in value["artifacts"].items()}
    record = StageRecord(**{**value, "artifacts": artifacts})
    if record.status not in get_args(StageStatus):
        raise ValueError(f"status {record.status!r}")
    return record
