"""A comparison as tables for a terminal: one per kind of run and metric."""

from collections.abc import Iterator, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from regimecast.core.types import REGIMES
from regimecast.evaluation.comparison import NET_RETURN, Comparison, GroupComparison
from regimecast.evaluation.contest import SIZES, Contest
from regimecast.evaluation.significance.testable import NOT_TESTABLE
from regimecast.evaluation.table_width import fitting, too_wide

__all__ = ["comparison_table"]

_MAIN = ("crps", "log_loss", "directional_accuracy")
"""The first of these that runs have is shown unless metrics are asked for, beside net returns."""
_TITLES = {"buy_and_hold": "buy-and-hold", "naive": "the model naive"}
_RULES = {**_TITLES, "naive": "the naive rule"}
"""Benchmarks of forecasts, and of returns."""
_LOWEST = 0.001
"""What a thousand resamples can tell from 0."""


def comparison_table(
    comparison: Comparison, width: int = 1000, *, metrics: Sequence[str] | None = None
) -> Group:
    """Tables and what is to be said below them, to be printed by rich.

    Args:
        comparison: what `compare` found.
        width: characters in a line; columns that do not fit are named below the table.
        metrics: which to show; the main ones where left out.
    """
    parts: list[Table | Text] = []
    for group in comparison.groups:
        for metric in metrics or _main(group):
            contests = {c.regime: c for c in group.contests if c.metric == metric}
            if contests:
                parts += _part(group, metric, contests, width)
        parts += [Text(note, style="dim") for note in group.notes]
    parts += [Text(f"left out: {label}: {reason}") for label, reason in comparison.left_out.items()]
    return Group(*parts)


def _main(group: GroupComparison) -> list[str]:
    found = {contest.metric for contest in group.contests}
    return [*[name for name in _MAIN if name in found][:1], NET_RETURN]


def _part(
    group: GroupComparison, metric: str, contests: dict[str | None, Contest], width: int
) -> Iterator[Table | Text]:
    overall = contests[None]
    regimes = [name for name in REGIMES if name in contests and contests[name].times]
    # The order of importance is that of the columns.
    columns = ["run", metric, "all", *regimes]
    order = sorted(overall.mean, key=lambda label: (-overall.mcs.get(label, 1.0), label))

    def build(names: Sequence[str]) -> Table:
        title = Text(f"{group.kind}: {metric.replace('_', ' ')}", style="table.title")
        table = Table(title=title, title_justify="left")
        for name in names:
            table.add_column(
                _heading(name, contests),
                justify="left" if name == "run" else "right",
                overflow="fold",
            )
        for label in order:
            table.add_row(*(Text(_cell(name, label, metric, contests)) for name in names))
        return table

    shown = fitting(columns, build, width)
    yield build(shown)
    calendar = group.calendars["returns" if metric == NET_RETURN else "forecasts"]
    below = [
        f"{calendar.times:,} {'bars' if metric == NET_RETURN else 'origins'} that all runs have, "
        f"{calendar.first[:10]} to {calendar.last[:10]}"
        + (f"; dropped: {_counts(calendar.dropped)}" if calendar.dropped else "")
        + f". p: of being in the model confidence set, x: out of it at {SIZES[0]:.0%}."
    ]
    below += [
        f"{name or 'overall'}: {NOT_TESTABLE}: {contest.not_testable}"
        for name, contest in contests.items()
        if contest.not_testable and contest.times
    ]
    below += list(_against_benchmarks(overall))
    told = [pair for pair in overall.dm if pair.holm <= SIZES[1]]
    if overall.dm:
        below.append(
            f"Diebold-Mariano: {len(told)} of {len(overall.dm)} pairs differ at "
            f"{SIZES[1]:.0%} after Holm's adjustment."
        )
    if hidden := [name for name in columns if name not in shown]:
        below.append(too_wide(hidden, "in comparison.json"))
    yield Text("\n".join(below), style="dim")


def _against_benchmarks(contest: Contest) -> Iterator[str]:
    titles = _RULES if contest.metric == NET_RETURN else _TITLES
    for name, found in contest.spa.items():
        who = ", ".join(found.superior) or "none"
        yield (
            f"Better than {titles.get(name, name)} at {SIZES[1]:.0%}: {who} "
            f"(that none is: p {_p(found.p_value)})."
        )


def _heading(name: str, contests: dict[str | None, Contest]) -> str:
    if name == "all" or name in REGIMES:
        regime = None if name == "all" else name
        return f"p {name.replace('_', ' ')}\n(n {contests[regime].times:,})"
    return name.replace("_", " ")


def _cell(name: str, label: str, metric: str, contests: dict[str | None, Contest]) -> str:
    if name == "run":
        return label
    if name == metric:
        value = contests[None].mean.get(label)
        return "" if value is None else f"{value:.4g}"
    contest = contests[None if name == "all" else name]
    p = contest.mcs.get(label)
    if p is None:
        return NOT_TESTABLE
    return _p(p) + ("  " if p > SIZES[0] else " x")


def _p(value: float) -> str:
    return f"<{_LOWEST}" if value < _LOWEST else f"{value:.3f}"


def _counts(dropped: dict[str, int]) -> str:
    return ", ".join(f"{number:,} of {label}" for label, number in dropped.items())
