"""Runs of a study that differ in their seed only, a row for each config."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np

from regimecast.evaluation.seeds import (
    mean_interval,
    seed_group,
    seedless_name,
    seeds_together,
)
from regimecast.evaluation.selection import Selection
from regimecast.report.numbers import MISSING, metric_title, metric_value, percent, plain
from regimecast.report.ranking import Runs, main_error
from regimecast.report.run_files import RunFiles

__all__ = ["SeedRow", "Seeds", "Spread", "over_seeds", "together"]


@dataclass(frozen=True)
class Spread:
    """A metric over the seeds of a config."""

    mean: str
    between: str
    """The interval of the mean."""
    worst: str
    value: float | str
    """To sort by; empty where a seed lacks it."""


@dataclass(frozen=True)
class SeedRow:
    """A config and its runs."""

    name: str
    runs: tuple[tuple[str, str], ...]
    """Seed and link of each."""
    spreads: tuple[Spread, ...]
    dsr: str
    dsr_value: float | str


@dataclass(frozen=True)
class Seeds:
    """Configs that ran with several seeds."""

    metrics: tuple[tuple[str, str], ...]
    """Title of each metric, and which order puts the best first, as ``aria-sort`` says it."""
    rows: tuple[SeedRow, ...]


def together(runs: Runs) -> dict[str, list[str]]:
    """Labels of the runs that differ in their seed only, by a name for them."""
    return seeds_together(
        list(runs),
        [run.settings for run in runs.values()],
        [seed_group(run.settings, run.manifest) for run in runs.values()],
    )


def over_seeds(runs: Runs, selections: Sequence[Selection]) -> Seeds | None:
    """Mean, interval and worst over the seeds of each config; None where none has several.

    Args:
        runs: best first.
        selections: that the runs were chosen in, with these groups.
    """
    found = together(runs)
    if not found:
        return None
    error = main_error([runs[label] for labels in found.values() for label in labels])
    wanted = {"sharpe": "max", error: "min"}
    known = {
        name: better
        for name, better in wanted.items()
        if any(_value(runs[label], name) is not None for group in found.values() for label in group)
    }
    lucks = {name: luck for one in selections for name, luck in one.groups.items()}
    rows = []
    for group, labels in found.items():
        own = [runs[label] for label in labels]
        dsr = plain(lucks[group].dsr) if group in lucks else None
        rows.append(
            SeedRow(
                seedless_name(own[0].path.name),
                tuple((str(runs[label].settings["seed"]), _link(label)) for label in labels),
                tuple(_spread(own, name, better) for name, better in known.items()),
                MISSING if dsr is None else percent(dsr),
                "" if dsr is None else dsr,
            )
        )
    order = {"max": "descending", "min": "ascending"}
    titles = tuple((metric_title(name), order[better]) for name, better in known.items())
    return Seeds(titles, tuple(sorted(rows, key=_best_first)))


def _spread(runs: Sequence[RunFiles], name: str, better: str) -> Spread:
    given = [_value(run, name) for run in runs]
    values = np.array([value for value in given if value is not None])
    if len(values) < len(given):
        return Spread(MISSING, "", MISSING, "")
    low, high = mean_interval(values)
    mean = float(values.mean())
    worst = float(values.min() if better == "max" else values.max())
    return Spread(
        metric_value(name, mean),
        f"{metric_value(name, low)} to {metric_value(name, high)}",
        metric_value(name, worst),
        mean,
    )


def _value(run: RunFiles, name: str) -> float | None:
    section: Mapping[str, Any] = run.trading() if name == "sharpe" else run.forecast
    return plain(section.get("sharpe" if name == "sharpe" else f"test/{name}"))


def _link(label: str) -> str:
    return f"{quote(label)}/report.html"


def _best_first(row: SeedRow) -> tuple[float, str]:
    """By deflated Sharpe ratio, then by name."""
    return -row.dsr_value if isinstance(row.dsr_value, float) else np.inf, row.name
