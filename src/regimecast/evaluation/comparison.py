"""`compare`: which runs of a study are told apart by the data, and which beat the benchmarks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from regimecast.core.errors import ConfigError, DataError, did_you_mean
from regimecast.core.seeding import derive_seed
from regimecast.core.types import REGIMES
from regimecast.evaluation.comparable import Kind
from regimecast.evaluation.comparison_runs import (
    LOSSES,
    ComparedRun,
    by_time,
    common,
    read_runs,
)
from regimecast.evaluation.contest import Contest, hold_contest
from regimecast.evaluation.significance.bootstrap import REPETITIONS

__all__ = ["METRICS", "NET_RETURN", "Calendar", "Comparison", "GroupComparison", "compare"]

NET_RETURN = "net_return"
"""Mean return per bar after costs."""
METRICS = (*LOSSES, NET_RETURN)
_BENCHMARKS = ("buy_and_hold", "naive")


@dataclass(frozen=True)
class Calendar:
    """What the runs were compared on."""

    times: int
    """Origins, or bars, that all of them have."""
    first: str
    last: str
    dropped: dict[str, int]
    """Samples, or bars, of each run that another one lacks; runs that lose none are left out."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "times": self.times,
            "first": self.first,
            "last": self.last,
            "dropped": self.dropped,
        }


@dataclass(frozen=True, eq=False)
class GroupComparison:
    """Runs of one kind."""

    kind: Kind
    runs: tuple[str, ...]
    calendars: dict[str, Calendar]
    """Of ``forecasts`` and of ``returns``, where there are any."""
    contests: tuple[Contest, ...]
    notes: tuple[str, ...]
    """What a reader has to know."""

    def contest(self, metric: str, regime: str | None = None) -> Contest | None:
        """Contest in a metric, overall or of a regime."""
        wanted = (metric, regime)
        return next((c for c in self.contests if (c.metric, c.regime) == wanted), None)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Runs of a study, compared within their kind."""

    groups: tuple[GroupComparison, ...]
    left_out: dict[str, str]
    """Why a run was left out, by its label."""
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Content of ``comparison.json``: plain values, no NaN.

        ``{"seed", "repetitions", "left_out": {label: reason}, "groups": [...]}``, each group with
        ``kind`` (in words), ``task``, ``target``, ``data``, ``runs`` (labels), ``notes``,
        ``calendars`` (``forecasts`` and ``returns``: times, first, last, dropped per run) and
        ``contests``: a list with one entry per metric and regime (null for all), which holds

        - ``metric``, ``regime``, ``times``, ``block_length``
        - ``mean``: the metric per label
        - ``mcs``: per label ``{"p_value", "in_0.10", "in_0.05"}``
        - ``dm``: pairs ``{"first", "second", "difference" (of mean losses), "statistic",
          "p_value", "holm"}``
        - ``spa``: per benchmark ``{"p_value", "lower", "upper", "superior": [labels]}``; for
          ``net_return`` the benchmarks are ``buy_and_hold`` and the rule ``naive``, for forecasts
          the study's run of the model ``naive``
        - ``not_testable``: null, or why tests are missing; where it is all of them, ``mcs``,
          ``dm`` and ``spa`` are empty.
        """
        return {
            "seed": self.seed,
            "repetitions": REPETITIONS,
            "left_out": self.left_out,
            "groups": [
                {
                    "kind": str(group.kind),
                    **group.kind._asdict(),
                    "runs": list(group.runs),
                    "notes": list(group.notes),
                    "calendars": {k: v.to_json() for k, v in group.calendars.items()},
                    "contests": [contest.to_json() for contest in group.contests],
                }
                for group in self.groups
            ],
        }


def compare(
    runs: Mapping[str, Path], *, metrics: Sequence[str] | None = None, seed: int = 0
) -> Comparison:
    """Tests of a study's runs against each other and against naive and buy-and-hold.

    For every metric, overall and per regime: Diebold & Mariano's test of all pairs with Holm's
    adjustment, the model confidence set, and Hansen's test with Romano & Wolf's steps against the
    benchmarks. Losses are averaged over the assets of an origin first, so that what assets share
    stays; only samples that all runs have count. Regimes are those known at the origin.

    Args:
        runs: run folders by label. Those that did not finish are left out and named.
        metrics: which of `METRICS`; all that the runs have where left out.
        seed: of the resamples; the same seed gives the same numbers.

    Raises:
        ConfigError: an unknown metric.
        DataError: none of the runs can be compared.
    """
    for metric in metrics or ():
        if metric not in METRICS:
            raise ConfigError(
                f"metric={metric!r} cannot be compared.{did_you_mean(metric, METRICS)} "
                f"Allowed: {', '.join(METRICS)}"
            )
    read, left_out = read_runs(runs)
    if not read:
        said = "; ".join(f"{label}: {reason}" for label, reason in list(left_out.items())[:5])
        raise DataError(f"none of {len(runs)} runs can be compared. {said}".strip())
    kinds: dict[Kind, list[ComparedRun]] = {}
    for run in read:
        kinds.setdefault(run.kind, []).append(run)
    groups = [
        _group(kind, kinds[kind], metrics or METRICS, derive_seed(seed, 1 + number))
        for number, kind in enumerate(sorted(kinds, key=lambda kind: kind.order))
    ]
    return Comparison(tuple(groups), left_out, seed)


def _group(
    kind: Kind, runs: list[ComparedRun], metrics: Sequence[str], seed: int
) -> GroupComparison:
    calendars: dict[str, Calendar] = {}
    notes: list[str] = []
    contests: list[Contest] = []
    forecast = [metric for metric in metrics if metric != NET_RETURN]
    if forecast:
        contests += _forecasts(runs, forecast, calendars, notes, seed)
    if NET_RETURN in metrics:
        contests += _net_returns(runs, calendars, notes, derive_seed(seed, 1000))
    if len(runs) == 1:
        notes.append("one run: there is no other to compare it with")
    return GroupComparison(
        kind, tuple(run.label for run in runs), calendars, tuple(contests), tuple(notes)
    )


def _forecasts(
    runs: list[ComparedRun],
    metrics: Sequence[str],
    calendars: dict[str, Calendar],
    notes: list[str],
    seed: int,
) -> Iterator[Contest]:
    index, left_out = common({run.label: run.losses.table.index for run in runs})
    notes += [f"{label} is left out of forecasts: {why}" for label, why in left_out.items()]
    runs = [run for run in runs if run.label not in left_out]
    origins = index.get_level_values("origin")
    calendars["forecasts"] = _calendar(
        origins.unique(), {run.label: len(run.losses.table) - len(index) for run in runs}
    )
    tables = {run.label: run.losses.table.loc[index] for run in runs}
    regime = tables[runs[0].label]["regime"].to_numpy()
    if any(not np.array_equal(table["regime"], regime) for table in tables.values()):
        notes.append(f"runs differ in regimes; those of {runs[0].label} are taken")
    for m, metric in enumerate(metrics):
        having = [run for run in runs if metric in tables[run.label]]
        if not having:
            continue
        labels = [run.label for run in having]
        naive = next((i for i, run in enumerate(having) if run.model == "naive"), None)
        others = [i for i, run in enumerate(having) if run.model != "naive"]
        for r, (name, rows) in enumerate(_regimes(regime)):
            losses, present = by_time([tables[label] for label in labels], metric, rows)
            marked = np.zeros(calendars["forecasts"].times, dtype=bool)
            marked[present] = True
            gains = {}
            if naive is not None and others:
                gain = losses[:, naive : naive + 1] - losses[:, others]
                gains["naive"] = ([labels[i] for i in others], gain)
            yield hold_contest(
                metric,
                name,
                labels,
                losses if LOSSES[metric] > 0 else 1 - losses,
                losses,
                gains,
                marked=marked,
                horizon=max(run.losses.horizon for run in having),
                seed=derive_seed(seed, 1 + m, 1 + r),
            )


def _net_returns(
    runs: list[ComparedRun], calendars: dict[str, Calendar], notes: list[str], seed: int
) -> Iterator[Contest]:
    tables = {run.label: run.returns for run in runs if run.returns is not None}
    notes += [f"{run.label} is left out of returns: {run.note}" for run in runs if run.note]
    if not tables:
        return
    index, left_out = common({label: table.index for label, table in tables.items()})
    notes += [f"{label} is left out of returns: {why}" for label, why in left_out.items()]
    tables = {label: table.loc[index] for label, table in tables.items() if label not in left_out}
    full = {run.label: len(run.returns) for run in runs if run.returns is not None}
    calendars["returns"] = _calendar(index, {label: full[label] - len(index) for label in tables})
    regime = next(iter(tables.values()))["regime"].to_numpy()
    labels = list(tables)
    net = np.stack([table["strategy"].to_numpy() for table in tables.values()], axis=1)
    # Each against its own benchmark: runs may differ in costs and in the naive rule's window.
    gains = {
        name: net - np.stack([table[name].to_numpy() for table in tables.values()], axis=1)
        for name in _BENCHMARKS
    }
    for r, (name, bars) in enumerate(_regimes(regime)):
        yield hold_contest(
            NET_RETURN,
            name,
            labels,
            net[bars],
            -net[bars],
            {benchmark: (labels, gain[bars]) for benchmark, gain in gains.items()},
            marked=bars,
            horizon=1,
            seed=derive_seed(seed, 1 + r),
        )


def _regimes(code: Any) -> Iterator[tuple[str | None, Any]]:
    """All times under None, and those of every regime."""
    yield None, np.ones(len(code), dtype=bool)
    for number, name in enumerate(REGIMES):
        yield name, code == number


def _calendar(times: pd.Index, dropped: Mapping[str, int]) -> Calendar:
    return Calendar(
        len(times),
        str(times.min()),
        str(times.max()),
        {label: number for label, number in dropped.items() if number},
    )
