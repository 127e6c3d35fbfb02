"""A study as a search: how the objective fell, what it depends on, who was cut short and when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from regimecast.core.files import read_json
from regimecast.report.axes import Axis
from regimecast.report.charts import Chart
from regimecast.report.numbers import metric_title, plain
from regimecast.report.ranking import Runs
from regimecast.report.run_files import RunFiles
from regimecast.report.search_figures import front, history, importance, learning_curves

__all__ = ["Searched", "objectives_of", "search_charts", "searched"]

_CURVES = 300
"""Learning curves that are drawn, of the runs that came first."""

_LOSS = "val/loss"
"""What runs report at every step, and what a study searches for that does not say."""

_SWEEP = "sweep.json"


@dataclass(frozen=True, eq=False)
class Searched:
    """What a run says of its own training, on validation data only."""

    label: str
    status: str
    reached: tuple[float | None, ...]
    """Of the search's objectives in their order; the loss is the mean over folds of each one's best
    so far, the others are there once the run is finished."""
    curve: pd.DataFrame
    """Columns ``step`` and ``objective``, by step; the latter is the loss."""


def objectives_of(study: Path) -> dict[str, str]:
    """``min`` or ``max`` by objective of a study's search, the loss where it does not say.

    Args:
        study: its folder.
    """
    try:
        found = read_json(study / _SWEEP)["objectives"]
    except (OSError, ValueError, KeyError, TypeError):
        found = None
    if isinstance(found, dict) and found and set(map(str, found.values())) <= {"min", "max"}:
        return found
    return {_LOSS: "min"}


def searched(runs: Runs, objectives: Sequence[str]) -> list[Searched]:
    """The runs that reported how they learn, in the order in which they were begun.

    Args:
        runs: of the study.
        objectives: whose values are asked for.
    """
    found = []
    for label, run in sorted(runs.items(), key=lambda item: _begun(*item)):
        if run.progress is not None and run.objective is not None:
            reached = tuple(_value(run, name) for name in objectives)
            found.append(Searched(label, run.status, reached, run.progress))
    return found


def search_charts(
    runs: Runs, names: Mapping[str, str], differing: Sequence[Axis], places: Mapping[str, int]
) -> list[Chart]:
    """History, importance of each setting, and learning curves; none where no run reported.

    A search with several objectives has the runs that no other beats in all of them besides.

    Args:
        runs: of the study.
        names: short name by label.
        differing: what the runs differ in.
        places: positions in the leaderboard by label.
    """
    objectives = _objectives(runs)
    reported = searched(runs, list(objectives))
    found = [one for one in reported if one.reached[0] is not None]
    charts = []
    if len(found) >= 2:
        charts.append(_history(found, objectives, names, places))
        charts += _importance(found, objectives, differing)
        if len(objectives) > 1:
            charts += _front(found, objectives, names, places)
    if len(reported) >= 2:
        charts.append(_learning_curves(reported, objectives, names, places))
    return charts


def _history(
    found: Sequence[Searched],
    objectives: Mapping[str, str],
    names: Mapping[str, str],
    places: Mapping[str, int],
) -> Chart:
    name, direction = next(iter(objectives.items()))
    cut = sum(one.status == "pruned" for one in found)
    what = (
        "What each run reached on its validation part at its best epoch"
        if name == _LOSS
        else f"The {_title(name)} of each finished run"
    )
    first = f", the first of {len(objectives)} objectives" if len(objectives) > 1 else ""
    best = _best(found, lower=direction == "min")
    chosen = "" if best is None else f" The best is {names[found[best].label]}."
    return Chart(
        "search-history",
        "Objective by trial",
        f"{what}{first}, in the order in which they began; "
        f"{'lower' if direction == 'min' else 'higher'} is better. The line is the best so far"
        + (f"; the {cut} hollow ones were cut short." if cut else ".")
        + chosen,
        history(
            [names[one.label] for one in found],
            _firsts(found),
            [one.status for one in found],
            [places[one.label] for one in found],
            title=_title(name),
            lower=direction == "min",
        ),
    )


def _importance(
    found: Sequence[Searched], objectives: Mapping[str, str], differing: Sequence[Axis]
) -> list[Chart]:
    from regimecast.report.importance import importances  # optuna: a third of a second

    shares, step, used = importances(
        {axis.key: (axis.numeric, [axis.of(one.label) for one in found]) for axis in differing},
        _firsts(found),
        curves=[one.curve for one in found],
        statuses=[one.status for one in found],
    )
    if not shares:
        return []
    name = next(iter(objectives))
    when = f" after step {step}, which all of them reached," if step is not None else ""
    return [
        Chart(
            "search-importance",
            "What the objective depends on",
            f"Share of the differences in the {'objective' if name == _LOSS else _title(name)}"
            f"{when} that each setting explains by itself, in a random forest fitted to {used} "
            "runs (functional ANOVA). With few runs it is a hint, no more.",
            importance(shares),
        )
    ]


def _front(
    found: Sequence[Searched],
    objectives: Mapping[str, str],
    names: Mapping[str, str],
    places: Mapping[str, int],
) -> list[Chart]:
    whole = [one for one in found if one.status == "finished" and None not in one.reached]
    if len(whole) < 2:
        return []
    values = np.array([one.reached for one in whole], dtype=np.float64)
    signs = np.array([1.0 if direction == "min" else -1.0 for direction in objectives.values()])
    best = _unbeaten(values * signs)
    shown = [
        f"{_title(name)} ({'lower' if direction == 'min' else 'higher'} is better)"
        for name, direction in objectives.items()
    ]
    others = f" Not drawn, though it counts: {', '.join(shown[2:])}." if shown[2:] else ""
    return [
        Chart(
            "search-front",
            "What cannot be had together",
            f"{sum(best)} of {len(whole)} finished runs are beaten by no other in every objective "
            f"(the Pareto front); to choose among them is a matter of what matters more.{others}",
            front(
                [names[one.label] for one in whole],
                values[:, :2].tolist(),
                best,
                [places[one.label] for one in whole],
                titles=shown[:2],
                joined=len(objectives) == 2,
            ),
        )
    ]


def _learning_curves(
    reported: Sequence[Searched],
    objectives: Mapping[str, str],
    names: Mapping[str, str],
    places: Mapping[str, int],
) -> Chart:
    name, direction = next(iter(objectives.items()))
    drawn = reported[:_CURVES]
    some = f" The first {len(drawn)} of {len(reported)}." if len(drawn) < len(reported) else ""
    what = "Validation loss" + ("" if name == _LOSS else f", not the {_title(name)},")
    return Chart(
        "search-curves",
        "Learning curves",
        f"{what} by step, an epoch of a network or a boosting round; where there are "
        f"several folds they follow each other. Grey curves end where a run was cut.{some}",
        learning_curves(
            [names[one.label] for one in drawn],
            [one.curve for one in drawn],
            [one.status for one in drawn],
            [places[one.label] for one in drawn],
            best=_best(drawn, lower=direction == "min"),
            title="validation loss",
        ),
    )


def _objectives(runs: Runs) -> dict[str, str]:
    """Those of the study that the runs are of; where they are of several, what all report."""
    found = [objectives_of(study) for study in {run.path.parent for run in runs.values()}]
    return found[0] if all(one == found[0] for one in found) else {_LOSS: "min"}


def _value(run: RunFiles, name: str) -> float | None:
    if name == _LOSS:
        return run.objective
    scores = run.metrics.get("validation")
    return plain(scores.get(name)) if isinstance(scores, dict) else None


def _firsts(found: Sequence[Searched]) -> list[float]:
    return [value for one in found if (value := one.reached[0]) is not None]


def _best(runs: Sequence[Searched], *, lower: bool) -> int | None:
    """Place of the finished run whose first objective is best; of any where none is finished."""
    known = [
        (value if lower else -value, place, one.status)
        for place, one in enumerate(runs)
        if (value := one.reached[0]) is not None
    ]
    whole = [one for one in known if one[2] == "finished"]
    return min(whole or known, default=(0.0, None, ""))[1]


def _unbeaten(values: Float[np.ndarray, "N K"]) -> list[bool]:
    """Whether no other row is as low as this one in every column, and lower in one."""
    return [
        not bool(((values <= own).all(axis=1) & (values < own).any(axis=1)).any()) for own in values
    ]


def _title(name: str) -> str:
    if name == _LOSS:
        return "validation objective"
    part, _, metric = name.rpartition("/")
    return f"{part} {metric_title(metric)}".strip()


def _begun(label: str, run: RunFiles) -> tuple[str, str]:
    first = next(iter(run.manifest.get("attempts") or [run.manifest]))
    return str(first.get("started", "")), label
