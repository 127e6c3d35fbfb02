"""Figures of a run's forecasts: fans, class probabilities, positions and calibration.

Each takes the content of ``predictions.parquet``: one row per (fold, asset, origin, step) with
``actual`` and one column per level.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from regimecast.core.types import REGIMES, ForecastKind
from regimecast.report.palette import (
    INK,
    LINES,
    MUTED,
    REGIME_COLOURS,
    STRATEGY,
    axis,
    figure,
    regime_title,
    translucent,
)
from regimecast.report.series import evenly, wilson

__all__ = [
    "calibration",
    "fan",
    "fan_paths",
    "forecast_kind",
    "level_columns",
]

_ORIGINS = 2500
"""Origins drawn per asset."""


def forecast_kind(predictions: pd.DataFrame) -> ForecastKind:
    """Kind of forecast, from the names of the columns."""
    if "position" in predictions:
        return ForecastKind.POSITIONS
    return ForecastKind.QUANTILES if level_columns(predictions, "q") else ForecastKind.PROBABILITIES


def level_columns(predictions: pd.DataFrame, letter: str) -> dict[float, str]:
    """Level (or class value) and column of a kind of column, ascending: ``q0.1``, ``p-1``."""
    found = {}
    for name in map(str, predictions.columns):
        if name.startswith(letter):
            try:
                found[float(name[1:])] = name
            except ValueError:
                continue
    return dict(sorted(found.items()))


def fan(predictions: pd.DataFrame, assets: Sequence[str]) -> go.Figure:
    """What was forecast at each origin against what happened, through time, at the last step.

    Quantiles are drawn as nested bands, class probabilities as stacked areas, positions as steps.

    Args:
        predictions: see the module.
        assets: names to draw; all but the first start hidden, and ``trace.meta`` says whose a
            trace is.
    """
    last = predictions.loc[predictions["step"] == predictions["step"].max()]
    kind = forecast_kind(predictions)
    chart = figure(430, xaxis=axis(type="date"), yaxis=axis())
    for asset in assets:
        rows = last.loc[last["asset"] == asset].drop_duplicates("origin", keep="last")
        rows = rows.sort_values("origin")
        rows = rows.iloc[evenly(len(rows), _ORIGINS)]
        before = len(chart.data)
        if kind is ForecastKind.QUANTILES:
            _add_quantiles(chart, rows, "origin")
        elif kind is ForecastKind.PROBABILITIES:
            _add_probabilities(chart, rows)
        else:
            _add_positions(chart, rows)
        for trace in chart.data[before:]:
            trace.update(meta=asset, visible=asset == assets[0])
        if asset == assets[0] and len(rows) > 500:
            chart.layout.xaxis.range = [rows["origin"].iloc[-300], rows["origin"].iloc[-1]]
    horizon = int(predictions["step"].max())
    if kind is ForecastKind.QUANTILES:
        chart.update_yaxes(title_text=f"log return over {horizon} bars", tickformat=".1%")
    elif kind is ForecastKind.PROBABILITIES:
        chart.update_yaxes(title_text="probability", tickformat=".0%", range=[0, 1.12])
    else:
        chart.update_yaxes(title_text="position", range=[-1.08, 1.08])
    return chart


def fan_paths(predictions: pd.DataFrame, asset: str, origin: pd.Timestamp) -> go.Figure:
    """Bands over the steps of one forecast against the path that followed."""
    rows = predictions.loc[(predictions["asset"] == asset) & (predictions["origin"] == origin)]
    rows = rows.drop_duplicates("step", keep="last").sort_values("step")
    chart = figure(
        230,
        xaxis=axis("bars ahead", rangemode="tozero"),
        yaxis=axis(tickformat=".1%"),
        showlegend=False,
        margin={"l": 8, "r": 8, "t": 6, "b": 8},
    )
    _add_quantiles(chart, rows, "step")
    return chart


def calibration(predictions: pd.DataFrame) -> go.Figure:
    """Stated against observed frequency; for positions, position against the return that followed.

    The 95 % intervals are Wilson's, with the number of forecasts divided by the horizon, because
    targets of neighbouring origins share bars.
    """
    kind = forecast_kind(predictions)
    horizon = int(predictions["step"].max())
    last = predictions.loc[predictions["step"] == horizon].dropna(subset=["actual"])
    if kind is ForecastKind.POSITIONS:
        return _position_buckets(last)
    chart = figure(
        420,
        xaxis=axis("stated probability", range=[-0.02, 1.02], tickformat=".0%"),
        yaxis=axis("observed frequency", range=[-0.02, 1.02], tickformat=".0%"),
        hovermode="closest",
    )
    chart.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        line={"color": MUTED, "dash": "dash", "width": 1.2},
        name="perfect",
        hoverinfo="skip",
    )
    if kind is ForecastKind.PROBABILITIES:
        for index, (value, column) in enumerate(level_columns(last, "p").items()):
            stated = last[column].to_numpy(np.float64)
            hit = last["actual"].to_numpy(np.float64) == value
            _add_reliability(chart, stated, hit, f"class {value:g}", LINES[index % len(LINES)])
        return chart
    _add_coverage(chart, last, horizon, "all regimes", STRATEGY, shown=True)
    for code, name in enumerate(REGIMES):
        own = last.loc[last["regime"] == code]
        if len(own) >= 10 * horizon:
            colour = REGIME_COLOURS[name]
            _add_coverage(chart, own, horizon, regime_title(name), colour, shown=False)
    return chart


def _add_quantiles(chart: go.Figure, rows: pd.DataFrame, along: str) -> None:
    """Nested bands, the median and what happened, along a column of the rows."""
    levels = level_columns(rows, "q")
    x = rows[along].to_numpy()
    pairs = [(level, 1 - level) for level in levels if level < 0.5]
    pairs = [pair for pair in pairs if any(np.isclose(pair[1], level) for level in levels)]
    for low, high in pairs:
        top = levels[min(levels, key=lambda level: abs(level - high))]
        name = f"{low:.0%} to {high:.0%}"
        common: dict[str, Any] = {"x": x, "mode": "lines", "legendgroup": name, "name": name}
        edge = {"width": 0, "color": STRATEGY}
        chart.add_scatter(
            **common, y=_small(rows[levels[low]]), line=edge, showlegend=False, hoverinfo="skip"
        )
        chart.add_scatter(
            **common,
            y=_small(rows[top]),
            line=edge,
            fill="tonexty",
            fillcolor=translucent(STRATEGY, 0.17),
            customdata=_small(rows[levels[low]]),
            hovertemplate="%{customdata:.2%} to %{y:.2%}",
        )
    if 0.5 in levels:
        chart.add_scatter(
            x=x,
            y=_small(rows[levels[0.5]]),
            mode="lines",
            name="median forecast",
            line={"color": STRATEGY, "width": 1.6},
            hovertemplate="%{y:.2%}",
        )
    chart.add_scatter(
        x=x,
        y=_small(rows["actual"]),
        mode="lines+markers",
        name="what happened",
        line={"color": INK, "width": 1},
        marker={"size": 3, "color": INK},
        hovertemplate="%{y:.2%}",
    )


def _add_probabilities(chart: go.Figure, rows: pd.DataFrame) -> None:
    """Stacked areas of class probabilities, with the class that came true as marks above them."""
    levels = level_columns(rows, "p")
    for index, (value, column) in enumerate(levels.items()):
        colour = LINES[index % len(LINES)]
        chart.add_scatter(
            x=rows["origin"].to_numpy(),
            y=_small(rows[column]),
            mode="lines",
            stackgroup="probability",
            name=f"class {value:g}",
            legendgroup=f"class {value:g}",
            line={"width": 0.5, "color": colour},
            fillcolor=translucent(colour, 0.45),
            hovertemplate="%{y:.1%}",
        )
    for index, value in enumerate(levels):
        happened = rows.loc[rows["actual"] == value]
        chart.add_scatter(
            x=happened["origin"].to_numpy(),
            y=np.full(len(happened), 1.06, dtype=np.float32),
            mode="markers",
            name=f"class {value:g} came true",
            legendgroup=f"class {value:g}",
            showlegend=False,
            marker={"size": 6, "symbol": "square", "color": LINES[index % len(LINES)]},
            hovertemplate="came true",
        )


def _add_positions(chart: go.Figure, rows: pd.DataFrame) -> None:
    chart.add_scatter(
        x=rows["origin"].to_numpy(),
        y=_small(rows["position"]),
        mode="lines",
        name="position",
        line={"shape": "hv", "color": STRATEGY, "width": 1.3},
        fill="tozeroy",
        fillcolor=translucent(STRATEGY, 0.2),
        hovertemplate="%{y:.2f}",
    )


def _add_coverage(
    chart: go.Figure, rows: pd.DataFrame, horizon: int, name: str, colour: str, *, shown: bool
) -> None:
    levels = level_columns(rows, "q")
    actual = rows["actual"].to_numpy(np.float64)
    observed = [float(np.mean(actual <= rows[column])) for column in levels.values()]
    independent = len(rows) / horizon
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
    chart: go.Figure, stated: np.ndarray, hit: np.ndarray, name: str, colour: str
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
    stated: np.ndarray,
    observed: np.ndarray,
    n: np.ndarray,
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
        yaxis=axis("mean log return that followed", tickformat=".2%", zeroline=True),
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


def _small(values: pd.Series) -> np.ndarray:
    """Values in single precision, which is ample for a screen and halves the page."""
    return values.to_numpy(np.float32)
