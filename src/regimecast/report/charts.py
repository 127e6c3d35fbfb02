"""A run's charts, each with its title, the sentence that says how to read it, and its controls."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from markupsafe import Markup

from regimecast.core.types import REGIMES, ForecastKind
from regimecast.report import calibration_figures, figures, forecast_figures, metric_figures
from regimecast.report.forecast_figures import forecast_kind, level_columns
from regimecast.report.numbers import headline, metric_title, percent, plain, prose
from regimecast.report.run_files import RunFiles

__all__ = [
    "ERRORS",
    "Chart",
    "forecast_charts",
    "money_charts",
    "regime_charts",
    "script_json",
    "training_charts",
]

ERRORS = ("crps", "log_loss", "pinball", "mae", "brier", "rmse")
"""Forecast errors, lower is better, in the order in which a page prefers them.

CRPS comes first because runs with different quantile levels can be compared by it.
"""

_METRICS = 3
"""Errors shown by regime as charts; the table holds all of them."""

_ASSETS = 12
"""Assets that one fan can switch between."""


@dataclass(frozen=True)
class Chart:
    """A figure on a page."""

    key: str
    """Identifier in the page, such as ``equity``."""
    title: str
    caption: str
    figure: go.Figure
    log_axis: str = ""
    """Axis that a button may make logarithmic."""
    choices: tuple[str, ...] = ()
    """Assets to choose from; the traces of the chosen one are shown."""
    small: bool = False
    """Whether several of its kind stand side by side."""

    @cached_property
    def json(self) -> Markup:
        """The figure as json that cannot end the script element it stands in."""
        return script_json(str(self.figure.to_json()))

    @property
    def height(self) -> int:
        """Pixels to keep free before the chart is drawn."""
        return int(self.figure.layout.height)


def money_charts(run: RunFiles) -> list[Chart]:
    """Equity after costs with drawdown."""
    if run.returns is None:
        return []
    return [
        Chart(
            "equity",
            "Equity after costs, and drawdown",
            "Each line is the growth of 1 invested at the first out-of-sample bar; below it, the "
            "loss since the highest point so far; the background is the regime known at the time. "
            "Drag to zoom, double-click to see all.",
            figures.equity(run.returns),
            log_axis="yaxis2",
        )
    ]


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


def regime_charts(run: RunFiles) -> list[Chart]:
    """Timeline of the regimes, and the main forecast metrics by regime."""
    charts = []
    if run.returns is not None:
        charts.append(
            Chart(
                "regimes",
                "Regime timeline",
                "Each block is an unbroken stretch of one regime as it was known at the time; the "
                "percentage is its share of all bars.",
                figures.regime_timeline(run.returns),
            )
        )
    counts = {name: int(n) for name, value in run.by_regime("n").items() if (n := plain(value))}
    for metric in ERRORS:
        values = {
            name: finite
            for name, value in run.by_regime(metric).items()
            if name in REGIMES and (finite := plain(value)) is not None
        }
        if values:
            overall = plain(run.forecast.get(f"test/{metric}"))
            charts.append(
                Chart(
                    f"regime-{metric}",
                    f"{headline(metric_title(metric))} by regime",
                    "Measured on the test forecasts made in each regime, and on all of them; n is "
                    "the number of forecast steps, lower is better.",
                    metric_figures.metric_by_regime(values, counts, overall, metric_title(metric)),
                    small=True,
                )
            )
    return charts[: 1 + _METRICS]


def training_charts(run: RunFiles) -> list[Chart]:
    """Loss by epoch and fold."""
    figure = metric_figures.training_curves(run.folds)
    if figure is None:
        return []
    return [
        Chart(
            "training",
            "Training curves",
            "Dotted lines are the training loss, solid lines the validation loss, a colour per "
            "fold; the diamond is the epoch whose weights were kept.",
            figure,
        )
    ]


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


def script_json(text: str) -> Markup:
    """Json made safe to stand inside a script element: nothing in it can close the element."""
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704  # the characters that HTML reads are escaped above
