"""Searches on nodes that share no folder, only a store: each sees its own empty disk.

A node is a Ray node in namespaces of its own, where the folder of the search is another file system
and the host has another name; killing it kills all that runs there.
"""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from local_cluster import Node, cluster

from regimecast.core.files import read_json
from regimecast.tracking.folder import read_status
from tests.e2e.command import TINY, Started, counted, run_folders, search_end

STUDY = Path("runs/study")
SEARCHED = (
    "optimizer.lr=tag(log,interval(1e-5,1e-2))", "model.hidden_size=8,16", "model.layers=1",
    "model.dropout=0.0", "optimizer.weight_decay=0.0",
)  # fmt: skip
ALONE = ("unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc")
SETTING_UP = 'mount -t tmpfs none "$1" && echo "$2" > /proc/sys/kernel/hostname'
NODES = ("node-1", "node-2")


@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that every node sees otherwise."""
    return tmp_path_factory.mktemp("hidden")


@pytest.fixture(scope="module")
def alone(hidden: Path) -> Iterator[tuple[str, dict[str, Node]]]:
    """Address of a cluster whose head runs no jobs, and its nodes by name, with a core each."""
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare on this system")
    tried = subprocess.run(
        [*ALONE, "sh", "-c", SETTING_UP, "sh", str(hidden), "other"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    if tried.returncode:
        pytest.skip(f"namespaces are not permitted here: {tried.stderr.strip()}")
    setting_up = f'{SETTING_UP} && cd / && shift 2 && exec "$@"'
    with cluster() as nodes:
        nodes.begin(cpus=0)
        named = {
            name: nodes.begin(
                cpus=1, within=(*ALONE, "sh", "-c", setting_up, "sh", str(hidden), name)
            )
            for name in NODES
        }
        for node in named.values():
            node.wait()
        yield nodes.address, named


@pytest.fixture
def folder(
    hidden: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A folder in there that is the working one."""
    place = hidden / request.node.name
    place.mkdir()
    monkeypatch.chdir(place)
    return place


def test_a_search_on_nodes_that_share_only_a_store(
    start: Callable[..., Started],
    alone: tuple[str, dict[str, Node]],
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    address, _ = alone
    arguments = (
        "train", "-m", *TINY, "trainer.max_epochs=3", *SEARCHED, "sweep=asha",
        "sweep.scheduler.grace=1", f"sweep.address={address}",
    )  # fmt: skip
    refused = search_end(start(*arguments))
    assert refused.code == 2
    assert "node-" in refused.err
    assert "cannot reach" in refused.err
    store = f"sweep.remote={(tmp_path / 'store').as_uri()}"
    first = search_end(start(*arguments, store, "sweep.trials=4"))
    assert first.code == 0, first.err
    runs = run_folders(STUDY)
    assert len(runs) == 4
    statuses = [read_status(run) for run in runs]
    assert set(statuses) <= {"finished", "pruned"}
    assert "finished" in statuses
    assert {read_json(run / "manifest.json")["process"]["host"] for run in runs} <= set(NODES)
    assert counted() == 4
    # Another machine has nothing but the store, and runs what is missing.
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    more = search_end(start(*arguments, store, "sweep.trials=5"))
    assert more.code == 0, more.err
    assert len(run_folders(STUDY)) == 5
    assert counted() == 5
    for run in runs:
        copy = STUDY / run.name / "manifest.json"
        assert copy.read_bytes() == (folder / run / "manifest.json").read_bytes()


def test_a_job_whose_node_is_killed_goes_on_from_the_store(
    start: Callable[..., Started],
    alone: tuple[str, dict[str, Node]],
    tmp_path: Path,
):
    address, nodes = alone
    started = start(
        "train", "-m", *TINY, "trainer.max_epochs=50", "callbacks.early_stopping.patience=1000",
        *SEARCHED, "sweep=random", "sweep.trials=1", f"sweep.address={address}",
        f"sweep.remote={(tmp_path / 'store').as_uri()}",
    )  # fmt: skip

    def held() -> list[Path]:
        """What the store has of the run's manifest."""
        found = (tmp_path / "store").glob("study/states/[!s]*/*.json")
        named = [(path.parent.name, read_json(path)) for path in found]
        return [
            tmp_path / "store/study/files" / key / state["files"]["manifest.json"]
            for key, state in named
        ]

    started.wait_for(lambda: bool(held()), "state in the store")
    (manifest,) = held()
    victim = read_json(manifest)["process"]["host"]
    nodes[victim].kill()
    done = search_end(started)
    assert done.code == 0, done.err
    (run,) = run_folders(STUDY)
    told = read_json(run / "manifest.json")
    assert told["status"] == "finished"
    assert [attempt["process"]["host"] for attempt in told["attempts"]] == [victim]
    assert told["process"]["host"] != victim
    steps = (run / "progress.csv").read_text().splitlines()[1:]
    assert [line.split(",")[0] for line in steps] == [str(1 + n) for n in range(50)]
    assert counted() == 1
    assert sorted(path.suffixes for path in Path("ledger").glob("*.parquet")) == [
        [".2", ".parquet"], [".parquet"],
    ]  # fmt: skip
