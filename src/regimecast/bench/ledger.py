"""How fast a long trial ledger opens; run by `regimecast bench ledger`."""

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from omegaconf import OmegaConf

from regimecast.bench.results import BenchReport, Ratio, Sample, limit
from regimecast.core.compose import composed
from regimecast.core.types import REGIMES
from regimecast.tracking.ledger import Ledger, Trial

__all__ = ["run"]

_TRIALS, _DAYS, _STUDY = 1_000, 2_520, 30
_LIMIT = limit(2.0)
_PRICES = "f" * 64


def run(*, repetitions: int, quick: bool) -> BenchReport:
    """Processor seconds beyond the interpreter's own start, in a process of its own."""
    trials, days = (40, 100) if quick else (_TRIALS, _DAYS)
    few = f"leaderboard, {_STUDY} runs"
    many = f"leaderboard, {trials:,} runs"
    with TemporaryDirectory() as place:
        folder = Path(place)
        _fill(folder, trials, days)
        commands = {
            "start": ["-c", "pass"],
            "ledger": ["-m", "regimecast", "ledger", str(folder / "ledger")],
            few: ["-m", "regimecast", "leaderboard", str(folder / "runs" / "few")],
            many: ["-m", "regimecast", "leaderboard", str(folder / "runs" / "many")],
        }
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for turn in range(repetitions + 1):
            for name, arguments in commands.items():
                seconds = _processor_seconds(arguments)
                if turn > 0:  # the first reads from the disk
                    taken[name].append(seconds)
    beyond = {
        name: Sample(name, tuple(a - b for a, b in zip(taken[name], taken["start"], strict=True)))
        for name in commands
        if name != "start"
    }
    over = f"over {trials:,} records"
    return BenchReport(
        name="ledger",
        title="A long trial ledger",
        about=(
            f"{trials:,} records of trials on the same prices, {days:,} returns each, every "
            "checksum checked, trials clustered, and the probability of overfitting of the runs "
            "shown; processor seconds of the whole command, all threads and imports counted, less "
            "those of an interpreter that does nothing."
        ),
        ratios=[
            Ratio(name=f"ledger {over}", over=beyond["ledger"], under=_LIMIT, at_most=1.0),
            Ratio(name=f"{few} {over}", over=beyond[few], under=_LIMIT, at_most=1.0),
            Ratio(
                name=f"{many} {over}",
                over=beyond[many],
                under=_LIMIT,
                notes="three files of every run are read too",
            ),
        ],
        quick=quick,
    )


def _processor_seconds(arguments: list[str]) -> float:
    """Of a Python process with these arguments."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # S603: Python itself, with arguments from above.
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)  # noqa: S603
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def _fill(folder: Path, trials: int, days: int) -> None:
    """A ledger of that many trials, the runs of all of them, and a study of a few."""
    rng = np.random.default_rng(0)
    ledger = Ledger(folder / "ledger")
    config = composed(["study=many"])
    time = np.datetime64("2010-01-04", "ns") + np.arange(days) * np.timedelta64(1, "D")
    common = rng.normal(2e-4, 0.01, size=days)
    write: Callable[[Path, str], object] = Path.write_text
    for number in range(trials):
        name = f"20260101T000000-{number:012x}"
        own = common * rng.uniform() + rng.normal(0, 0.01, size=days)
        sharpe = float(own.mean() / own.std(ddof=1) * np.sqrt(252))
        metrics = _metrics(rng, sharpe, days)
        ledger.append(
            Trial(
                trial=name,
                status="finished",
                study="many",
                job=f"{number:03d}",
                config=config,
                data=_PRICES,
                commit="0" * 40,
                split="holdout",
                metrics=metrics,
                bars_per_year=252.0,
                time=time,
                returns=own,
            )
        )
        manifest = {
            "status": "finished",
            "job": f"{number:03d}",
            "trial": {"id": name, "ledger": "../../../ledger"},
            "data": {"fingerprint": _PRICES, "spec": {"bars_per_year": 252.0}},
            "checkpoints": {f"file {n}": "0" * 64 for n in range(40)},
        }
        for study in ("many", *(("few",) if number < _STUDY else ())):
            run = folder / "runs" / study / f"{number:03d}"
            run.mkdir(parents=True)
            write(run / "manifest.json", json.dumps(manifest))
            write(run / "metrics.json", json.dumps({"task": "forecast", **metrics}))
            write(
                run / "config.yaml", OmegaConf.to_yaml(OmegaConf.create({**config, "seed": number}))
            )


def _metrics(rng: np.random.Generator, sharpe: float, days: int) -> dict[str, object]:
    """As many numbers as a run's ``metrics.json`` has."""
    names = [f"metric_{number}" for number in range(20)]
    places = ["", *(f"regime={regime}/" for regime in REGIMES)]

    def numbers(prefix: str) -> dict[str, float]:
        return {f"{prefix}{place}{name}": float(rng.normal()) for place in places for name in names}

    return {
        "forecast": {**numbers("test/"), "test/crps": float(rng.uniform())},
        "trading": {
            "strategy": {**numbers(""), "sharpe": sharpe, "n_bars": days},
            "buy_and_hold": {**numbers(""), "sharpe": 0.4},
            "naive": {**numbers(""), "sharpe": 0.1},
        },
        "gate": {"profile": "none", "passed": None, "rules": []},
    }
