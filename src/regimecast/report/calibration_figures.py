"""Figures that ask whether forecasts can be believed: stated against observed frequencies."""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jaxtyping import Bool, Float

from regimecast.core.types import REGIMES, ForecastKind
from regimecast.report.forecast_figures import forecast_kind, level_columns, shown_step
from regimecast.report.numbers import number, prose
from regimecast.report.palette import (
    LINES,
    MUTED,
    REGIME_COLOURS,
    STRATEGY,
    axis,
    figure,
)
from regimecast.report.series import wilson

__all__ = ["calibration", "calibration_by_regime"]

_SHARES: dict[str, Any] = {
    "range": [-0.02, 1.02], "tickformat": ".0%", "tickmode": "linear", "tick0": 0, "dtick": 0.25,
}  # fmt: skip
"""Axis from 0 to 100 %."""


def calibration(predictions: pd.DataFrame) -> go.Figure:
    """Stated against observed frequency; for positions, position against the return that followed.

    Positions are the first step's, and so is the return: it is for one bar that each is held. The
    95% intervals are Wilson's, with the number of forecasts divided by the horizon, because targets
    of neighbouring origins share bars.
    """
    kind = forecast_kind(predictions)
    horizon = int(predictions["step"].max())
    last = _known(predictions)
    if kind is ForecastKind.POSITIONS:
        return _position_buckets(last)
    chart = _diagonal(420)
    if kind is ForecastKind.PROBABILITIES:
        for index, (value, column) in enumerate(level_columns(last, "p").items()):
            stated = last[column].to_numpy(np.float64)
            hit = last["actual"].to_numpy(np.float64) == value
            _add_reliability(
                chart, stated, hit, f"class {number(value)}", LINES[index % len(LINES)]
            )
        return chart
    _add_coverage(chart, last, horizon, "all regimes", STRATEGY, shown=True)
    for code, name in enumerate(REGIMES):
        own = last.loc[last["regime"] == code]
        if len(own) >= 10 * horizon:
            colour = REGIME_COLOURS[name]
            _add_coverage(chart, own, horizon, prose(name), colour, shown=False)
    return chart


def calibration_by_regime(predictions: pd.DataFrame) -> dict[str, go.Figure]:
    """Calibration in each regime beside that in all of them, by name of the regime.

    Of class probabilities, that of the most probable class is compared with how often it came true.
    Regimes with few forecasts are left out, and so are positions, which state no probability.
    """
    kind = forecast_kind(predictions)
    horizon = int(predictions["step"].max())
    last = _known(predictions)
    found: dict[str, go.Figure] = {}
    for code, name in enumerate(REGIMES) if kind is not ForecastKind.POSITIONS else ():
        own = last.loc[last["regime"] == code]
        if len(own) < 10 * horizon:
            continue
        chart = _diagonal(300, legend=False)
        for rows, title, colour in (
            (last, "all regimes", MUTED),
            (own, prose(name), REGIME_COLOURS[name]),
        ):
            if kind is ForecastKind.QUANTILES:
                _add_coverage(chart, rows, horizon, title, colour, shown=True)
            else:
                p = rows[list(level_columns(rows, "p").values())].to_numpy(np.float64)
                values = np.array(list(level_columns(rows, "p")))
                hit = values[p.argmax(axis=1)] == rows["actual"].to_numpy(np.float64)
                _add_reliability(chart, p.max(axis=1), hit, title, colour)
        chart.data[1].update(error_y=None, line={"width": 1.2, "dash": "dot"}, marker={"size": 4})
        found[name] = chart
    return found


def _known(predictions: pd.DataFrame) -> pd.DataFrame:
    """Forecasts of the step to draw whose outcome is known."""
    shown = predictions.loc[predictions["step"] == shown_step(predictions)]
    return shown.dropna(subset=["actual"])


def _diagonal(height: int, *, legend: bool = True) -> go.Figure:
    """An empty chart of observed against stated frequency, with the line where they agree."""
    chart = figure(
        height,
        xaxis=axis("stated probability", **_SHARES),
        yaxis=axis("observed frequency", **_SHARES),
        hovermode="closest",
        showlegend=legend,
    )
    if not legend:
        chart.update_layout(margin={"l": 8, "r": 28, "t": 6, "b": 8})
    chart.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        line={"color": MUTED, "dash": "dash", "width": 1.2},
        name="perfect",
        hoverinfo="skip",
    )
    return chart


def _add_coverage(
    chart: go.Figure, rows: pd.DataFrame, horizon: int, name: str, colour: str, *, shown: bool
) -> None:
    levels = level_columns(rows, "q")
    actual = rows["actual"].to_numpy(np.float64)
    observed = [float(np.mean(actual <= rows[column])) for column in levels.values()]
    # Where folds overlap, as combinatorial ones do, an origin is forecast several times.
    independent = len(rows[["asset", "origin"]].drop_duplicates()) / horizon
    _add_points(
        chart,
        np.array(list(levels)),
        np.array(observed),
        np.full(len(levels), independent),
        f"{name} (n = {len(rows):,})",
        colour,
        shown=shown,
    )


def _add_reliability(
    chart: go.Figure,
    stated: Float[np.ndarray, " N"],
    hit: Bool[np.ndarray, " N"],
    name: str,
    colour: str,
) -> None:
    """Ten bins of stated probability with as many forecasts each."""
    order = np.argsort(stated, kind="stable")
    bins = [part for part in np.array_split(order, min(10, max(1, len(order) // 10))) if len(part)]
    _add_points(
        chart,
        np.array([stated[part].mean() for part in bins]),
        np.array([hit[part].mean() for part in bins]),
        np.array([float(len(part)) for part in bins]),
        f"{name} (came true {hit.mean():.0%})",
        colour,
        shown=True,
    )


def _add_points(
    chart: go.Figure,
    stated: Float[np.ndarray, " P"],
    observed: Float[np.ndarray, " P"],
    n: Float[np.ndarray, " P"],
    name: str,
    colour: str,
    *,
    shown: bool,
) -> None:
    """Points joined by a line, with Wilson's intervals as error bars."""
    bounds = np.array([wilson(float(p), float(k)) for p, k in zip(observed, n, strict=True)])
    bounds = bounds.reshape(-1, 2)
    chart.add_scatter(
        x=stated,
        y=observed,
        mode="lines+markers",
        name=name,
        visible=True if shown else "legendonly",
        line={"color": colour, "width": 1.8},
        marker={"color": colour, "size": 7},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": np.maximum(bounds[:, 1] - observed, 0),
            "arrayminus": np.maximum(observed - bounds[:, 0], 0),
            "color": colour,
            "thickness": 1,
            "width": 3,
        },
        hovertemplate=f"{name}<br>stated %{{x:.1%}}, observed %{{y:.1%}}<extra></extra>",
    )


def _position_buckets(rows: pd.DataFrame) -> go.Figure:
    """Mean return that followed, by fifth of the position taken."""
    position = rows["position"].to_numpy(np.float64)
    actual = rows["actual"].to_numpy(np.float64)
    parts = [p for p in np.array_split(np.argsort(position, kind="stable"), 5) if len(p)]
    mean = np.array([actual[part].mean() for part in parts])
    error = np.array([1.96 * actual[part].std() / np.sqrt(len(part)) for part in parts])
    chart = figure(
        380,
        xaxis=axis("mean position in each fifth of the forecasts", tickformat=".2f"),
        yaxis=axis("mean log return of the next bar", tickformat=".2%", zeroline=True),
        hovermode="closest",
        showlegend=False,
    )
    chart.add_scatter(
        x=np.array([position[part].mean() for part in parts]),
        y=mean,
        mode="lines+markers",
        line={"color": STRATEGY, "width": 1.8},
        marker={"color": STRATEGY, "size": 8},
        error_y={"type": "data", "array": error, "color": STRATEGY, "thickness": 1, "width": 4},
        hovertemplate="position %{x:.2f}<br>return %{y:.3%}<extra></extra>",
    )
    return chart
