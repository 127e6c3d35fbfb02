"""How fast features come from the cache; run by `regimecast bench cache`."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from regimecast.bench.bars import FEW_BARS, NINETY_DAYS, panel_of
from regimecast.bench.results import BenchReport, Ratio, limit
from regimecast.bench.timing import take_turns
from regimecast.core.compose import composed
from regimecast.data.panel import Panel
from regimecast.features.cache import CachedFeaturePipeline, FeatureCache, FeatureCacheSettings
from regimecast.features.pipeline import FeaturePipeline, FeatureTable

__all__ = ["run"]

_HIT = limit(1e-3)
_ENVIRONMENTS = 6
"""Five of six requests are hits, 83 %."""
_ABOUT = """The set `standard`, {columns} columns on {bars:,} one-minute bars of {inputs} columns
({size:.0f} MB of features). *First request*: an empty memory tier, no disk tier. *Memory*: the same
panel asked about again. *Memory, new panel*: equal bars in a new `Panel`, whose content has to be
hashed first. *Disk*: a new cache, and a new panel, over a folder that has the table; the file is in
the system's page cache and its checksum is checked. *First request, disk*: over an empty folder, so
that the table is written. *Shared* and *isolated*: {environments} environments of equal bars with
the one cache or with a cache each. Every table is the plain pipeline's, bit for bit. Wall time."""


def run(*, repetitions: int, quick: bool) -> BenchReport:
    """How many times faster a cached request is, from memory and from disk."""
    bars = panel_of(FEW_BARS if quick else NINETY_DAYS)
    families = composed(["features=standard"])["features"]
    plain = FeaturePipeline(families, missing="skip").compute(bars)
    with tempfile.TemporaryDirectory() as place:
        found = take_turns(
            _contestants(bars, families, plain, Path(place)),
            repetitions=repetitions,
            clock="wall",
            least_seconds=0.01,
        )
    first, memory = found["first request"], found["memory"]
    return BenchReport(
        name="cache",
        title="Features from the cache",
        about=_ABOUT.format(
            columns=len(plain.names),
            bars=bars.n_rows,
            inputs=len(bars.columns),
            size=plain.values.nbytes / 1e6,
            environments=_ENVIRONMENTS,
        ),
        ratios=[
            Ratio(name="request that memory answers", over=first, under=memory, at_least=260.0),
            Ratio(name="time of a hit", over=memory, under=_HIT, at_most=1.0),
            Ratio(name="the same for a new panel", over=first, under=found["memory, new panel"]),
            Ratio(
                name="request that the disk answers", over=first, under=found["disk"], at_least=10.0
            ),
            Ratio(
                name="price of writing",
                over=found["first request, disk"],
                under=first,
                notes="what the disk tier adds to the first request of all",
            ),
            Ratio(
                name=f"{_ENVIRONMENTS} environments",
                over=found["isolated"],
                under=found["shared"],
                notes=f"one computes, {_ENVIRONMENTS - 1} have hits; isolated, all compute",
            ),
        ],
        quick=quick,
    )


def _contestants(
    bars: Panel, families: dict[str, Any], plain: FeatureTable, folder: Path
) -> dict[str, Callable[[], object]]:
    def cache(place: Path | None = None) -> FeatureCache:
        return FeatureCache(
            FeatureCacheSettings(
                memory_mb=512.0,
                ttl_seconds=86_400.0,
                entries=10_000,
                folder=None if place is None else str(place),
                disk_mb=4_096.0,
            )
        )

    def pipeline(own: FeatureCache) -> CachedFeaturePipeline:
        return CachedFeaturePipeline(families, missing="skip", cache=own)

    def new_panel() -> Panel:
        return replace(bars)

    def written() -> FeatureTable:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            return pipeline(cache(Path(place))).compute(new_panel())

    def environments(caches: list[FeatureCache]) -> None:
        for own in caches:
            pipeline(own).compute(new_panel())

    warm = pipeline(cache())
    kept = folder / "kept"
    contestants: dict[str, Callable[[], object]] = {
        "first request": lambda: pipeline(cache()).compute(new_panel()),
        "memory": partial(warm.compute, bars),
        "memory, new panel": lambda: warm.compute(new_panel()),
        "disk": lambda: pipeline(cache(kept)).compute(new_panel()),
        "first request, disk": written,
    }
    for name, call in contestants.items():
        for _ in range(2):  # computed, then from the cache
            table = call()
            assert isinstance(table, FeatureTable)
            if not np.array_equal(table.values.view(np.uint32), plain.values.view(np.uint32)):
                raise AssertionError(f"{name}: not the table of the plain pipeline")
    contestants["isolated"] = lambda: environments([cache() for _ in range(_ENVIRONMENTS)])
    contestants["shared"] = lambda: environments([cache()] * _ENVIRONMENTS)
    return contestants
