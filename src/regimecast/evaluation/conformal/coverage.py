"""What calibrated intervals hold: coverage beside width, overall, per regime and per step."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool
from rich.table import Table

from regimecast.core.forecast import Forecast, Outcomes
from regimecast.core.types import REGIMES
from regimecast.evaluation import forecast_metrics
from regimecast.evaluation.conformal.base import Calibrated, Conformal
from regimecast.evaluation.conformal.levels import central
from regimecast.evaluation.scoring import check_aligned, episodes, reported_steps

__all__ = ["coverage_report", "coverage_section", "coverage_table"]


def coverage_report(
    method: str, level: float, forecast: Forecast, before: Forecast, outcomes: Outcomes
) -> dict[str, Any]:
    """Section ``conformal`` of ``metrics.json``: plain values, null where there is nothing.

    Keys: method, level, n (known cells), coverage, width (of the central interval `level`, in units
    of the target); by_regime: by the regime known at the origin, with the separate ``episodes`` its
    samples come from; by_step: a list, see `reported_steps`; uncalibrated: the same of what the
    model said, null where that was a point.

    Args:
        method: name of the conformal method.
        level: coverage that is claimed.
        forecast: calibrated.
        before: what the model said of the same samples.
        outcomes: what happened, row by row beside it.

    Raises:
        SpecError: they are not of the same samples.
    """
    return {
        "method": method,
        "level": level,
        **_parts(forecast, outcomes, level),
        "uncalibrated": _parts(before, outcomes, level) if len(before.levels) > 1 else None,
    }


def coverage_section(
    conformal: Conformal, folds: Sequence[Calibrated], outcomes: Outcomes
) -> dict[str, Any]:
    """`coverage_report` of all folds under the key ``conformal``, empty if nothing is calibrated.

    Args:
        conformal: the run's method.
        folds: its forecasts.
        outcomes: what happened, fold after fold.
    """
    if conformal.level is None:
        return {}
    forecast, before = (
        Forecast.concatenate([getattr(fold, name) for fold in folds])
        for name in ("forecast", "before")
    )
    report = coverage_report(conformal.name, conformal.level, forecast, before, outcomes)
    return {"conformal": report}


def coverage_table(section: Mapping[str, Any]) -> Table:
    """Table of a report, for the terminal: the claim, and what was held after and before."""
    table = Table(
        title=f"{100 * section['level']:.6g} % intervals, {section['method']}, out of sample",
        title_justify="left",
    )
    before = section["uncalibrated"]
    headings = ["part", "steps", "coverage", "width"]
    for heading in headings + (["uncalibrated", "its width"] if before else []):
        table.add_column(heading, justify="left" if heading == "part" else "right")

    def add(name: str, row: Mapping[str, Any], old: Mapping[str, Any] | None) -> None:
        sections = [row] if old is None else [row, old]
        cells = [f"{part[key]:.4g}" for part in sections for key in ("coverage", "width")]
        table.add_row(name, str(row["n"]), *cells)

    if section["n"]:
        add("all", section, before)
    for regime, row in section["by_regime"].items():
        if row["n"]:
            add(regime, row, before and before["by_regime"][regime])
    for position, row in enumerate(section["by_step"]):
        if row["n"]:
            add(f"step {row['step']}", row, before and before["by_step"][position])
    return table


def _parts(forecast: Forecast, outcomes: Outcomes, level: float) -> dict[str, Any]:
    check_aligned(forecast, outcomes)
    low, high = central(forecast.levels, level)
    lower, upper = (forecast.values[:, :, end].astype(np.float64) for end in (low, high))

    def held(cells: Bool[np.ndarray, "N H"]) -> dict[str, Any]:
        below, above, actual = (x[cells] for x in (lower, upper, outcomes.values))
        return {
            "n": len(actual),
            "coverage": forecast_metrics.coverage(below, above, actual),
            "width": forecast_metrics.width(below, above),
        }

    regimes = {}
    for code, name in enumerate(REGIMES):
        rows = outcomes.regime == code
        regimes[name] = {
            **held(outcomes.mask & rows[:, None]),
            "episodes": episodes(forecast, rows),
        }
    steps = []
    for step in reported_steps(forecast.horizon):
        cells = np.zeros_like(outcomes.mask)
        cells[:, step - 1] = outcomes.mask[:, step - 1]
        steps.append({"step": step, **held(cells)})
    return {**held(outcomes.mask), "by_regime": regimes, "by_step": steps}
