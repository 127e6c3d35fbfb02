"""What the runs of a study differ in: the axes that a page filters by and draws side by side."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from regimecast.report.ranking import KIND, Runs
from regimecast.report.run_files import RunFiles

__all__ = ["PARTS", "Axis", "axes", "shared", "short_names"]

PARTS = ("model", "loss", "weighting", "sampling", "split", "conformal", "seed")
"""Components that a run has one of, beside those that say what it forecasts."""

_CHIPS = 12
"""An axis with more values than this is chosen from a list."""

_NAME = 60
"""Characters of a short name."""


@dataclass(frozen=True)
class Axis:
    """A part or a setting that is not the same in every run."""

    key: str
    """Name of the part, or the setting's dotted key."""
    values: Mapping[str, str]
    """Value as text by run label, empty where the run has none."""

    def of(self, label: str) -> str:
        """Value of a run as text, empty where it has none."""
        return self.values[label]

    @property
    def choices(self) -> tuple[str, ...]:
        """Different values, numbers by size and words by the alphabet; the empty one last."""
        found = sorted(set(self.values.values()), key=_order)
        return (*(value for value in found if value), *([""] if "" in found else []))

    @property
    def numeric(self) -> bool:
        """Whether it is a scale: numbers, too many of them to name each."""
        known = [value for value in self.choices if value]
        return len(known) > _CHIPS // 2 and all(_number(value) is not None for value in known)

    @property
    def control(self) -> str:
        """``chips``, ``list`` or, for a scale of many numbers, nothing."""
        if len(self.choices) <= _CHIPS:
            return "chips"
        return "" if self.numeric else "list"


def axes(runs: Runs) -> list[Axis]:
    """What differs between runs: parts first, then swept settings by their dotted key."""
    found = [
        Axis(group, {label: run.part(group) for label, run in runs.items()})
        for group in (*KIND, *PARTS)
    ]
    swept = dict.fromkeys(key for run in runs.values() for key in _overrides(run))
    found += [
        Axis(key, {label: _setting(run, key) for label, run in runs.items()})
        for key in swept
        if key not in {axis.key for axis in found}
    ]
    return [axis for axis in found if len(axis.choices) > 1]


def shared(runs: Runs) -> dict[str, str]:
    """Parts that are the same in every run of a study, such as one loss."""
    found = {}
    for group in (*KIND, *PARTS):
        names = {run.part(group) for run in runs.values()}
        if len(names) == 1 and not names & {"", "none"}:
            found[group] = names.pop()
    return found


def short_names(runs: Runs, found: list[Axis]) -> dict[str, str]:
    """What tells a run from the others, such as ``nhits · regime · 1``, by label.

    The label itself where that is not enough to tell them apart.
    """
    names = {
        label: " · ".join(axis.values[label] for axis in found if axis.values[label])
        for label in runs
    }
    if len(set(names.values())) < len(names) or "" in names.values():
        names = {label: label for label in runs}
    return {label: _clipped(name) for label, name in names.items()}


def _clipped(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME * 2 // 3]}…{name[-_NAME // 3 :]}"


def _overrides(run: RunFiles) -> dict[str, str]:
    """Values of the command line by key."""
    pairs = (text.lstrip("+~").partition("=") for text in run.overrides)
    return {key: value for key, equals, value in pairs if equals and key != "experiment"}


def _setting(run: RunFiles, key: str) -> str:
    """Value in the resolved config, which has defaults too; else that of the command line."""
    value: Any = run.settings
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, Mapping):
        value = value.get("name") or _overrides(run).get(key)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return _overrides(run).get(key, "") if value is None else str(value)


def _order(value: str) -> tuple[bool, float, str]:
    number = _number(value)
    return number is None, 0.0 if number is None else number, value


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
