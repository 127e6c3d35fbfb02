"""Feature sets: against pandas-ta-classic, per bar as rows grow, memory, and updates."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from regimecast.bench import pandas_ta
from regimecast.bench.bars import FEW_BARS, NINETY_DAYS, YEAR_OF_DAYS, panel_of
from regimecast.bench.machine import Machine
from regimecast.bench.results import BenchReport, Ratio, Sample, limit
from regimecast.bench.timing import in_new_process, resident_bytes, take_turns
from regimecast.core.compose import composed
from regimecast.data.panel import Panel
from regimecast.features.base import FeatureRegistry
from regimecast.features.indicators import IndicatorFamily
from regimecast.features.pipeline import FeaturePipeline

__all__ = ["run"]

SPEED_TARGET, GROWTH_TARGET, MEMORY_TARGET = 5.0, 1.3, 1.3
ASSETS = 4
HOUR = 60
LEAST_SECONDS = 0.1
ABOUT = """One-minute bars of random walks with a volatility index. *Common columns*: those that
pandas-ta-classic computes too; both sides compute them all on the same bars, this house as float64
columns with warm-up and gaps as NaN, as in a pipeline. The package computes some bar by bar in
Python; without them the comparison is harder, and has a row of its own. *Per bar*: `compute` of a
whole set over the bars of all assets. *Memory*: what `compute` adds to the resident memory of a new
process at most, over the bytes of the table it returns. *Update*: 60 new bars after {bars:,} old
ones. Processor time."""


def run(*, repetitions: int, quick: bool) -> BenchReport:
    """Ratios of time and memory; without pandas-ta-classic those that need it are left out."""
    bars = 2 * FEW_BARS if quick else NINETY_DAYS
    about = ABOUT.format(bars=bars)
    ratios = []
    if pandas_ta.installed():
        ratios += [r for n in (YEAR_OF_DAYS, bars) for r in _against(n, repetitions)]
    else:
        about += f" {pandas_ta.PACKAGE} is not installed here: nothing is held against it."
    ratios += _growth(bars, repetitions)
    ratios += _memory(bars, min(repetitions, 3))
    ratios.append(_update(bars, repetitions))
    return BenchReport(
        name="features",
        title="Feature sets",
        about=about,
        ratios=ratios,
        machine=Machine.this(pandas_ta.PACKAGE),
        quick=quick,
    )


def _pipeline(chosen: str) -> FeaturePipeline:
    return FeaturePipeline(composed([f"features={chosen}"])["features"], missing="skip")


def _against(length: int, repetitions: int) -> list[Ratio]:
    """The common columns, with and without those that the package computes in Python loops."""
    panel = panel_of(length)
    bars = {name: np.array(panel.available(name)) for name in panel.names}
    theirs = pandas_ta.reference(bars)
    mine = {
        "vectorised": partial(_columns, _chosen(pandas_ta.COLUMNS), bars),
        "looped": partial(_columns, _chosen(pandas_ta.LOOPED), bars),
    }
    contestants: dict[str, Callable[[], object]] = {
        f"{who} {kind}": calls[kind]
        for who, calls in (("theirs", theirs), ("mine", mine))
        for kind in mine
    }
    found = take_turns(
        contestants, repetitions=repetitions, clock="processor", least_seconds=LEAST_SECONDS
    )
    number = sum(map(len, pandas_ta.COLUMNS.values()))
    every = number + sum(map(len, pandas_ta.LOOPED.values()))
    package = f"`{pandas_ta.PACKAGE}`"
    return [
        Ratio(
            name=f"{every} common columns, {length:,} bars",
            over=_sum(package, found["theirs vectorised"], found["theirs looped"]),
            under=_sum("`regimecast`", found["mine vectorised"], found["mine looped"]),
            at_least=SPEED_TARGET,
        ),
        Ratio(
            name=f"{number} of them that it computes without a Python loop, {length:,} bars",
            over=Sample(package, found["theirs vectorised"].values),
            under=Sample("`regimecast`", found["mine vectorised"].values),
        ),
    ]


def _sum(name: str, *parts: Sample) -> Sample:
    return Sample(name, tuple(map(sum, zip(*(part.values for part in parts), strict=True))))


def _chosen(columns: Mapping[str, tuple[str, ...]]) -> list[tuple[IndicatorFamily, list[int]]]:
    """Families with the places of the columns that are wanted of each."""
    parameters = composed(["features=full"])["features"]
    found = []
    for name, wanted in columns.items():
        settings = dict(parameters[name])
        if name == "trend":
            settings["sma_windows"] = [10, 20, 50, 100]
        family = FeatureRegistry.create(name, **settings)
        assert isinstance(family, IndicatorFamily)
        names = [feature.name for feature in family.features()]
        found.append((family, [names.index(column) for column in wanted]))
    return found


def _columns(chosen: list[tuple[IndicatorFamily, list[int]]], bars: dict[str, Any]) -> None:
    for family, wanted in chosen:
        for _ in family.columns(bars, wanted):
            pass


def _growth(bars: int, repetitions: int) -> list[Ratio]:
    """A whole set per bar, as rows grow tenfold, and a year of days against its budget."""
    ratios = []
    for chosen, assets in (("standard", 1), ("full", 1), ("full", ASSETS)):
        features = _pipeline(chosen)
        sizes = {
            f"{assets} × {length:,} bars": panel_of(length, assets) for length in (bars, bars // 10)
        }
        found = take_turns(
            {name: partial(features.compute, panel) for name, panel in sizes.items()},
            repetitions=repetitions,
            clock="processor",
            least_seconds=LEAST_SECONDS,
        )
        large, small = (found[name].per("bar", panel.n_rows) for name, panel in sizes.items())
        number = len(features.declarations(next(iter(sizes.values()))))
        ratios.append(
            Ratio(
                name=f"`{chosen}`, {number} columns, per bar",
                over=large,
                under=small,
                at_most=GROWTH_TARGET,
            )
        )
    year = take_turns(
        {"`standard`": partial(_pipeline("standard").compute, panel_of(YEAR_OF_DAYS))},
        repetitions=repetitions,
        clock="processor",
        least_seconds=LEAST_SECONDS,
    )
    ratios.append(
        Ratio(
            name=f"`standard`, {YEAR_OF_DAYS} bars",
            over=year["`standard`"],
            under=limit(0.09),
            at_most=1,
            notes="the limit is the budget of a year of days",
        )
    )
    return ratios


def _memory(bars: int, repetitions: int) -> list[Ratio]:
    ratios = []
    for chosen, assets in (("standard", 1), ("full", 1), ("full", ASSETS)):
        found = [in_new_process(added_memory, chosen, bars, assets) for _ in range(repetitions)]
        ratios.append(
            Ratio(
                name=f"`{chosen}`, {assets} × {bars:,} bars, peak memory",
                over=Sample("added", tuple(float(added) for added, _ in found), "B"),
                under=Sample("table", tuple(float(table) for _, table in found), "B"),
                at_most=MEMORY_TARGET,
            )
        )
    return ratios


def added_memory(chosen: str, bars: int, assets: int) -> tuple[int, int]:
    """Most resident bytes that `compute` adds, and those of the table that it returns."""
    features, panel = _pipeline(chosen), panel_of(bars, assets)
    features.compute(panel_of(600, assets))  # compiled and loaded
    before = resident_bytes("now")
    table = features.compute(panel)
    return resident_bytes("peak") - before, table.values.nbytes


def _update(bars: int, repetitions: int) -> Ratio:
    features, panel = _pipeline("standard"), panel_of(bars + HOUR)
    old, new = _cut(panel, 0, bars), _cut(panel, bars, bars + HOUR)
    _, state = features.update(None, old)
    whole, added = features.compute(panel).values[bars:], features.update(state, new)[0].values
    if whole.tobytes() != added.tobytes():
        raise AssertionError("an update is not what a full compute gives")
    found = take_turns(
        {
            "full compute": partial(features.compute, panel),
            "update": partial(features.update, state, new),
        },
        repetitions=repetitions,
        clock="processor",
        least_seconds=LEAST_SECONDS,
    )
    return Ratio(
        name=f"`standard`, {HOUR} new bars",
        over=found["full compute"],
        under=found["update"],
        notes="the same bytes",
    )


def _cut(panel: Panel, start: int, end: int) -> Panel:
    """Some bars of a panel of one asset."""
    return Panel(
        values=panel.values[start:end],
        time=panel.time[start:end],
        offsets=np.array([0, end - start]),
        columns=panel.columns,
        assets=panel.assets,
        frequency=panel.frequency,
        calendar=panel.calendar,
    )
