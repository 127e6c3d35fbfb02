"""Comparison of a study's runs, as ``regimecast compare`` left it: which the data tell apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regimecast.core.errors import DataError
from regimecast.core.files import read_json
from regimecast.report.numbers import bars, headline, metric_title, metric_value, plain, prose

__all__ = ["Contests", "Member", "Significance", "read"]

_NAMED = 5
"""Runs that a sentence names."""

_BENCHMARKS = {"buy_and_hold": "buy and hold", "naive": "the naive rule"}


@dataclass(frozen=True)
class Member:
    """Whether a run is in the model confidence set of one metric and regime."""

    text: str
    kind: str
    """``in``, ``out`` at 10 %, or empty where it is not known."""
    p_value: float | None


@dataclass(frozen=True)
class Contests:
    """What the data say about runs of one kind in one metric."""

    title: str
    columns: tuple[str, ...]
    """``all regimes`` and the regimes that were tested, each with its number of times."""
    rows: tuple[tuple[int, str, tuple[Member, ...]], ...]
    """Position in the leaderboard, the metric itself, and membership in each column."""
    said: tuple[str, ...]
    """Tests against the benchmarks, pairs that differ, and what is not testable."""


@dataclass(frozen=True)
class Significance:
    """Content of ``comparison.json`` that belongs to the runs of a page."""

    contests: tuple[Contests, ...]
    notes: tuple[str, ...]
    """Why there is nothing, or what is left out."""
    command: str = ""
    """What to run where there is no such file."""


def read(folder: Path, names: Mapping[str, str]) -> Significance:
    """What ``comparison.json`` in a study's folder says about its runs; a note where it cannot.

    Args:
        folder: of the study.
        names: short names of its runs by label, in the leaderboard's order.
    """
    try:
        content = read_json(folder / "comparison.json")
    except FileNotFoundError:
        place = folder.resolve()
        return Significance((), (), f"regimecast compare {place.parent.name}/{place.name}")
    except (OSError, ValueError) as error:
        return Significance((), (f"comparison.json cannot be read: {error}",))
    try:
        return _parsed(content, names)
    except (AttributeError, KeyError, TypeError, DataError) as error:
        return Significance((), (f"comparison.json is of another version or damaged: {error!r}",))


def _parsed(content: Mapping[str, Any], names: Mapping[str, str]) -> Significance:
    several = len(content["groups"]) > 1
    contests = []
    notes = [f"{label} is left out: {why}." for label, why in content["left_out"].items()]
    known = {*content["left_out"]}
    for group in content["groups"]:
        known |= set(group["runs"])
        notes += [f"{headline(str(note)).rstrip('.')}." for note in group["notes"]]
        for metric in dict.fromkeys(contest["metric"] for contest in group["contests"]):
            own = [contest for contest in group["contests"] if contest["metric"] == metric]
            title = headline(metric_title(metric)) + (f", {group['kind']}" if several else "")
            contests.append(_contests(title, metric, own, names))
    if missing := [name for label, name in names.items() if label not in known]:
        notes.append(
            f"{_named(missing)} came later than the comparison; run `regimecast compare` again."
        )
    if gone := sorted(label for label in known if label not in names):
        notes.append(f"{_named(gone)} took part in the comparison and is no longer here.")
    return Significance(tuple(contest for contest in contests if contest.rows), tuple(notes))


def _contests(
    title: str, metric: str, own: list[dict[str, Any]], names: Mapping[str, str]
) -> Contests:
    places = {label: place for place, label in enumerate(names)}
    overall = next((contest for contest in own if contest["regime"] is None), own[0])
    tested = [contest for contest in own if contest["mcs"] or contest is overall]
    labels = sorted((k for k in overall["mean"] if k in places), key=lambda k: places[k])
    said = []
    for contest in own:
        where = f"In {prose(contest['regime'])}: " if contest["regime"] else ""
        if why := contest["not_testable"]:
            said.append(
                f"{where or 'All regimes: '}not testable: {why}." if contest["times"] else ""
            )
        said += [
            headline(f"{where}{_against(name, found, names)}")
            for name, found in contest["spa"].items()
        ]
    if overall["dm"]:
        differ = sum(pair["holm"] <= 0.05 for pair in overall["dm"])
        said.append(
            f"Diebold and Mariano's test: {differ:,} of {len(overall['dm']):,} pairs differ at 5% "
            "after Holm's adjustment."
        )
    return Contests(
        title=title,
        columns=tuple(
            f"{prose(contest['regime'] or 'all regimes')}, n = {bars(contest['times'])}"
            for contest in tested
        ),
        rows=tuple(
            (
                places[label],
                metric_value(metric, overall["mean"][label]),
                tuple(_member(contest["mcs"].get(label)) for contest in tested),
            )
            for label in labels
        ),
        said=tuple(text for text in said if text),
    )


def _member(found: Mapping[str, Any] | None) -> Member:
    if found is None or (p := plain(found["p_value"])) is None:
        return Member("–", "", None)
    text = f"p {_p(p)}"
    if found["in_0.10"]:
        return Member(f"in, {text}", "in", p)
    return Member(f"{'out at 10%' if found['in_0.05'] else 'out'}, {text}", "out", p)


def _against(name: str, found: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Result of the tests against a benchmark as a sentence."""
    superior = [names.get(label, label) for label in found["superior"]]
    return (
        f"better than {_BENCHMARKS.get(name, name)} at 5%, all runs tested at once: "
        f"{_named(superior) if superior else 'none'} (SPA: p {_p(found['p_value'])} that none is)."
    )


def _p(value: Any) -> str:
    finite = plain(value)
    if finite is None:
        return "unknown"
    return "< 0.001" if finite < 0.001 else f"{finite:.3f}"


def _named(labels: list[str]) -> str:
    rest = f" and {len(labels) - _NAMED} more" if len(labels) > _NAMED else ""
    return ", ".join(labels[:_NAMED]) + rest
