"""Searches on a cluster of several nodes: they use all of it and survive the loss of a part."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import optuna
import pytest
from local_cluster import CLIENT, Cluster, Node, cluster, processes_of
from omegaconf import OmegaConf
from ray.cluster_utils import Cluster as RayCluster
from sqlalchemy.engine import make_url

from regimecast.core.errors import ConfigError
from regimecast.core.files import read_json
from regimecast.sweep.cluster import check_address, connected
from regimecast.tracking.folder import read_status
from regimecast.training.progress import FILENAME, Recorded, read_progress
from tests.e2e.command import TINY, Started, counted, run_folders, search_end

pytestmark = pytest.mark.timeout(600)  # clusters begin and end, and a kill has to be noticed

STUDY = Path("runs/study")
JOBS = 5
SEARCH = (
    "train", "-m", *TINY, "trainer.max_epochs=100", "callbacks.early_stopping.patience=1000",
    "optimizer.lr=tag(log,interval(1e-5,1e-2))", "model.hidden_size=8,16", "model.layers=1",
    "model.dropout=0.0", "optimizer.weight_decay=0.0", "sweep.cpu=1",
)  # fmt: skip
DATABASE = "REGIMECAST_TEST_DATABASE"
"""Variable with the url of a database that a test may fill, such as postgresql+pg8000://..."""


@pytest.fixture(scope="module")
def nodes() -> Iterator[Cluster]:
    """A head with a core, and two nodes with two cores and a GPU each, as far as Ray knows."""
    with cluster() as made:
        made.begin(cpus=1)
        for node in [made.begin(cpus=2, gpus=1) for _ in range(2)]:
            node.wait()
        yield made


def processes(node: Node) -> set[int]:
    """Numbers of a node's processes, jobs and what they began among them."""
    return {process.id for process in processes_of(node.session)}


def environment_of(process: int) -> dict[str, str]:
    """What a process was begun with."""
    text = Path(f"/proc/{process}/environ").read_text(encoding="utf-8")
    return dict(entry.split("=", 1) for entry in text.split("\0") if "=" in entry)


def running() -> dict[int, Path]:
    """Run folders of jobs that train now, by the number of their process."""
    found = {}
    for run in run_folders(STUDY):
        if read_status(run) == "running" and (run / FILENAME).exists():
            found[int(read_json(run / "manifest.json")["process"]["id"])] = run
    return found


def steps_of(run: Path) -> list[Recorded]:
    return read_progress(run / FILENAME)


def results() -> dict[str, Any]:
    """Hashes of all that the finished jobs have made, by identity; no job is there twice."""
    manifests = [read_json(run / "manifest.json") for run in run_folders(STUDY)]
    found = {m["identity"]: m["stages"] for m in manifests if m["status"] == "finished"}
    assert len({m["identity"] for m in manifests}) == len(manifests)
    return found


@pytest.fixture(scope="module")
def undisturbed(
    nodes: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], list[list[int]], set[str]]:
    """Results of a search with half a GPU for each job, jobs on each node at every look, and the
    devices that they saw.
    """
    folder = tmp_path_factory.mktemp("undisturbed")
    loads, devices = [], set()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        started = Started(
            folder, *SEARCH, "sweep=random", f"sweep.trials={JOBS}", "sweep.gpu=0.5",
            f"sweep.address={nodes.address}",
        )  # fmt: skip
        while started.process.is_alive():
            numbers = list(running())
            loads.append([len(processes(node) & set(numbers)) for node in nodes.nodes])
            for number in numbers:
                try:
                    devices.add(environment_of(number).get("CUDA_VISIBLE_DEVICES", "none"))
                except OSError:
                    continue  # it has ended
            started.process.join(0.1)
        ended = started.end()
        assert ended.code == 0, ended.err
        assert counted() == JOBS
        return results(), loads, devices


def test_jobs_share_a_gpu(
    nodes: Cluster, undisturbed: tuple[dict[str, Any], list[list[int]], set[str]]
):
    _, loads, devices = undisturbed
    assert [max(load) for load in zip(*loads, strict=True)] == [0, 2, 2]
    assert devices == {"0"}


def test_more_gpus_than_a_node_has_are_refused(start: Callable[..., Started], nodes: Cluster):
    ended = search_end(
        start(*SEARCH, "sweep=random", "sweep.gpu=2", f"sweep.address={nodes.address}")
    )
    assert ended.code == 2, ended.err
    assert "a job takes 1 CPU and 2 GPU" in ended.err
    assert run_folders(STUDY) == []


def test_nodes_are_looked_at(start: Callable[..., Started], nodes: Cluster):
    ended = search_end(start("cluster", "check", "--address", nodes.address, *TINY))
    assert ended.code == 0, ended.err
    assert "All 3 nodes can run jobs: 5 CPUs, 2 GPUs." in ended.out


def test_a_node_that_is_killed_costs_only_its_last_steps(
    start: Callable[..., Started],
    nodes: Cluster,
    undisturbed: tuple[dict[str, Any], list[list[int]], set[str]],
):
    started = start(
        *SEARCH, "sweep=random", f"sweep.trials={JOBS}", f"sweep.address={nodes.address}"
    )
    _, *workers = nodes.nodes
    busy: list[Node] = []

    def trains() -> bool:  # on which node jobs begin first is a matter of luck
        training = {number for number, run in running().items() if len(steps_of(run)) > 1}
        busy.extend(node for node in workers if processes(node) & training)
        return bool(busy)

    started.wait_for(trains, "job on a node")
    lost = busy[0]
    there = processes(lost)
    lost.kill()
    # Some may not have made a step yet.
    theirs = [
        r for r in run_folders(STUDY) if read_json(r / "manifest.json")["process"]["id"] in there
    ]
    steps = {run: steps_of(run) for run in theirs}
    nodes.nodes.remove(lost)
    instead = nodes.begin(cpus=2, gpus=1)
    ended = search_end(started)
    instead.wait()
    assert ended.code == 0, ended.err
    assert results() == undisturbed[0]
    assert counted() == JOBS
    for run in run_folders(STUDY):
        manifest = read_json(run / "manifest.json")
        assert len(manifest.get("attempts", [])) == (run in theirs)
    for run in theirs:  # what had been trained was not trained again: its seconds are the same
        again = steps_of(run)[: len(steps[run])]
        assert again[:-1] == steps[run][:-1]
    assert any(len(rows) > 1 for rows in steps.values())
    shown = read_json(STUDY / "sweep.json")["jobs"]
    assert (shown["done"], shown["failed"], shown["running"]) == (JOBS, 0, 0)


def test_nodes_that_come_and_go(start: Callable[..., Started]):
    """On Ray's own cluster for tests, which begins its nodes in another way."""
    quick = {"health_check_initial_delay_ms": 500, "health_check_period_ms": 500}
    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": quick}
    made = RayCluster(initialize_head=True, head_node_args=head)
    try:
        leaves = made.add_node(num_cpus=1)
        started = start(*SEARCH, "sweep=asha", "sweep.trials=4", f"sweep.address={made.address}")
        started.wait_for(lambda: len(running()) == 2, "job on each node")
        made.remove_node(leaves, allow_graceful=False)
        made.add_node(num_cpus=1)
        ended = search_end(started)
    finally:
        made.shutdown()
    assert ended.code == 0, ended.err
    manifests = [read_json(run / "manifest.json") for run in run_folders(STUDY)]
    assert {m["status"] for m in manifests} <= {"finished", "pruned"}
    assert any(m.get("attempts") for m in manifests)
    assert len({m["identity"] for m in manifests}) == len(manifests) == counted() == 4


@pytest.mark.skipif(not CLIENT, reason="Ray Client needs grpcio")
def test_a_search_through_ray_client_runs_on_the_head(
    start: Callable[..., Started], nodes: Cluster
):
    where = f"sweep.address={nodes.client_address}"
    arguments = (*SEARCH, "sweep=random", "sweep.trials=2", where)
    started = start(*arguments)
    started.wait_for(lambda: len(running()) == 2, "jobs")
    started.signal(signal.SIGINT)
    ended = search_end(started)
    assert ended.code == 130, ended.err
    assert [read_status(run) for run in run_folders(STUDY)] == ["interrupted"] * 2
    ended = search_end(start(*arguments))
    assert ended.code == 0, ended.err
    assert "2 of 2 jobs have ended: 2 finished" in ended.out
    assert all(len(read_json(r / "manifest.json")["attempts"]) == 1 for r in run_folders(STUDY))
    assert counted() == 2
    refused = search_end(start(*arguments, "model.layers=2"))
    assert refused.code == 2
    assert "model.layers was 1 and is 2" in refused.err


def test_ray_client_without_its_package_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("regimecast.sweep.cluster.find_spec", lambda name: None)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"ray://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ConfigError, match="pip install grpcio"):
            check_address(address)


@pytest.mark.skipif(not CLIENT, reason="Ray Client needs grpcio")
@pytest.mark.parametrize("failures", [2, 3])
def test_a_head_that_starts_no_server_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, failures: int
):
    asked: list[str] = []

    def init(*, address: str, **_: object) -> None:
        asked.append(address)
        if len(asked) <= failures:
            raise ConnectionAbortedError("Traceback\nRuntimeError: Starting the server failed")

    monkeypatch.setattr("ray.init", init)
    monkeypatch.setattr("ray.shutdown", lambda: None)
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as stack:
        if failures == 3:
            stack.enter_context(pytest.raises(ConfigError, match=r"failed.*started no server for"))
        stack.enter_context(connected(f"ray://127.0.0.1:{server.getsockname()[1]}"))
    assert len(asked) == 3


@pytest.mark.skipif(DATABASE not in os.environ, reason=f"{DATABASE} names no database")
def test_a_database_keeps_the_trials_of_a_search(start: Callable[..., Started], nodes: Cluster):
    url = os.environ[DATABASE]
    with suppress(KeyError):  # of an earlier test
        optuna.delete_study(study_name=str(STUDY), storage=url)
    arguments = (
        *SEARCH, "sweep=tpe", "sweep.trials=3", "sweep.jobs=1", f"sweep.storage='{url}'",
        f"sweep.address={nodes.address}",
    )  # fmt: skip
    started = start(*arguments)
    started.wait_for(lambda: len(running()) == 1, "job")
    (run,) = run_folders(STUDY)
    started.signal(signal.SIGKILL)
    search_end(started)
    ended = search_end(start(*arguments))
    assert ended.code == 0, ended.err
    assert len(read_json(run / "manifest.json")["attempts"]) == 1
    assert len(results()) == counted() == 3
    again = search_end(start(*arguments))
    assert again.code == 0, again.err
    assert "all 3 jobs have ended before" in again.err
    assert len(optuna.load_study(study_name=str(STUDY), storage=url).trials) == 3
    assert not (STUDY / "search.db").exists()
    password = make_url(url).password
    for path in Path.cwd().rglob("*"):
        assert not password or path.is_dir() or password.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("how", ["pbt", "pb2"])
def test_a_population_whose_driver_is_killed_goes_on(
    how: str, start: Callable[..., Started], nodes: Cluster
):
    arguments = (
        *SEARCH, f"sweep={how}", "sweep.trials=4", "sweep.scheduler.interval=10",
        "trainer.max_epochs=30", f"sweep.address={nodes.address}",
    )  # fmt: skip
    started = start(*arguments)
    started.wait_for(lambda: any("changes=" in str(run) for run in run_folders(STUDY)), "exchange")
    started.signal(signal.SIGKILL)
    search_end(started)
    ended = search_end(start(*arguments))
    assert ended.code == 0, ended.err
    manifests = {run: read_json(run / "manifest.json") for run in run_folders(STUDY)}
    assert len({m["identity"] for m in manifests.values()}) == len(manifests) == counted()
    study = optuna.load_study(study_name=str(STUDY), storage=f"sqlite:///{STUDY}/search.db")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 4
    ends = [Path(trial.user_attrs["folder"]) for trial in study.trials]
    assert len(set(ends)) == 4
    finished = [run for run, manifest in manifests.items() if manifest["status"] == "finished"]
    assert sorted(ends) == finished
    changed = []
    for trial, run in zip(study.trials, ends, strict=True):
        config = OmegaConf.load(run / "config.yaml")
        told = trial.user_attrs.get("descent", {"changes": []})["changes"]
        assert OmegaConf.to_container(config)["changes"] == told
        if told:
            changed.append(run)
    rerun = search_end(start("rerun", str(changed[-1]), "--verify"))
    assert rerun.code == 0, rerun.err + rerun.out
