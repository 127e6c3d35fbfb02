"""A run repeated from its folder alone, and compared with itself stage by stage.

    found = rerun(Path("runs/demo/000_model=nhits"), verify=True)
    found.verification.identical, found.verification.first, found.verification.causes

A rerun of a finished run on the same data with the same code is the same trial: it has a run folder
of its own, and adds nothing to the ledger. With other data or other code it is a trial of its own.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from regimecast.assembly import Assembly
from regimecast.core.compose import composed
from regimecast.core.errors import ConfigError, DataError
from regimecast.core.hashing import hash_file
from regimecast.core.terminal import console
from regimecast.data_changes import data_changes
from regimecast.evaluation.predictions import read_predictions
from regimecast.experiment import RunResult, execute
from regimecast.stored_run import (
    changed_config,
    check_config,
    ledger_of,
    stored_config,
    stored_manifest,
)
from regimecast.summary import show_metrics
from regimecast.tracking.differences import surroundings
from regimecast.tracking.manifest import code_version, environment
from regimecast.tracking.repeated_trial import Repeat
from regimecast.tracking.verification import Verification, verify
from regimecast.training.threads import threads_like

__all__ = ["Rerun", "rerun", "show_rerun"]

_COPY = re.compile(r"~\d+$")
"""What tells run folders of one name in a study apart."""
_AGAIN = "-rerun"
_DIGITS, _NAMED = 12, 6
"""Of a hash, and of parts of a stage, that are shown."""
_PLACES = ("data", "tracker")
"""Groups that may be changed: data may lie elsewhere now, and a rerun is tracked as one asks."""


@dataclass(frozen=True, eq=False)
class Rerun:
    """A run and its repetition."""

    run: Path
    result: RunResult | None
    """None where it was seen before training that nothing could be the same."""
    verification: Verification | None
    """None where the run has no stages to compare with."""
    same_trial: bool
    """Whether it is the run's own trial, which is not counted again."""
    distance: float | None
    """Largest difference between two forecasts of one thing; None where they cannot be compared."""
    notes: tuple[str, ...]
    """What else the user should know."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "run": str(self.run),
            "rerun": None if self.result is None else str(self.result.folder),
            "same_trial": self.same_trial,
            "largest_forecast_difference": self.distance,
            "notes": list(self.notes),
            "verification": None if self.verification is None else self.verification.to_json(),
        }


def rerun(
    run: Path, overrides: Sequence[str] = (), *, into: str | None = None, checked: bool = False
) -> Rerun:
    """A run of a folder's config with its thread counts, in a run folder of its own.

    Args:
        run: folder of a run, however it ended; its files are read and never changed.
        overrides: where the data lie now, such as ``data.path=FILE``, and how the rerun is tracked,
            such as ``tracker=wandb``; by default in its folder only.
        into: study of the new run; by default the run's own with ``-rerun`` behind its name.
        checked: nothing is trained where other bars, or no stages, make it known beforehand that
            nothing can be verified.

    Raises:
        ConfigError: not a run folder, the run goes on, or it has no stages that can be checked.
        DataError: its config or manifest is damaged, or its data cannot be read.
        RegimecastError: what the run itself raises.
    """
    manifest, status = stored_manifest(run)
    if status == "running":
        raise ConfigError(f"{run} is still running; it can be run again when it has ended")
    has_stages = bool(manifest.get("stages"))
    if checked and not has_stages:
        raise ConfigError(
            f"{run} cannot be verified: its manifest has no stages, because it is older than they "
            "are or ended before it had read its data. Without --verify it is run again, and "
            f"regimecast diff {run} RERUN shows what differs"
        )
    config = _config(run, manifest, overrides, into)
    parts = Assembly.from_config(config)
    threads = (manifest.get("environment") or {}).get("threads")
    recorded = {"torch": threads} if isinstance(threads, int) else dict(threads or {})
    notes = _notes(run, status, manifest)
    with threads_like(recorded) as missed:
        notes += missed
        around: dict[str, Any] = {"code": code_version(), "environment": environment()}
        same_code = not surroundings(manifest, around)["code"]
        if not same_code:
            notes.append("the code is not that of the run; the rerun has the code of today")
        same_trial = False
        said: list[str] = []
        if has_stages:
            raw, said = data_changes(parts, manifest)
            same_data = raw.sha256 == manifest["stages"]["raw"]
            if checked and not same_data:
                around |= {"stages": {"raw": raw.sha256}, "parts": {"raw": dict(raw.parts)}}
                differs = verify(manifest, around, data=said)
                return Rerun(run, None, differs, False, None, tuple(notes))
            same_trial = status == "finished" and same_data and same_code
        repeat = Repeat(
            run=run,
            job=_COPY.sub("", run.resolve().name),
            trial=manifest["trial"]["id"] if same_trial else None,
            threads=recorded.get("torch"),
        )
        result = execute(config, overrides=manifest.get("overrides", ()), repeat=repeat)
    verification = None
    if has_stages:
        again, _ = stored_manifest(result.folder)
        verification = verify(manifest, again, data=said)
    return Rerun(run, result, verification, same_trial, _distance(run, result), tuple(notes))


def _config(
    run: Path, manifest: Mapping[str, Any], overrides: Sequence[str], into: str | None
) -> dict[str, Any]:
    """The run's config, to be kept beside it."""
    config = stored_config(run)
    if manifest.get("stages"):
        check_config(run, manifest)
    config = changed_config(
        _at_home(config), overrides, _PLACES, what="where the data lie and how it is tracked"
    )
    study, folder = str(config["study"]), run.resolve().parent
    depth = len(Path(study).parts)
    # A folder that was copied out of its study has no other runs around it.
    runs = folder.parents[depth - 1] if folder.parts[-depth:] == Path(study).parts else folder
    again = study if "rerun_of" in manifest else f"{study}{_AGAIN}"
    here = Path.cwd()
    runs = runs.relative_to(here) if runs.is_relative_to(here) else runs
    ledger = ledger_of(run, manifest, config)
    return {**config, "runs": str(runs), "study": into or again, "ledger": str(ledger)}


def _at_home(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config without what it would send or write elsewhere: it may be a stranger's."""
    usual = composed(["tracker=csv"])
    places = (("feature_cache", "folder"), ("window", "mapped_folder"))
    kept = {group: {**config[group], key: usual[group][key]} for group, key in places}
    return {**config, "tracker": usual["tracker"], **kept}


def _notes(run: Path, status: str, manifest: Mapping[str, Any]) -> list[str]:
    """What is to be known of the run itself."""
    notes = []
    if status != "finished":
        notes.append(f"the run is {status}; the rerun goes on to the end")
    for name, content in manifest.get("checkpoints", {}).items():
        path = run / name
        if not path.is_file() or hash_file(path) != content:
            what = "has changed since" if path.is_file() else "is missing"
            notes.append(f"{path} {what}; the run's manifest says what it was")
    return notes


def _distance(run: Path, result: RunResult) -> float | None:
    path = run / "predictions.parquet"
    if not path.is_file():
        return None
    try:
        before, _ = read_predictions(path)
    except DataError:
        return None  # damaged: hashes tell what is the same
    now = result.forecast
    if before.values.shape != now.values.shape or not np.array_equal(before.origin, now.origin):
        return None
    return float(np.nanmax(np.abs(before.values - now.values), initial=0.0))


def show_rerun(found: Rerun, *, verified: bool) -> None:
    """Prints what came of it: stage by stage if it is to be verified, else the metrics."""
    terminal = console()
    for note in found.notes:
        terminal.print(f"note: {note}", soft_wrap=True)
    if found.result is not None:
        if not verified:
            show_metrics(found.result.metrics)
        counted = (
            "the run's own trial, not counted again" if found.same_trial else "a trial of its own"
        )
        terminal.print(f"rerun: {found.result.folder} ({counted})", soft_wrap=True)
    if found.verification is None:
        terminal.print("whether it is the same cannot be told: the run has no stages")
        return
    if verified:
        terminal.print(_table(found.verification))
    for line in _outcome(found.verification, found.distance):
        terminal.print(line, soft_wrap=True)


def _outcome(verification: Verification, distance: float | None) -> list[str]:
    first = verification.first
    if first is None:
        same = sum(stage.before is not None for stage in verification.stages)
        said = [f"identical: all {same} stages are the same, to the bit"]
    else:
        where = f" ({', '.join(first.parts[:_NAMED])})" if first.parts else ""
        said = [f"different: the first stage that is not the same is {first.stage}{where}"]
        said += [f"  why: {cause}" for cause in verification.causes]
        if distance is not None:
            said.append(f"  forecasts differ by {distance:.3g} at the most")
    return said + [f"  beside that: {line}" for line in verification.beside]


def _table(verification: Verification) -> Table:
    table = Table(box=SIMPLE_HEAD)
    for heading in ("stage", "", "run", "rerun"):
        table.add_column(heading)
    for stage in verification.stages:
        equal = "same" if stage.equal else "differs" if stage.compared else "not reached"
        hashes = ((value or "-")[:_DIGITS] for value in (stage.before, stage.after))
        table.add_row(stage.stage, equal, *hashes, style="" if stage.equal else "bold")
    return table
