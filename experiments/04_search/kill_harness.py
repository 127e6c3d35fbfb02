"""Kills a sweep at random moments, runs the same command again, and compares the outcome.

    python experiments/04_search/kill_harness.py --output experiments/04_search/kills.csv

A sweep that nobody disturbs is the measure. Then the same sweep is begun in an empty folder again
and again, and each time its driver, one of its jobs, the server that jobs are forked from, a worker
of Ray, a raylet, a whole node, or all of them are killed, or its disk is filled, at a random
moment; the command is repeated until it ends by itself, dead nodes are replaced. The study must
then be the undisturbed one: the same jobs, each in one folder, with the same hashes of every stage
to the bit, each one trial of a ledger that verifies, the same trials in Optuna's storage, no litter
and no process that lives on. What was done and found is written as csv, a row for every kill and
one for every study.
"""

import argparse
import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from local_cluster import Cluster, cluster, processes_of
from sweeps import SEARCH, TINY, Sweep, problems_of

VICTIMS = ("driver", "job", "all", "ctrl-c", "sigterm", "disk")
"""Of every sweep."""
RUNNING = 0.7
"""Share of the moments that count from when a job runs; it takes long until one does."""


@dataclass(frozen=True)
class Setting:
    """A sweep, and what of it is killed."""

    arguments: Sequence[str]
    victims: Sequence[str]


SETTINGS = {
    "grid": Setting(
        (*TINY, "model=lstm,lightgbm", "seed=1,2,3", "sweep.jobs=2"), (*VICTIMS, "server")
    ),
    "local": Setting(SEARCH, (*VICTIMS, "worker", "raylet")),
    "cluster": Setting(SEARCH, (*VICTIMS, "worker", "raylet", "node")),
}
"""A grid, a search on this machine, and one on three nodes."""


@dataclass
class Row:
    """One kill, or the judgement of one study."""

    setting: str
    study: int
    event: str
    after: float = 0.0
    """Seconds from the start of the command."""
    hit: int = 0
    """Processes that were killed."""
    jobs_finished: int = 0
    attempts: int = 0
    problems: str = ""


def kill(process: subprocess.Popen[bytes], sweep: Sweep, victim: str, rng: random.Random) -> int:
    """Processes that were hit; none where there is no such one now."""
    own, nodes = process.pid, [] if sweep.cluster is None else sweep.cluster.nodes
    if victim == "disk":
        fill(sweep.folder / "ballast")
        return 1
    if victim == "node":
        return rng.choice(nodes[1:]).kill()
    mine = processes_of(own)
    each = [*mine, *processes_of(*(node.session for node in nodes))]
    jobs = sweep.jobs().keys() & {one.id for one in each}
    chosen = {
        "driver": [own],
        "sigterm": [own],
        "ctrl-c": [one.id for one in mine if one.group == own],
        "all": [one.id for one in each],
        "job": one_of(rng, jobs),
        "server": [one.id for one in mine if one.id not in {own, *jobs}],
        "worker": one_of(rng, (one.id for one in each if "ray::JobTrainable" in one.command)),
        "raylet": one_of(rng, (one.id for one in each if "/raylet " in one.command)),
    }[victim]
    number = {"ctrl-c": signal.SIGINT, "sigterm": signal.SIGTERM}.get(victim, signal.SIGKILL)
    hit = 0
    for pid in chosen:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
            hit += 1
    return hit


def one_of(rng: random.Random, processes: Iterator[int] | set[int]) -> list[int]:
    """One of them, if there is any."""
    found = sorted(processes)
    return [rng.choice(found)] if found else []


def disturbed(sweep: Sweep, row: Row, rng: random.Random, *, runs: bool = False) -> Row:
    """The row, with what happened at that moment or at the next when there is such a victim.

    The command has ended then, and dead nodes are replaced.

    Args:
        sweep: whose command is begun.
        row: names the victim and the seconds until it is hit.
        rng: chooses among several.
        runs: whether the seconds count from when the first job runs.
    """
    began = time.monotonic()
    process = sweep.start()
    while runs and process.poll() is None and not sweep.jobs():
        time.sleep(0.05)
    with suppress(subprocess.TimeoutExpired):
        process.wait(row.after)
    while process.poll() is None and not row.hit:
        row.after = time.monotonic() - began
        row.hit = kill(process, sweep, row.event, rng)
        time.sleep(0.05)
    if sweep.wait(process) is None:
        row.problems = "the command hung"
    (sweep.folder / "ballast").unlink(missing_ok=True)
    if sweep.cluster is not None:
        sweep.cluster.mend()
    row.jobs_finished = sweep.finished()
    return row


def fill(ballast: Path) -> None:
    """Fills the disk to the brim."""
    for size in (1 << 20, 1 << 12, 1):
        try:
            with ballast.open("ab", buffering=0) as file:
                while True:
                    file.write(b"x" * size)
        except OSError:
            continue


@contextmanager
def place(*, small: bool) -> Iterator[Path]:
    """A folder for one study; one that is to be filled is a small file system."""
    folder = Path(tempfile.mkdtemp(prefix="kills-"))
    if small:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(folder)], check=True
        )
    try:
        yield folder
    finally:
        if small:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        shutil.rmtree(folder, ignore_errors=True)


def can_mount() -> bool:
    """Whether a small file system can be made here."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True
        )
        if done.returncode == 0:
            subprocess.run(["umount", folder], check=True)
        return done.returncode == 0


def drawn(rng: random.Random, victims: Sequence[str]) -> Iterator[str]:
    """Victims at random, each as often as the others."""
    while True:
        yield from rng.sample(victims, len(victims))


def harness(
    *,
    kills: int,
    arguments: Sequence[str],
    victims: Sequence[str],
    seed: int,
    tell: Callable[[Row], None],
    setting: str = "",
    nodes: Cluster | None = None,
) -> int:
    """Studies that came out otherwise than the undisturbed one.

    Args:
        kills: to be made in all.
        arguments: of ``train -m``.
        victims: what may be hit.
        seed: of the moments and the victims.
        tell: is handed every row.
        setting: its name.
        nodes: where jobs run; None for this machine alone.
    """
    rng = random.Random(seed)
    turns = drawn(rng, victims)
    small = "disk" in victims
    bad = made = study = 0
    with place(small=small) as folder:
        measure = Sweep(folder, arguments, nodes)
        began = time.monotonic()
        code = measure.wait(measure.start())
        seconds = time.monotonic() - began
        assert code == 0, measure.log.read_text()
        tell(Row(setting, -1, "undisturbed", seconds, 0, measure.finished()))
        while made < kills:
            with place(small=small) as folder:
                sweep = Sweep(folder, arguments, nodes)
                problems: list[str] = []
                victim = next(turns)
                while made < kills:
                    runs = rng.random() < RUNNING
                    most = (0.2 if runs else 0.8) * seconds
                    row = Row(setting, study, victim, rng.uniform(0.0, most))
                    tell(disturbed(sweep, row, rng, runs=runs))
                    problems += [row.problems] if row.problems else []
                    made += bool(row.hit)
                    if not row.hit or rng.random() < 0.25:
                        break
                    victim = next(turns)
                code = sweep.wait(sweep.start())
                problems += problems_of(sweep, measure) + ([f"exit code {code}"] if code else [])
                attempts = sum(
                    1 + len(manifest.get("attempts", ())) for manifest in sweep.manifests().values()
                )
                said = "; ".join(problems)
                tell(Row(setting, study, "same", 0, 0, sweep.finished(), attempts, said))
                if problems:
                    bad += 1
                    kept = Path(tempfile.mkdtemp(prefix=f"kills-bad-{study}-"))
                    shutil.copytree(folder, kept, dirs_exist_ok=True)
                    print(f"kept in {kept}", flush=True)
            study += 1
    return bad


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=25, help="in each setting")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--victims", nargs="+", help="only these")
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    given.output.parent.mkdir(parents=True, exist_ok=True)
    bad = 0
    with given.output.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [*Row.__dataclass_fields__], lineterminator="\n")
        table.writeheader()

        def tell(row: Row) -> None:
            table.writerow({**asdict(row), "after": f"{row.after:.2f}"})
            file.flush()
            print(row, flush=True)

        for name in given.settings:
            setting = SETTINGS[name]
            with cluster(3) if name == "cluster" else nullcontext() as nodes:
                bad += harness(
                    kills=given.kills,
                    arguments=setting.arguments,
                    victims=[
                        one
                        for one in given.victims or setting.victims
                        if one in setting.victims and (one != "disk" or can_mount())
                    ],
                    seed=given.seed,
                    tell=tell,
                    setting=name,
                    nodes=nodes,
                )
    print(f"{bad} studies differ" if bad else "every study is the undisturbed one")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
