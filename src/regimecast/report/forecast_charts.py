"""Charts of a run's forecasts: fans, calibration, and coverage through time."""

import numpy as np
import pandas as pd

from regimecast.core.types import REGIMES, ForecastKind
from regimecast.report import (
    calibration_figures,
    coverage_figures,
    forecast_figures,
    metric_figures,
)
from regimecast.report.charts import ERRORS, Chart
from regimecast.report.forecast_figures import forecast_kind, level_columns
from regimecast.report.numbers import headline, metric_title, percent, plain, prose
from regimecast.report.run_files import RunFiles

__all__ = ["coverage_charts", "forecast_charts"]

_ASSETS = 12
"""Assets that one fan can switch between."""


def forecast_charts(run: RunFiles) -> list[Chart]:
    """Fan through time, fans of single forecasts, calibration."""
    table = run.predictions
    if table is None:
        return []
    kind, horizon = forecast_kind(table), int(table["step"].max())
    assets = tuple(map(str, table["asset"].unique()))[:_ASSETS]
    captions = {
        ForecastKind.QUANTILES: (
            "Forecast fan against what happened",
            (
                f"At each origin, the forecast {horizon} bars ahead (bands and median) and what "
                "followed (thin line), in units of the target. "
                if run.untraded
                else f"At each origin, the forecast of the log return over the next {horizon} bars "
                "(bands and median) and the return that followed (thin line). "
            )
            + _coverage(table),
        ),
        ForecastKind.PROBABILITIES: (
            "Class probabilities against what happened",
            "The height of each area is the probability given to that class at the origin; the "
            "marks along the top show the class that came true.",
        ),
        ForecastKind.POSITIONS: (
            "Position through time",
            "The position chosen at each origin for the next bar, from −1 (fully short) to 1 "
            "(fully long).",
        ),
    }
    title, caption = captions[kind]
    if table["origin"].nunique() > forecast_figures.FIRST_SEEN:
        caption += (
            f" The last {forecast_figures.FIRST_SEEN} origins come first; double-click for all."
        )
    choices = assets if len(assets) > 1 else ()
    drawn = forecast_figures.fan(table, assets, returns=not run.untraded)
    charts = [Chart("fan", title, caption, drawn, choices=choices)]
    if kind is ForecastKind.QUANTILES and horizon > 1:
        charts += _paths(table, assets[0], returns=not run.untraded)
    return [*charts, _calibration(table, kind, horizon), *_by_step(run)]


def coverage_charts(run: RunFiles) -> list[Chart]:
    """Coverage and width of an interval through time, and calibration in each regime."""
    table = run.predictions
    if table is None:
        return []
    charts = []
    found = coverage_figures.bands(table)
    if found and table["actual"].notna().any():
        wanted = plain(run.conformal.get("level")) or 0.9
        level = min(found, key=lambda other: abs(other - wanted))
        title = percent(level, 0)
        charts.append(
            Chart(
                "coverage",
                f"Coverage and width of the {title} interval through time",
                f"Above, the share of outcomes inside it, which should stay near {title}: between "
                "the dotted lines chance explains the rest, below them it was too sure of itself. "
                "Below, its mean width. Both over all steps and assets; the background is the "
                "regime known at the origin.",
                coverage_figures.coverage(table, level, returns=not run.untraded),
            )
        )
    for name, figure in calibration_figures.calibration_by_regime(table).items():
        charts.append(
            Chart(
                f"calibration-{name}",
                headline(prose(name)),
                "",
                figure,
                small=True,
            )
        )
    return charts


def _paths(table: pd.DataFrame, asset: str, *, returns: bool) -> list[Chart]:
    """Six forecasts of one asset: the best and worst outcome and four spread through time."""
    worst, best = ("worst", "best") if returns else ("lowest", "highest")
    own = table.loc[(table["asset"] == asset) & (table["step"] == table["step"].max())]
    own = own.dropna(subset=["actual"]).drop_duplicates("origin").sort_values("origin")
    if len(own) < 6:
        return []
    extremes = [int(own["actual"].argmin()), int(own["actual"].argmax())]
    spread = np.linspace(0, len(own) - 1, 6).round().astype(int)[1:5].tolist()
    notes = {extremes[0]: f"{worst} outcome", extremes[1]: f"{best} outcome"}
    charts = []
    for place in sorted({*extremes, *spread}):
        row = own.iloc[place]
        regime = int(row["regime"])
        known = prose(REGIMES[regime]) if 0 <= regime < len(REGIMES) else "unknown"
        note = f", {notes[place]}" if place in notes else ""
        charts.append(
            Chart(
                f"path-{place}",
                f"{row['origin']:%Y-%m-%d}{note}",
                f"{asset}; regime at the origin: {known}.",
                forecast_figures.fan_paths(table, asset, row["origin"], returns=returns),
                small=True,
            )
        )
    return charts


def _calibration(table: pd.DataFrame, kind: ForecastKind, horizon: int) -> Chart:
    if kind is ForecastKind.POSITIONS:
        title = "Position against the return that followed"
        caption = (
            "Positions for the next bar are sorted into fifths, each against the return of that "
            "bar; a rising line means that larger positions were followed by larger returns. Bars "
            "are 95% intervals."
        )
    elif kind is ForecastKind.PROBABILITIES:
        title = "Calibration"
        caption = (
            "Forecasts are sorted by stated probability into tenths; points on the diagonal came "
            "true as often as stated, points below it less often. Bars are 95% intervals."
        )
    else:
        title = "Calibration"
        caption = (
            "For each stated quantile, the share of outcomes that fell below it; on the diagonal "
            "the forecast is honest. Bars are 95% intervals that count one forecast in "
            f"{horizon} as independent; click a regime in the legend to add it."
        )
    return Chart("calibration", title, caption, calibration_figures.calibration(table))


def _by_step(run: RunFiles) -> list[Chart]:
    for metric in ERRORS:
        values = {
            step: value
            for step in range(1, 1001)
            if (value := plain(run.forecast.get(f"test/step={step}/{metric}"))) is not None
        }
        if len(values) > 1:
            return [
                Chart(
                    "steps",
                    f"{headline(metric_title(metric))} by step",
                    "How the error grows the further ahead a forecast looks, over all regimes; a "
                    "random walk's grows with the square root of the step.",
                    metric_figures.error_by_step(values, metric_title(metric)),
                )
            ]
    return []


def _coverage(table: pd.DataFrame) -> str:
    """How often the widest band held what happened, as a sentence."""
    levels = level_columns(table, "q")
    if len(levels) < 2:
        return ""
    last = table.loc[table["step"] == table["step"].max()].dropna(subset=["actual"])
    low, high = min(levels), max(levels)
    inside = last["actual"].between(last[levels[low]], last[levels[high]])
    return (
        f"{percent(float(inside.mean()))} of outcomes fell inside the band from {low:.0%} to "
        f"{high:.0%}; {percent(high - low, 0)} should."
    )
