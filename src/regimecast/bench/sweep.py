"""What a search costs and saves, through the command line; run by `regimecast bench sweep`."""

import csv
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from regimecast.bench.results import BenchReport, Ratio, Sample, limit
from regimecast.core.compose import composed
from regimecast.core.files import read_json, write_json
from regimecast.sweep.bars import BarsHashes
from regimecast.tracking.identity import job_identity

__all__ = ["run"]

_SEARCH = ("data=sp500", "model=lstm", "tracker=csv", "callbacks.early_stopping=null", "threads=1")
_EPOCHS, _TRIALS = 48, 24
_PAIR_TRIALS = 8
_FINISHED = 500
_TINY = (
    "data=synthetic", "data.assets=1", "data.bars=500", "features=[calendar]", "threads=1",
    "window.context_length=8", "target.volatility_window=10", "regime.minimum=50", "model=lstm",
    "trainer.max_epochs=1", "tracker=csv",
)  # fmt: skip
"""A job that takes a second."""


def run(*, repetitions: int, quick: bool) -> BenchReport:
    """Steps and seconds of searches, each a command of its own."""
    trials, epochs = (6, 6) if quick else (_TRIALS, _EPOCHS)
    with TemporaryDirectory() as place:
        folder = Path(place)
        pairs = [_pair(folder, turn, 2 if quick else _PAIR_TRIALS) for turn in range(repetitions)]
        resumed = [_resume(folder, turn, 20 if quick else _FINISHED) for turn in range(repetitions)]
        steps, best = _savings(folder, trials, epochs)
    one, two = (Sample(f"{n} at a time", tuple(p[n] for p in pairs)) for n in (1, 2))
    overhead = Sample("beyond its training", tuple(p[0] for p in pairs))
    return BenchReport(
        name="sweep",
        title="A search",
        about=(
            f"The first two rows: {trials} LSTMs on the S&P 500, drawn by the same seed, all of "
            f"them for {epochs} epochs, or cut by `sweep=asha` with a grace of 3 epochs and a "
            "reduction of 3; no early stopping in either. *Objective*: loss on validation data, "
            f"best epoch. Then {_PAIR_TRIALS} of one size for 8 epochs with one thread each, one "
            "or two at a time, from the start of the first job to the end of the last. *Overhead*: "
            "what one at a time takes beyond the jobs' own seconds, a job: its page and the start "
            "of the next. *Resuming*: the same "
            f"command again, with one job more, on a study of {_FINISHED} that are finished: from "
            "its start to the start of the new job, interpreter and imports included."
        ),
        ratios=[
            Ratio(name="steps", over=steps["none"], under=steps["asha"], at_least=3.0),
            Ratio(name="best objective", over=best["asha"], under=best["none"], at_most=1.01),
            Ratio(name="two workers", over=one, under=two, at_least=1.7),
            Ratio(name="overhead of a job", over=overhead, under=limit(1.5), at_most=1.0),
            Ratio(
                name="resuming",
                over=Sample("first new job", tuple(resumed)),
                under=limit(5.0),
                at_most=1.0,
            ),
        ],
        quick=quick,
    )


def _savings(folder: Path, trials: int, epochs: int) -> tuple[dict[str, Sample], dict[str, Sample]]:
    """Steps and best objective of an exhaustive search and of one that is cut."""
    steps, best = {}, {}
    for name, how in {
        "none": ("sweep=random",),
        "asha": ("sweep=asha", "sweep.scheduler.grace=3", "sweep.scheduler.reduction=3"),
    }.items():
        own = (*how, f"sweep.trials={trials}", "sweep.jobs=2", f"trainer.max_epochs={epochs}")
        _train(folder, [*_SEARCH, *own, f"study={name}"])
        curves = [_curve(path) for path in (folder / "runs" / name).glob("*/progress.csv")]
        steps[name] = Sample(f"sweep={how[0][6:]}", (float(sum(map(len, curves))),), "steps")
        best[name] = Sample(f"sweep={how[0][6:]}", (min(min(curve) for curve in curves),), "loss")
    return steps, best


def _pair(folder: Path, turn: int, trials: int) -> dict[int, float]:
    """Seconds of one and of two workers, and under 0 those that a job costs besides itself."""
    taken = {}
    size = ("model.hidden_size=32", "model.layers=1")  # else one of the last takes longest
    own = ("sweep=random", f"sweep.trials={trials}", "trainer.max_epochs=8", *size)
    for jobs in (1, 2):
        study = f"pair{turn}_{jobs}"
        _train(folder, [*_SEARCH, *own, f"sweep.jobs={jobs}", "sweep.cpu=1", f"study={study}"])
        runs = [read_json(path) for path in (folder / "runs" / study).glob("*/metrics.json")]
        begun, ended = _span(folder / "runs" / study)
        taken[jobs] = ended - begun
        if jobs == 1:
            taken[0] = max(1e-3, (taken[1] - sum(run["seconds"] for run in runs)) / len(runs))
    return taken


def _resume(folder: Path, turn: int, finished: int) -> float:
    """Seconds from the command's start to its first new job, where all but one are finished."""
    study = f"resume{turn}"
    place = folder / "runs" / study
    own = [*_TINY, f"study={study}"]
    _train(folder, [*own, "seed=range(1)"])
    (first,) = (path.parent for path in place.glob("*/manifest.json"))
    bars = BarsHashes()
    for seed in range(1, finished):
        run = place / f"{seed:03d}_seed={seed}"
        shutil.copytree(first, run)
        config = composed([*_TINY, f"seed={seed}", f"study={study}"])
        manifest = read_json(run / "manifest.json")
        config.pop("sweep", None)
        manifest |= {"identity": job_identity(config, bars.of(config)), "job": run.name}
        write_json(run / "manifest.json", manifest, synced=False)
    before = time.time()
    _train(folder, [*own, f"seed=range({finished + 1})"])
    begun = (path.stat().st_mtime for path in place.glob("[!.]*/config.yaml"))
    new = [moment for moment in begun if moment > before]
    assert len(new) == 1, f"{len(new)} jobs were run instead of one"
    return new[0] - before


def _train(folder: Path, overrides: Sequence[str]) -> None:
    command = [sys.executable, "-m", "regimecast", "train", "-m", *overrides]
    # S603: Python itself, with arguments from above.
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr[-4000:]}")


def _curve(path: Path) -> list[float]:
    with path.open(newline="") as file:
        return [float(row["objective"]) for row in csv.DictReader(file)]


def _span(study: Path) -> tuple[float, float]:
    """When the first job of a study began and the last one ended."""
    manifests: list[dict[str, Any]] = [read_json(path) for path in study.glob("*/manifest.json")]
    begun, ended = (
        [datetime.fromisoformat(manifest[key]).timestamp() for manifest in manifests]
        for key in ("started", "ended")
    )
    return min(begun), max(ended)
