"""Runs the stages of a pipeline folder, each only if what it depends on has changed."""

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from regimecast.core.errors import ConfigError, DataError, did_you_mean
from regimecast.core.files import check_writable_folder, read_json, write_json
from regimecast.core.stopping import stop_if_asked
from regimecast.stages.base import Inputs, Stage, StageRegistry, ordered, values_at
from regimecast.stages.keys import StageKey, code_hash
from regimecast.stages.manifest import Artifact, PipelineManifest, StageRecord, StageStatus, now

__all__ = ["Progress", "run_pipeline"]

_log = logging.getLogger(__name__)

_SUMMARY = "summary.json"
"""What a stage did, among its artifacts."""
_FEW = 3


@dataclass(frozen=True)
class Progress:
    """What became of one stage."""

    stage: str
    ran: bool
    """False where nothing that it depends on has changed."""
    record: StageRecord


def run_pipeline(
    config: Mapping[str, Any],
    folder: Path,
    *,
    first: str | None = None,
    last: str | None = None,
    force: bool = False,
    overrides: Sequence[str] = (),
    tell: Callable[[Progress], None] = lambda progress: None,
) -> PipelineManifest:
    """The manifest after every stage from `first` to `last` has run or was found unchanged.

    A stage runs if it never finished, if its config, its code, a file that it reads or an artifact
    of a stage that it needs has changed since, or if an artifact of its own has. A run that was
    killed therefore goes on where it stopped, and ends with the same bytes.

    Args:
        config: resolved plain values with the keys of ``conf/train.yaml``.
        folder: where artifacts and ``manifest.json`` live; made if it is missing.
        first: stage to begin with; those before it must be finished and are not looked at again.
        last: stage to end with.
        force: run those stages though nothing has changed.
        overrides: what the user changed, for the manifest.
        tell: called after each stage.

    Raises:
        ConfigError: the config cannot be used, and nothing has run; or there is no such stage, or
            one before `first` is not up to date; or another process works in the folder, or
            somebody else's files are in it, or it cannot be written to.
        LeakageError: a label would reach across the border of a split.
        DataError: the data cannot be used, or ``manifest.json`` is damaged.
    """
    order = ordered()
    chosen = _range(order, first, last)
    stages = {name: _stage(name, config) for name in order}
    with _only_one(folder):
        manifest = replace(PipelineManifest.load(folder), overrides=tuple(overrides))
        _refuse_strangers(folder, order)
        _tidy(folder)
        for name in order[: order.index(chosen[0])]:
            _require_unchanged(stages[name], manifest, folder, chosen[0])
        for name in chosen:
            stop_if_asked()
            manifest, ran = _step(stages[name], manifest, folder, force=force)
            tell(Progress(name, ran, manifest.stages[name]))
        manifest.save(folder)
    return manifest


def _step(
    stage: Stage, manifest: PipelineManifest, folder: Path, *, force: bool
) -> tuple[PipelineManifest, bool]:
    """The manifest after one stage, and whether it had to run."""
    key = _key(stage, manifest, stage.outside())
    recorded = manifest.stages.get(stage.name)
    if not force and recorded is not None and _still_holds(stage.name, recorded, key, folder):
        return manifest, False
    record = StageRecord(
        status="running",
        key=key.value or "",
        config=key.config,
        code=key.code,
        inputs=key.inputs,
        outside=key.outside,
        started=now(),
    )
    manifest = _with(manifest, stage.name, record)
    manifest.save(folder)
    begun = time.perf_counter()

    def ended(status: StageStatus, said: str, **more: Any) -> PipelineManifest:
        seconds = round(time.perf_counter() - begun, 3)
        done = _with(
            manifest,
            stage.name,
            replace(record, status=status, said=said, seconds=seconds, **more),
        )
        done.save(folder)
        return done

    try:
        said, artifacts = _run(stage, manifest, folder)
    except BaseException as error:
        _tidy(folder)  # a full disk has room for the manifest again
        with suppress(OSError):  # the stage's own error is the one to show
            status: StageStatus = "failed" if isinstance(error, Exception) else "interrupted"
            ended(status, f"{type(error).__name__}: {error}")
            _log.warning("stage %s %s; the same command goes on from there", stage.name, status)
        raise
    return ended("finished", said, artifacts=artifacts), True


def _run(stage: Stage, manifest: PipelineManifest, folder: Path) -> tuple[str, dict[str, Artifact]]:
    """Runs a stage in a folder beside its own, which then takes that one's place."""
    inputs = Inputs(
        stage=stage.name,
        folders={name: folder / name for name in stage.needs},
        hashes={name: manifest.stages[name].hashes for name in stage.needs},
    )
    unfinished = _unfinished(folder, stage.name)
    unfinished.mkdir()
    said = stage.run(inputs, unfinished)
    write_json(unfinished / _SUMMARY, {"stage": stage.name, "said": said})
    artifacts = {}
    for path in sorted(path for path in unfinished.rglob("*") if path.is_file()):
        with path.open("rb+") as file:
            os.fsync(file.fileno())
        artifacts[path.relative_to(unfinished).as_posix()] = Artifact.of(path)
    place = folder / stage.name
    replaced = _unfinished(folder, f"{stage.name}.replaced")
    if place.exists():
        place.rename(replaced)  # at once: a kill leaves a folder whole, or not there
    unfinished.rename(place)
    shutil.rmtree(replaced, ignore_errors=True)  # what stays is tidied away next time
    return said, artifacts


def _still_holds(name: str, recorded: StageRecord, key: StageKey, folder: Path) -> bool:
    """Whether a stage's artifacts are there, whole, and what they would be if it ran again."""
    if recorded.status != "finished":
        _log.info("%s: %s before, runs again", name, recorded.status)
        return False
    if damaged := _damaged(recorded, folder / name):
        _log.warning(
            "%s: %s not what the manifest says, runs again", name, _listed(damaged, folder / name)
        )
        return False
    if key.value is None or key.value != recorded.key:
        changes = key.changes(vars(recorded))
        _log.info("%s: %s", name, _reason(changes))
        return False
    return True


def _reason(changes: Sequence[str]) -> str:
    if not changes:
        return "its source may say something new, so that it is read again"
    return f"runs again, for it changed: {_some(changes)}"


def _damaged(recorded: StageRecord, place: Path) -> list[str]:
    """Artifacts that are missing or no longer have their hash."""
    return [
        name
        for name, artifact in recorded.artifacts.items()
        if not (place / name).is_file() or Artifact.of(place / name) != artifact
    ]


def _listed(names: Sequence[str], place: Path) -> str:
    paths = [str(place / name) for name in names]
    return f"{_some(paths)} {'is' if len(paths) == 1 else 'are'}"


def _some(texts: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = len(texts) - _FEW
    return ", ".join(texts[:_FEW]) + (f" and {more} more" if more > 0 else "")


def _require_unchanged(stage: Stage, manifest: PipelineManifest, folder: Path, first: str) -> None:
    """Nothing, if a stage that is passed over still stands; what lies outside is not looked at."""
    recorded = manifest.stages.get(stage.name)
    if recorded is None or recorded.status != "finished":
        state = "has not run" if recorded is None else f"is {recorded.status}"
        raise ConfigError(
            f"--from {first}: stage {stage.name} {state} in {folder}; begin with it, or leave out "
            "--from"
        )
    key = _key(stage, manifest, recorded.outside)
    if changes := key.changes(vars(recorded)):
        raise ConfigError(
            f"--from {first}: stage {stage.name} has to run again, for it changed "
            f"({', '.join(changes)}); begin with it, or leave out --from"
        )
    if damaged := _damaged(recorded, folder / stage.name):
        raise DataError(
            f"--from {first}: {_listed(damaged, folder / stage.name)} not what the manifest says; "
            f"begin with {stage.name}, or leave out --from"
        )


def _key(stage: Stage, manifest: PipelineManifest, outside: Mapping[str, str] | None) -> StageKey:
    return StageKey(
        config=stage.config,
        code=code_hash(stage),
        inputs={name: manifest.stages[name].hashes for name in stage.needs},
        outside=outside,
    )


def _range(order: Sequence[str], first: str | None, last: str | None) -> list[str]:
    for option, name in (("--from", first), ("--until", last)):
        if name is not None and name not in order:
            raise ConfigError(
                f"{option} {name}: no such stage.{did_you_mean(name, order)} "
                f"Stages: {', '.join(order)}"
            )
    start = order.index(first) if first else 0
    stop = order.index(last) + 1 if last else len(order)
    if start >= stop:
        raise ConfigError(f"--from {first} comes after --until {last}; order: {', '.join(order)}")
    return list(order[start:stop])


def _stage(name: str, config: Mapping[str, Any]) -> Stage:
    return StageRegistry.create(name, config=values_at(config, StageRegistry.get(name).reads))


def _with(manifest: PipelineManifest, name: str, record: StageRecord) -> PipelineManifest:
    return replace(manifest, stages={**manifest.stages, name: record})


def _unfinished(folder: Path, name: str) -> Path:
    return folder / f".{name}.unfinished"


def _tidy(folder: Path) -> None:
    """Removes what a stage left that did not end."""
    for path in folder.glob(".*.unfinished"):
        shutil.rmtree(path, ignore_errors=True)


def _refuse_strangers(folder: Path, order: Sequence[str]) -> None:
    """Nothing, if every folder that has the name of a stage is one's: a stage replaces its own."""
    for name in order:
        place = folder / name
        if place.exists() and not _written_by(name, place):
            raise ConfigError(
                f"{place} is there already and no stage wrote it; use another --folder"
            )


def _written_by(name: str, place: Path) -> bool:
    try:
        summary = read_json(place / _SUMMARY)
    except (OSError, ValueError):
        return False
    return isinstance(summary, dict) and summary.get("stage") == name


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """The folder for this process alone; the system lets go of it whatever ends the process."""
    check_writable_folder(folder, "--folder")
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ConfigError(
            f"another pipeline is at work in {folder}; wait for it, or use another --folder"
        ) from None
    try:
        yield
    finally:
        lock.release()
