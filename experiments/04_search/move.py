"""Begins a search on this machine, kills it, and finishes it on a cluster of three nodes.

    python experiments/04_search/move.py

The search that nobody disturbs, on this machine alone, is the measure.
"""

import os
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from local_cluster import Cluster, cluster, processes_of
from sweeps import SEARCH, Sweep, problems_of, trials_of

from regimecast.training.progress import FILENAME, read_progress

LONGER = (*SEARCH, "trainer.max_epochs=20", "callbacks.early_stopping.patience=1000")


def steps(sweep: Sweep) -> dict[str, int]:
    """Epochs that each job has trained."""
    return {path.parent.name: len(read_progress(path)) for path in sweep.path.glob(f"*/{FILENAME}")}


def begun_and_killed(sweep: Sweep) -> None:
    """Returns when the search's driver is dead, with jobs that have finished and jobs that run."""
    process = sweep.start()
    while sweep.finished() < 2 or not set(sweep.jobs().values()) & steps(sweep).keys():
        assert process.poll() is None, sweep.log.read_text()
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    sweep.left()


def finished_on(sweep: Sweep, nodes: Cluster) -> dict[str, int]:
    """Node of every job that ran while the command went on to its end."""
    sweep.cluster = nodes
    process = sweep.start()
    found: dict[str, int] = {}
    while process.poll() is None:
        for number, node in enumerate(nodes.nodes):
            here = {one.id for one in processes_of(node.session)}
            found |= {name: number for pid, name in sweep.jobs().items() if pid in here}
        time.sleep(0.05)
    assert process.returncode == 0, sweep.log.read_text()
    return found


def main() -> None:
    """The whole of it."""
    with tempfile.TemporaryDirectory() as place:
        measure, sweep = (Sweep(Path(place) / name, LONGER) for name in ("measure", "moved"))
        assert measure.wait(measure.start()) == 0, measure.log.read_text()
        total = steps(measure)
        print(f"undisturbed, on this machine: {measure.finished()} of {len(total)} jobs finished")

        begun_and_killed(sweep)
        before = steps(sweep)
        done = {n for n, m in sweep.manifests().items() if m["status"] == "finished"}
        halfway = {name: count for name, count in before.items() if name not in done}
        print(
            f"begun on this machine, its driver killed with -9: {len(done)} jobs finished, "
            f"{len(halfway)} in the middle"
        )
        for name, count in sorted(halfway.items()):
            print(f"  {name}: {count} of {total[name]} epochs")

        with cluster(3) as nodes:
            ran = finished_on(sweep, nodes)
            print(f"the same command on {len(nodes.nodes)} nodes: {sweep.finished()} jobs finished")
        for node, count in sorted(Counter(ran.values()).items()):
            print(f"  node {node}: {count} jobs")
        print(f"  jobs that had finished and ran again: {len(done & ran.keys())}")
        again = [name for name, m in sweep.manifests().items() if m.get("attempts")]
        print(f"  jobs that went on in their folders: {', '.join(sorted(again)) or 'none'}")
        problems = problems_of(sweep, measure)
        print(f"trials in Optuna's storage: {len(trials_of(sweep))}")
        for problem in problems:
            print(f"differs: {problem}")
    if problems:
        sys.exit(1)
    print("the same jobs, hashes of every stage, trials and ledger as undisturbed, to the bit")


if __name__ == "__main__":
    main()
