"""Runs at hand among all trials of the ledger on the same prices.

Every strategy judged on the same prices is a trial of one selection, whatever its model, features,
target, split or costs: who looks at many of them and keeps the best has chosen among all. Hence
trials are counted in the ledger, by the fingerprint of the prices, over all studies, and whatever
became of them: one that was stopped was looked at too, and so was one that trained for a batch
only. A job that ended before it read any prices was a trial of nothing: ``regimecast ledger`` lists
it, and no selection counts it.
"""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from regimecast.core.files import read_json
from regimecast.evaluation.luck import Luck, Selection, judged_selection
from regimecast.evaluation.track import Track
from regimecast.tracking.ledger import Finding, Ledger, Reading, Returned
from regimecast.tracking.open_trial import record_ended, running
from regimecast.tracking.record import trial_of

__all__ = ["Luck", "Selection", "select", "tally"]

_NAMED = 3
"""Files that sentences name; of more they say how many."""


@dataclass(frozen=True, eq=False)
class _Run:
    """A run folder, as far as it counts."""

    label: str
    folder: Path
    trial: str
    """Its name in the ledger; its own path where it has none."""
    ledger: Path | None
    data: str
    bars_per_year: float | None


def select(
    runs: Mapping[str, Path],
    *,
    ledger: Path | None = None,
    manifests: Mapping[str, Mapping[str, Any]] | None = None,
    together: Mapping[str, Sequence[str]] | None = None,
) -> list[Selection]:
    """One selection for each set of prices that runs were judged on, in the order of the runs.

    Runs that ended before they read prices belong to none. Trials of killed jobs are recorded
    first, see `record_ended`.

    Args:
        runs: run folders by label.
        ledger: folder of the trial ledger; what each run's manifest says where left out.
        manifests: contents of their ``manifest.json``, where they are known already.
        together: labels of runs that are judged as one too, by a name for them; each on the same
            prices.
    """
    found = [
        run
        for label, folder in runs.items()
        if (run := _run(label, folder, (manifests or {}).get(label), ledger)) is not None
    ]
    for place in dict.fromkeys(run.ledger for run in found):
        if place is not None and place.is_dir():
            record_ended(Ledger(place))
    groups: dict[str, list[_Run]] = {}
    for run in found:
        groups.setdefault(run.data, []).append(run)
    return [_selection(data, group, together or {}) for data, group in groups.items()]


def tally(ledger: Ledger, data: str) -> Selection:
    """All recorded trials on some prices, the best of them at hand, without PBO."""
    reading = ledger.read(data)
    trials: dict[str, Track | None] = {
        name: None for name, prices in running(ledger).items() if prices == data
    }
    trials |= dict.fromkeys(_unreadable(reading.findings))
    trials |= {trial.trial: _track(trial) for trial in reading.trials}
    sharpes = {
        name: track.sharpe
        for name, track in trials.items()
        if track is not None and track.flaw() is None and track.sharpe is not None
    }
    best = max(sharpes, key=lambda name: sharpes[name], default=None)
    return judged_selection(
        data=data,
        recorded=True,
        trials=trials,
        runs={} if best is None else {best: best},
        names={trial.trial: f"{trial.study}/{trial.job}" for trial in reading.trials},
        bars_per_year=_bars_per_year(trial.bars_per_year for trial in reading.trials),
        problems=_said(reading.findings),
        pbo=False,
    )


def _selection(data: str, runs: Sequence[_Run], together: Mapping[str, Sequence[str]]) -> Selection:
    """Runs on the same prices among the trials of their ledgers."""
    places = list(dict.fromkeys(run.ledger for run in runs if run.ledger is not None))
    present = [place for place in places if place.is_dir()] if data else []
    problems = [
        f"There is no trial ledger at {place}: earlier trials are not known."
        for place in places
        if place not in present and data
    ]
    readings = [Ledger(place).read(data) for place in present]
    recorded = {trial.trial: trial for reading in readings for trial in reading.trials}
    problems += _said(_merged(readings))
    begun = {k: v for place in present for k, v in running(Ledger(place)).items()}
    missing = [run for run in runs if run.trial not in {*recorded, *begun}]
    if not present:
        problems.append(
            f"Trials are counted on disk, {len(runs):,} run{'s' if len(runs) != 1 else ''}, for "
            "want of a ledger; those deleted, or of other studies, are not among them."
        )
    elif missing:
        problems.append(
            f"{len(missing):,} run{'s are' if len(missing) != 1 else ' is'} not in the ledger and "
            "counted in addition."
        )
    trials = {
        **dict.fromkeys(_unreadable(_merged(readings))),
        **{name: None for name, prices in begun.items() if prices == data},
        **{name: _track(trial) for name, trial in recorded.items()},
    }
    for run in runs:
        if trials.get(run.trial) is None:
            trials[run.trial] = _stored(run.folder)
    return judged_selection(
        data=data,
        recorded=bool(present),
        trials=trials,
        runs={run.label: run.trial for run in runs},
        names={name: f"{trial.study}/{trial.job}" for name, trial in recorded.items()},
        groups={
            name: labels
            for name, labels in together.items()
            if {*labels} <= {run.label for run in runs}
        },
        bars_per_year=_bars_per_year(
            [*(t.bars_per_year for t in recorded.values()), *(run.bars_per_year for run in runs)]
        ),
        problems=problems,
    )


def _run(
    label: str, folder: Path, manifest: Mapping[str, Any] | None, ledger: Path | None
) -> _Run | None:
    """The run, or None if it was counted and has read no prices."""
    manifest = _content(folder / "manifest.json") if manifest is None else manifest
    data = _section(manifest, "data")
    trial = _section(manifest, "trial")
    place = ledger
    if place is None and isinstance(trial.get("ledger"), str):
        place = Path(os.path.normpath(folder.resolve() / trial["ledger"]))
    # Runs older than the ledger have no fingerprint of prices; that of all columns is as good.
    known = data.get("fingerprint") or _section(data, "hashes").get("bars") or ""
    if not known and trial:
        return None
    bars_per_year = _section(data, "spec").get("bars_per_year")
    if bars_per_year is None:
        trading = _section(_section(_content(folder / "metrics.json"), "trading"), "strategy")
        bars_per_year = trading.get("bars_per_year")
    name = str(trial.get("id") or folder.resolve())
    return _Run(label, folder, name, place, str(known), bars_per_year)


def _track(trial: Returned) -> Track | None:
    return Track(trial.time, trial.returns) if len(trial.returns) else None


def _stored(folder: Path) -> Track | None:
    """Returns that a run folder holds."""
    try:
        table = pd.read_parquet(folder / "returns.parquet", columns=["time", "strategy"])
    except (OSError, pa.ArrowException):
        return None
    time = table["time"].to_numpy().astype("datetime64[ns]")
    return Track(time, table["strategy"].to_numpy(np.float64))


def _merged(readings: Sequence[Reading]) -> list[Finding]:
    return list(dict.fromkeys(finding for reading in readings for finding in reading.findings))


def _unreadable(findings: Sequence[Finding]) -> list[str]:
    """Names of trials whose record cannot be read: on whatever prices, they count on these."""
    return [
        trial_of(one.file.removesuffix(".parquet"))
        for one in findings
        if one.problem.startswith("damaged")
    ]


def _said(findings: Sequence[Finding]) -> list[str]:
    """What is wrong with a ledger, the first few files of it."""
    said = [f"The ledger's {one.file} is {one.problem}." for one in findings[:_NAMED]]
    if more := len(findings) - len(said):
        said.append(f"{more:,} more files of the ledger are damaged: regimecast ledger --verify.")
    return said


def _bars_per_year(values: Iterable[float | None]) -> float:
    """Of the prices' calendar, which all trials share."""
    return next((v for v in values if v is not None and math.isfinite(v)), math.nan)


def _content(path: Path) -> Mapping[str, Any]:
    try:
        content = read_json(path)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _section(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = content.get(name)
    return section if isinstance(section, dict) else {}
