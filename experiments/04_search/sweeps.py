"""Sweeps in folders of their own, and what makes one another than the one nobody disturbed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from local_cluster import Cluster, Process, processes_of

from regimecast.core.files import read_json
from regimecast.tracking.folder import read_status
from regimecast.tracking.ledger import Ledger

__all__ = ["SEARCH", "TINY", "Sweep", "problems_of", "trials_of"]

TINY = (
    "data=synthetic",
    "data.assets=1",
    "data.bars=500",
    "features=[calendar]",
    "window.context_length=8",
    "target.volatility_window=10",
    "regime.minimum=50",
    "split=walk_forward",
    "split.folds=2",
    "split.test=60",
    "trainer.max_epochs=4",
    "trainer.accelerator=cpu",
    "tracker=csv",
)
"""A job of a few seconds, of several folds."""
SEARCH = (
    *TINY,
    "model=lstm",
    "sweep=random",
    "sweep.trials=6",
    "sweep.seed=0",
    "sweep.cpu=1",
    "trainer.max_epochs=10",
    "optimizer.lr=tag(log,interval(1e-5,1e-2))",
    "model.hidden_size=8,16",
    "model.layers=1",
    "model.dropout=0.0",
    "optimizer.weight_decay=0.0",
)
"""Six such jobs, drawn by a seed."""
PATIENCE = 600.0
"""Seconds after which a command hangs."""
_CLOSING_SECONDS = 60.0
"""Time that what a command has begun gets to end after it."""


@dataclass
class Sweep:
    """The command in a folder of its own."""

    folder: Path
    arguments: Sequence[str]
    cluster: Cluster | None = None
    """Where its jobs run; None for this machine alone."""
    study: str = "study"
    log: Path = field(init=False)
    sessions: list[int] = field(init=False, default_factory=list)
    """Of all commands so far."""

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = self.folder / "log.txt"

    @property
    def path(self) -> Path:
        return self.folder / "runs" / self.study

    def start(self) -> subprocess.Popen[bytes]:
        """The command, begun."""
        where = [] if self.cluster is None else [f"sweep.address={self.cluster.address}"]
        command = [sys.executable, "-m", "regimecast", "train", "-m", *self.arguments, *where]
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [*command, f"study={self.study}"],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        self.sessions.append(process.pid)
        return process

    def wait(self, process: subprocess.Popen[bytes]) -> int | None:
        """Exit code of a command; None where it hung, and was killed."""
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            for one in processes_of(process.pid):
                with suppress(ProcessLookupError):
                    os.kill(one.id, signal.SIGKILL)
            process.wait()
            return None

    def left(self) -> list[Process]:
        """What the commands have begun and what does not end."""
        deadline = time.monotonic() + _CLOSING_SECONDS
        while (found := processes_of(*self.sessions)) and time.monotonic() < deadline:
            time.sleep(0.1)
        return found

    def manifests(self) -> dict[str, dict[str, Any]]:
        """Of all run folders, by name."""
        return {p.parent.name: read_json(p) for p in sorted(self.path.glob("*/manifest.json"))}

    def jobs(self) -> dict[int, str]:
        """Run folders of jobs that run, by the number of their process."""
        return {
            int(manifest["process"]["id"]): name
            for name, manifest in self.manifests().items()
            if manifest["status"] == "running"
        }

    def finished(self) -> int:
        """Number of jobs."""
        return sum(manifest["status"] == "finished" for manifest in self.manifests().values())


def trials_of(sweep: Sweep) -> list[tuple[Any, ...]]:
    """What Optuna's storage has of a search; empty for a grid."""
    path = sweep.path / "search.db"
    if not path.exists():
        return []
    (study,) = optuna.get_all_study_summaries(f"sqlite:///{path}")
    trials = optuna.load_study(study_name=study.study_name, storage=f"sqlite:///{path}").trials
    return [(trial.number, trial.state.name, trial.params, trial.values) for trial in trials]


def problems_of(sweep: Sweep, measure: Sweep) -> list[str]:
    """What makes a study another than the one that was not disturbed."""
    found = []
    wanted, got = measure.manifests(), sweep.manifests()
    if [*wanted] != [*got]:
        found.append(f"folders {sorted({*got} ^ {*wanted})}")
    identities = [manifest.get("identity") for manifest in got.values()]
    if len({*identities}) != len(identities):
        found.append("an identity has two folders")
    if {*identities} != {manifest.get("identity") for manifest in wanted.values()}:
        found.append("other jobs")
    for name, manifest in got.items():
        if read_status(sweep.path / name) != "finished":
            found.append(f"{name} is {manifest['status']}: {manifest.get('error')}")
        elif name in wanted and manifest["stages"] != wanted[name]["stages"]:
            first = next(
                stage
                for stage, value in wanted[name]["stages"].items()
                if manifest["stages"].get(stage) != value
            )
            found.append(f"{name} differs from stage {first} on")
    found += problems_of_ledger(sweep, got)
    if trials_of(sweep) != trials_of(measure):
        found.append(f"trials {trials_of(sweep)}")
    litter = [
        str(path.relative_to(sweep.folder))
        for pattern in ("*/.*", ".jobs/new-*", ".search-*", ".shared.*")
        for path in sweep.path.glob(pattern)
    ]
    if litter:
        found.append(f"litter: {litter}")
    counted = read_json(sweep.path / "sweep.json")["jobs"]
    if counted["done"] != counted["total"] or counted["total"] != len(wanted):
        found.append(f"sweep.json counts {counted}")
    if left := sweep.left():
        found.append(f"processes that do not end: {[process.command for process in left]}")
    return found


def problems_of_ledger(sweep: Sweep, manifests: dict[str, dict[str, Any]]) -> list[str]:
    """What is wrong with the ledger: every job is one trial, which has finished."""
    ledger = Ledger(sweep.folder / "ledger")
    found = [f"ledger: {finding.file} {finding.problem}" for finding in ledger.verify()]
    table = ledger.table(columns=["trial", "job", "status"])
    if sorted(table["job"]) != sorted(manifests):
        found.append(f"ledger has the jobs {sorted(table['job'])}")
    if {*table["status"]} != {"finished"}:
        found.append(f"ledger says {table['status'].tolist()}")
    if {*table["trial"]} != {manifest["trial"]["id"] for manifest in manifests.values()}:
        found.append("ledger has other trials than the run folders")
    if left := list(ledger.folder.glob("running/*.json")):
        found.append(f"trials that still wait for their record: {[p.name for p in left]}")
    return found
