"""Where jobs run: Ray on this machine, or a cluster whose nodes can all run them."""

import logging
import os
import platform
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from regimecast.core.errors import ConfigError
from regimecast.sweep.local_ray import begun_here, closed_to_others

__all__ = [
    "Node",
    "check_address",
    "check_nodes",
    "check_room",
    "connected",
    "describe_here",
    "node_reports",
    "prepare",
    "resources",
]

_CONNECT_SECONDS = 5.0
_REPORT_SECONDS = 60.0
"""Time that a node gets to start a worker and say what it has."""
_PACKAGES = ("regimecast", "ray", "torch", "lightning", "numpy", "pandas")
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # it speaks of errors even where it is told to be silent
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_worker_niceness": "0",  # a job is as urgent as one without Ray
    "RAY_DISABLE_FAILURE_SIGNAL_HANDLER": "1",  # SIGTERM ends a search as Ctrl-C does
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # the command's own handles it
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # a job's last result is how it ended
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",  # nothing is ever restored from Tune's own files
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}
"""What Ray and Tune read as they are imported or started."""


@dataclass(frozen=True)
class Node:
    """What a node has that a job needs."""

    host: str
    resources: Mapping[str, float]
    software: Mapping[str, str]
    """Versions of Python and packages, and the hash of this package's code."""
    missing: tuple[str, ...]
    """Of the paths asked for, those that it cannot reach."""
    remote: str | None = None
    """Why it cannot write to the store, if it cannot."""


@contextmanager
def connected(address: str | None, *, cores: int | None = None) -> Iterator[Any]:
    """The ``ray`` module, connected to a cluster or to one begun here that ends with the block.

    Args:
        address: ``auto``, ``host:port`` or ``ray://host:port``; None for this machine alone.
        cores: of this machine that jobs may use together; None for all.

    Raises:
        ConfigError: there is no cluster at the address, or it runs other versions.
    """
    prepare(address)
    check_address(address)
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    with ExitStack() as connection:
        with _own_sigterm():
            if address is None:
                connection.enter_context(begun_here(ray, cores, quiet))
            else:
                connection.callback(ray.shutdown)
                _connect(ray, _found(address), quiet)
        logging.getLogger("ray").setLevel(logging.CRITICAL)  # what matters is said by the search
        yield ray


def prepare(address: str | None) -> None:
    """Sets what Ray and Tune read as they are imported; for before that.

    Args:
        address: see `connected`.
    """
    # Ray imported by then asks for no token, and could not reach one begun here that wants it.
    private = closed_to_others() if address is None and "ray" not in sys.modules else {}
    for key, value in {**_ENVIRONMENT, **private}.items():
        os.environ.setdefault(key, value)


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Block after which SIGTERM is handled as before: Ray takes it over when it is connected."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def resources(ray: Any) -> list[dict[str, float]]:
    """Resources of every node that lives."""
    return [dict(node["Resources"]) for node in ray.nodes() if node["Alive"]]


def node_reports(ray: Any, paths: Sequence[str], remote: str | None = None) -> list[Node]:
    """What every node of the cluster says of itself.

    Args:
        ray: connected.
        paths: files and folders that jobs read or write.
        remote: URL of the store that they keep runs in; None for the folder that all share.

    Raises:
        ConfigError: a node does not answer.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = [node for node in ray.nodes() if node["Alive"]]
    describe = ray.remote(num_cpus=0, max_retries=0)(_describe)
    asked = [
        describe.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ).remote(str(Path.cwd()), list(paths), remote)
        for node in nodes
    ]
    reports = []
    for node, question in zip(nodes, asked, strict=True):
        host = f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
        try:
            said = ray.get(question, timeout=_REPORT_SECONDS)
        except ray.exceptions.GetTimeoutError as error:
            raise ConfigError(f"node {host} does not answer") from error
        except ray.exceptions.RayError as error:
            raise ConfigError(
                f"node {host} cannot import regimecast: {str(error).strip().splitlines()[-1]}"
            ) from error
        missing, store = tuple(said["missing"]), said["remote"]
        reports.append(Node(host, node["Resources"], said["software"], missing, store))
    return reports


def check_nodes(reports: Sequence[Node]) -> None:
    """Nothing, if every node can run jobs as this machine would.

    Raises:
        ConfigError: a node has other versions, lacks a path or cannot write to the store.
    """
    here = describe_here()
    for node in reports:
        for name, mine in here.items():
            if (theirs := node.software.get(name)) != mine:
                raise ConfigError(
                    f"node {node.host} has {name} {theirs}, this machine {mine}; jobs would not be "
                    "the same everywhere. Install the same on all nodes"
                )
        if node.missing:
            raise ConfigError(
                f"node {node.host} cannot reach {node.missing[0]}; it must be on a file system "
                "that all nodes share, under the same path"
            )
        if node.remote is not None:
            raise ConfigError(f"node {node.host}: {node.remote}")


def check_room(nodes: Sequence[Mapping[str, float]], demand: Mapping[str, float]) -> None:
    """Nothing, if a job fits on one of the nodes.

    Args:
        nodes: resources of each.
        demand: CPU and GPU of one job.

    Raises:
        ConfigError: it fits on none.
    """
    if any(all(node.get(k, 0) >= v for k, v in demand.items()) for node in nodes):
        return
    wanted = " and ".join(f"{value:g} {name}" for name, value in demand.items())
    offered = "; ".join(", ".join(f"{n.get(k, 0):g} {k}" for k in demand) for n in nodes)
    raise ConfigError(
        f"a job takes {wanted} (sweep.cpu, sweep.gpu), and no node has that: {offered}"
    )


def describe_here() -> dict[str, str]:
    """Versions of Python and packages on this machine, and the hash of this package's code."""
    from regimecast.tracking.identity import code_hash

    packages = {name: version(name) for name in _PACKAGES}
    return {"Python": platform.python_version(), **packages, "code": code_hash()[:12]}


def _describe(folder: str, paths: Sequence[str], remote: str | None) -> dict[str, Any]:
    """Runs on a node."""
    from regimecast.sweep.states import check_remote

    wanted = [folder, *paths] if remote is None else paths
    missing = [path for path in wanted if not (Path(folder) / path).exists()]
    refused = None
    try:
        if remote is not None:
            check_remote(remote)
    except ConfigError as error:
        refused = str(error)
    return {"software": describe_here(), "missing": missing, "remote": refused}


def check_address(address: str | None) -> None:
    """Nothing, if somebody listens there: Ray itself asks for minutes.

    Raises:
        ConfigError: nobody does, or it is no address.
    """
    if address in (None, "auto"):
        return
    assert address is not None
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        raise ConfigError(
            f"sweep.address={address!r}; allowed: auto, HOST:PORT, ray://HOST:PORT, or null for "
            "this machine alone"
        )
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, error) from error
    if address.startswith("ray://") and find_spec("grpc") is None:
        raise ConfigError(
            f"sweep.address={address!r}: Ray Client needs grpcio, here and on the cluster: "
            "pip install grpcio. A machine of the cluster needs none: sweep.address=auto"
        )


def _found(address: str) -> str:
    """What ``auto`` stands for: the cluster that this machine was made a node of by ``ray start``.

    Ray itself would take any that runs here, also the private one of somebody's search.
    """
    if address != "auto":
        return address
    begun = Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray" / "ray_current_cluster"  # noqa: S108  # Ray's own
    named = os.environ.get("RAY_ADDRESS") or (begun.read_text() if begun.exists() else "")
    if named.strip() in ("", "auto", "local"):
        raise _no_cluster(address, ConnectionError("this machine is no node of one"))
    check_address(named.strip())
    return named.strip()


def _connect(ray: Any, address: str, quiet: Mapping[str, Any], *, attempts: int = 3) -> None:
    unreached = (ConnectionError, RuntimeError, ValueError, TimeoutError)
    try:
        ray.init(address=address, **quiet)
    except (*unreached, ray.exceptions.AuthenticationError) as error:
        if isinstance(error, ConnectionAbortedError) and attempts > 1:
            # A busy head may fail to start a server for this client, and starts the next one.
            _connect(ray, address, quiet, attempts=attempts - 1)
            return
        if "Version mismatch" in str(error):
            text = " ".join(str(error).split())
            raise ConfigError(f"sweep.address={address!r}: {text}") from error
        raise _no_cluster(address, error, listens=True) from error


def _no_cluster(address: str, error: Exception, *, listens: bool = False) -> ConfigError:
    said = str(error).strip().splitlines()
    if isinstance(error, ConnectionAbortedError):  # a head's traceback, whose last line says why
        said = said[-1:]
        hint = (
            "Its head started no server for this client: see its logs; where it is only slow, "
            "RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S of `ray start --head` gives it longer"
        )
    elif listens and os.environ.get("RAY_AUTH_MODE") != "token":
        hint = (
            "Somebody listens there: a cluster that asks for Ray's token, as those do which were "
            "begun where ~/.ray/auth_token is, lets in RAY_AUTH_MODE=token only"
        )
    else:
        hint = "`ray start --head` begins one; sweep.address=null runs on this machine"
    return ConfigError(
        f"sweep.address={address!r}: there is no Ray cluster ({said[0] if said else error!r}). "
        f"{hint}"
    )
