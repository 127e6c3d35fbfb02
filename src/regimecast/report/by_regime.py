"""A study's metrics by regime, one table of runs by regimes for each metric."""

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from regimecast.core.types import REGIMES
from regimecast.report.charts import ERRORS
from regimecast.report.numbers import bars, headline, metric_title, metric_value, plain, prose
from regimecast.report.ranking import Runs, by_kind, main_error
from regimecast.report.run_files import RunFiles

__all__ = ["HIGHER_IS_BETTER", "Measure", "measures"]

HIGHER_IS_BETTER = frozenset(
    {"accuracy", "macro_f1", "directional_accuracy", "ic", "rank_ic"}
    | {"sharpe", "total_return", "annual_return", "break_even_bps", "dsr", "psr"}
)
_FORECAST = (*ERRORS, "directional_accuracy", "accuracy", "macro_f1")
_TRADING = ("sharpe", "max_drawdown", "total_return")


@dataclass(frozen=True)
class Measure:
    """One metric of every run, over all regimes and in each."""

    key: str
    """Section and metric, such as ``forecast/crps`` or ``trading/sharpe``."""
    title: str
    better: str
    """Sentence that says which way is better."""
    columns: tuple[str, ...]
    """``all regimes`` and the regimes that some run has a value in."""
    values: tuple[tuple[float | None, ...], ...]
    """Per run, in the order of the runs, and column."""
    texts: tuple[tuple[str, ...], ...]
    counts: tuple[tuple[str, ...], ...]
    """Forecast steps or bars behind each value, empty where there is none."""
    shades: tuple[tuple[float, ...], ...]
    """From the best (0) to the worst (1) value of a column among runs of one kind."""


def measures(runs: Runs) -> list[Measure]:
    """What can be compared by regime, the main forecast error first."""
    main = main_error(list(runs.values()))
    levels = Counter(
        key.removeprefix("test/")
        for run in runs.values()
        for key in run.forecast
        if key.startswith("test/coverage_")
    )
    names = [main, *(name for name in (*_FORECAST, *sorted(levels, reverse=True)) if name != main)]
    keys = [("forecast", name) for name in names] + [("trading", name) for name in _TRADING]
    found = (_measure(runs, section, name) for section, name in keys)
    return [measure for measure in found if measure is not None]


def _measure(runs: Runs, section: str, name: str) -> Measure | None:
    places = ("", *REGIMES)
    table = np.array(
        [
            [
                math.nan if (v := _value(run, section, place, name)) is None else v
                for place in places
            ]
            for run in runs.values()
        ]
    )
    used = [index for index in range(len(places)) if np.isfinite(table[:, index]).any()]
    if not used:
        return None
    table = table[:, used]
    distance, better = _distance(name, table)
    shade = np.zeros(table.shape)
    labels = list(runs)
    for group in by_kind(runs):
        own = [labels.index(label) for label in group]
        shade[own] = _shade(distance[own])
    n = "n" if section == "forecast" else "n_bars"
    return Measure(
        key=f"{section}/{name}",
        title=headline(metric_title(name)),
        better=better,
        columns=tuple(prose(places[index]) or "all regimes" for index in used),
        values=tuple(
            tuple(float(f"{v:.6g}") if math.isfinite(v) else None for v in row) for row in table
        ),
        texts=tuple(tuple(metric_value(name, float(v)) for v in row) for row in table),
        counts=tuple(
            tuple(
                bars(count) if (count := _value(run, section, places[i], n)) else "" for i in used
            )
            for run in runs.values()
        ),
        shades=tuple(tuple(round(float(s), 2) for s in row) for row in shade),
    )


def _value(run: RunFiles, section: str, place: str, name: str) -> float | None:
    regime = f"regime={place}/" if place else ""
    if section == "forecast":
        return plain(run.forecast.get(f"test/{regime}{name}"))
    return plain(run.trading().get(f"{regime}{name}"))


def _distance(name: str, table: Float[np.ndarray, "R C"]) -> tuple[Float[np.ndarray, "R C"], str]:
    """How far each value is from good, and what good is."""
    kind, _, level = name.rpartition("_")
    if kind == "coverage":
        return abs(table - float(level) / 100), f"nearer to {level}% is better"
    if name in HIGHER_IS_BETTER:
        return -table, "higher is better"
    return table, "lower is better"


def _shade(table: Float[np.ndarray, "R C"]) -> Float[np.ndarray, "R C"]:
    """Place of each value between the lowest (0) and the highest (1) of its column, 0 for NaN."""
    known = np.isfinite(table)
    low = np.where(known, table, np.inf).min(axis=0)
    high = np.where(known, table, -np.inf).max(axis=0)
    return np.where(known, table - low, 0.0) / np.where(high > low, high - low, 1.0)
