"""What a run must answer for: its gate, its calibrated intervals, events it never trained on."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from regimecast.core.types import REGIMES
from regimecast.report.numbers import (
    bars,
    fixed,
    interval,
    metric_title,
    metric_value,
    number,
    percent,
    plain,
    prose,
)
from regimecast.report.palette import REGIME_COLOURS
from regimecast.report.run_files import RunFiles

__all__ = ["Gate", "Rule", "Table", "conformal", "events", "gate", "not_testable"]

_RULE = re.compile(r"(>|<|above|below) *(-?[0-9.e+-]+)$")
_SIDES = {">": "above", "<": "below"}


@dataclass(frozen=True)
class Rule:
    """One rule of a gate."""

    measure: str
    value: str
    interval: str
    limit: str
    passed: bool
    reason: str
    """Why it did not pass."""


@dataclass(frozen=True)
class Gate:
    """A gate's verdict on a run."""

    profile: str
    verdict: str
    """``passed``, ``failed``, or empty for a gate without rules."""
    said: str
    """The verdict as a sentence."""
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Table:
    """A table of text."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    colours: tuple[str, ...] = ()
    """Colour of a mark before each row's name; empty for none."""


def gate(run: RunFiles) -> Gate:
    """Verdict of the gate, each rule with its value, its limit, and why it did not pass."""
    found = run.gate
    profile, passed = str(found.get("profile") or ""), found.get("passed")
    verdict = "" if passed is None else "passed" if passed else "failed"
    rules = tuple(_rule(run, row) for row in _mappings(found.get("rules")))
    broken = [rule for rule in rules if not rule.passed]
    said = ""
    if verdict == "passed":
        said = f"Passed gate {profile}: all of its {len(rules)} rules hold."
    elif verdict:
        said = (
            f"Did not pass gate {profile}: {len(broken)} of {len(rules)} rules do not hold. "
            + " ".join(f"{_sentence(rule.reason)}" for rule in broken)
        )
    return Gate(profile, verdict, said, rules)


def conformal(run: RunFiles) -> Table | None:
    """Coverage and width of the calibrated intervals, overall, by regime and by step.

    Beside them, what the model itself said, where it had intervals.
    """
    found = run.conformal
    if plain(found.get("level")) is None:
        return None
    before = found.get("uncalibrated")
    before = before if isinstance(before, Mapping) else {}
    parts: list[tuple[str, str, Mapping[str, Any], Mapping[str, Any]]]
    parts = [("all regimes", "", found, before)]
    for name in REGIMES:
        own, old = (_part(section, "by_regime", name) for section in (found, before))
        parts.append((prose(name), REGIME_COLOURS[name], own, old))
    for row in _mappings(found.get("by_step")):
        old = _part(before, "by_step", row.get("step"))
        parts.append((f"step {bars(row.get('step'))}", "", row, old))
    parts = [part for part in parts if plain(part[2].get("coverage")) is not None]
    spells = any(part[2].get("episodes") is not None for part in parts)
    head = ["forecasts", "steps", *(["spells"] if spells else []), "coverage", "width"]
    head += ["coverage, uncalibrated", "width, uncalibrated"] if before else []
    rows = []
    for name, _, own, old in parts:
        cells = [name, bars(own.get("n")), *([bars(own.get("episodes"))] if spells else [])]
        for section in (own, *([old] if before else [])):
            cells += [percent(section.get("coverage")), number(section.get("width"))]
        rows.append(tuple(cells))
    level = percent(found["level"], 0)
    return Table(
        f"Intervals that claim {level}, calibrated by {found.get('method')}: how often they held "
        "what happened, and how wide they are, in units of the target",
        tuple(head),
        tuple(rows),
        tuple(colour for _, colour, _, _ in parts),
    )


def events(run: RunFiles) -> Table | None:
    """Each dated event that a fold left out of training, then kinds of events, then all of them."""
    found = run.events
    rows = _mappings(found.get("events"))
    if not rows:
        return None
    metric = found.get("metric")
    error = metric_title(str(metric)) if metric else "error"
    head = ("event", "period", "regime", "weight", "forecasts", error, "return", "buy and hold")
    cells = [
        (
            str(row.get("name")),
            f"{row.get('start')} to {row.get('end')}",
            prose(str(row.get("regime"))),
            fixed(row.get("weight")),
            bars(row.get("n")),
            *_outcome(str(metric), row),
        )
        for row in rows
    ]
    colours = [REGIME_COLOURS.get(str(row.get("regime")), "") for row in rows]
    kinds = found.get("kinds")
    for name, kind in (kinds if isinstance(kinds, Mapping) else {}).items():
        if isinstance(kind, Mapping):
            count = f"{bars(kind.get('events'))} event{'' if kind.get('events') == 1 else 's'}"
            said = str(kind.get("note") or count)
            weight = fixed(kind.get("weight"))
            cells.append(
                (
                    f"all {prose(name)} events",
                    said,
                    prose(name),
                    weight,
                    "",
                    *_outcome(str(metric), kind),
                )
            )
            colours.append(REGIME_COLOURS.get(name, ""))
    mean = found.get("weighted_mean")
    if isinstance(mean, Mapping):
        weight = fixed(mean.get("weight"))
        cells.append(
            ("weighted mean", f"{len(rows)} events", "", weight, "", *_outcome(str(metric), mean))
        )
        colours.append("")
    return Table(
        "Each event was left out of training and then forecast; returns are compounded over the "
        "bars within its dates, after costs",
        head,
        tuple(cells),
        tuple(colours),
    )


def not_testable(run: RunFiles) -> list[str]:
    """Why some figures have no interval, a sentence each."""
    reasons = run.intervals.get("reasons")
    return [
        f"No interval for {_where(str(place))}: {why}."
        for place, why in (reasons if isinstance(reasons, Mapping) else {}).items()
    ]


def _rule(run: RunFiles, row: Mapping[str, Any]) -> Rule:
    metric, rule = str(row.get("metric")), str(row.get("rule") or "")
    found = _RULE.search(rule)
    limit = rule
    if found:
        limit = f"{_SIDES.get(found[1], found[1])} {metric_value(metric, float(found[2]))}"
    title, passed = metric_title(metric), bool(row.get("passed"))
    value = metric_value(metric, row.get("value"))
    known = plain(row.get("value")) is not None
    reason = f"{title} is {value}, not {limit}" if known else str(row.get("reason") or "unknown")
    return Rule(
        title,
        value,
        interval(metric, run.interval("trading", metric)),
        limit,
        passed,
        "" if passed else reason,
    )


def _outcome(metric: str, row: Mapping[str, Any]) -> tuple[str, str, str]:
    return (
        metric_value(metric, row.get("error")),
        percent(row.get("return")),
        percent(row.get("buy_and_hold")),
    )


def _part(section: Mapping[str, Any], name: str, key: Any) -> Mapping[str, Any]:
    """Row of a regime or a step, empty where there is none."""
    rows = section.get(name)
    found: Any = {}
    if isinstance(rows, Mapping):
        found = rows.get(key)
    else:
        found = next((row for row in _mappings(rows) if row.get("step") == key), {})
    return found if isinstance(found, Mapping) else {}


def _mappings(found: Any) -> list[Mapping[str, Any]]:
    """The mappings of a list, none where it is something else."""
    rows = found if isinstance(found, list) else []
    return [row for row in rows if isinstance(row, Mapping)]


def _where(place: str) -> str:
    """``test/regime=crash`` and ``trading/regime=crash`` as words."""
    section, _, regime = place.partition("/")
    of = "trading" if section == "trading" else "forecasts"
    return f"{of} in {prose(regime.removeprefix('regime='))}" if regime else of


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
