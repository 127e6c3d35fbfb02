"""What a cluster's nodes have, side by side, and whether jobs can run on all of them."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from regimecast.core.compose import composed
from regimecast.core.parts import component
from regimecast.core.terminal import console
from regimecast.data.sources.base import SourceRegistry
from regimecast.sweep.cluster import Node, connected, describe_here, node_reports

__all__ = ["shared_places", "show_cluster"]


@contextmanager
def shared_places(
    config: Mapping[str, Any], folder: Path, remote: str | None = None
) -> Iterator[list[str]]:
    """Paths that every node has to see: the data's files, and a file new in the runs' folder.

    Args:
        config: resolved, plain values.
        folder: that jobs write to; it exists.
        remote: URL of the store that takes the place of that folder, if one does.
    """
    files = component(SourceRegistry, "data", config).files()
    if remote is not None:
        yield [*map(str, files)]
        return
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".shared.") as fresh:
        yield [fresh.name, *map(str, files)]


def show_cluster(address: str, overrides: Sequence[str], remote: str | None = None) -> bool:
    """Prints a table of the nodes; returns whether each can run the jobs of this config.

    Args:
        address: ``auto``, ``host:port`` or ``ray://host:port``.
        overrides: of the config whose data and folders are looked for on each node.
        remote: see `shared_places`.

    Raises:
        ConfigError: there is no cluster, an override is wrong, or a node does not answer.
    """
    config = composed(overrides)
    runs = Path(config["runs"])
    begun = not runs.exists()
    runs.mkdir(parents=True, exist_ok=True)
    try:
        with connected(address) as ray, shared_places(config, runs, remote) as places:
            nodes = node_reports(ray, places, remote)
    finally:
        if begun:
            runs.rmdir()
    here = describe_here()
    odd = [_oddities(node, here) for node in nodes]
    console().print(_table(nodes, here, odd))
    for node, found in zip(nodes, odd, strict=True):
        for text in found:
            console().print(f"{node.host}: {text}")
    fit = not any(odd)
    if fit:
        total = {key: sum(node.resources.get(key, 0) for node in nodes) for key in ("CPU", "GPU")}
        console().print(
            f"All {len(nodes)} nodes can run jobs: {total['CPU']:g} CPUs, {total['GPU']:g} GPUs. "
            f"regimecast train -m sweep=asha sweep.address={address} uses them."
        )
    return fit


def _oddities(node: Node, here: Mapping[str, str]) -> list[str]:
    """Why jobs would not run there as they do here, in words."""
    versions = [
        f"has {name} {node.software.get(name)}, this machine {mine}"
        for name, mine in here.items()
        if node.software.get(name) != mine
    ]
    refused = [] if node.remote is None else [node.remote]
    return [*versions, *(f"cannot reach {path}" for path in node.missing), *refused]


def _table(nodes: Sequence[Node], here: Mapping[str, str], odd: Sequence[Sequence[str]]) -> Table:
    table = Table(title="nodes", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("node", no_wrap=True)
    for heading in ("CPU", "GPU", "memory"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in here:
        table.add_column(heading, no_wrap=True)
    table.add_column("fit")
    for node, found in zip(nodes, odd, strict=True):
        memory = node.resources.get("memory", 0) / 2**30
        table.add_row(
            node.host,
            *(f"{node.resources.get(key, 0):g}" for key in ("CPU", "GPU")),
            f"{memory:.0f} GiB",
            *(node.software.get(name, "-") for name in here),
            "no" if found else "yes",
        )
    return table
