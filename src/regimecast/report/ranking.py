"""Order of a study's runs: best first among those that forecast the same."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from regimecast.evaluation.comparable import kinds
from regimecast.report.charts import ERRORS
from regimecast.report.numbers import plain
from regimecast.report.run_files import RunFiles

__all__ = ["KIND", "Runs", "by_kind", "is_mixed", "main_error", "ranked"]

Runs = Mapping[str, RunFiles]
"""Runs by label: the folder's path below the study's, which is unique and is where links lead."""

KIND = ("task", "target", "data")
"""What a run forecasts; only runs that have the same in them are ranked."""


def ranked(runs: Runs, deflated: Mapping[str, float] | None = None) -> dict[str, RunFiles]:
    """Runs by deflated Sharpe ratio, highest first, as the leaderboard in the terminal ranks them.

    Runs without one follow by forecast error, then by Sharpe ratio, then by name. Runs of another
    task, target or data stand apart, and get labels that tell which.

    Args:
        runs: in any order.
        deflated: deflated Sharpe ratio by label, where it is known.
    """
    deflated = deflated or {}
    found = kinds(
        [str(run.metrics.get("task") or "") for run in runs.values()],
        [run.settings for run in runs.values()],
    )
    kind_of = dict(zip(runs, found, strict=True))
    named = {label: replace(run, labels=kind_of[label]._asdict()) for label, run in runs.items()}
    error_of = {
        kind: f"test/{main_error([named[label] for label in named if kind_of[label] == kind])}"
        for kind in set(found)
    }

    def order(label: str) -> tuple[Any, ...]:
        kind = kind_of[label]
        value = plain(runs[label].forecast.get(error_of[kind]))
        sharpe = plain(runs[label].trading().get("sharpe"))
        return (
            kind.order,
            -deflated.get(label, -math.inf),
            math.inf if value is None else value,
            math.inf if sharpe is None else -sharpe,
            label,
        )

    return {label: named[label] for label in sorted(runs, key=order)}


def is_mixed(runs: Runs) -> bool:
    """Whether the runs differ in what they forecast, so that they cannot be ranked as one."""
    return len(by_kind(runs)) > 1


def by_kind(runs: Runs) -> list[dict[str, RunFiles]]:
    """The runs in groups that forecast the same, in the order given."""
    groups: dict[tuple[str, ...], dict[str, RunFiles]] = {}
    for label, run in runs.items():
        groups.setdefault(tuple(run.part(name) for name in KIND), {})[label] = run
    return list(groups.values())


def main_error(runs: Sequence[RunFiles]) -> str:
    """The preferred forecast error that most runs have."""
    have = Counter(
        name
        for run in runs
        for name in ERRORS
        if plain(run.forecast.get(f"test/{name}")) is not None
    )
    return max(ERRORS, key=lambda name: have[name])
