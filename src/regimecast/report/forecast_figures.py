"""Figures of a run's forecasts: fans, class probabilities and positions.

Each takes the content of ``predictions.parquet``: one row per (fold, asset, origin, step) with
``actual`` and one column per level.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from regimecast.core.types import ForecastKind
from regimecast.report.numbers import number
from regimecast.report.palette import (
    INK,
    LINES,
    STRATEGY,
    axis,
    figure,
    translucent,
)
from regimecast.report.series import evenly, single, stamps

__all__ = [
    "FIRST_SEEN",
    "fan",
    "fan_paths",
    "forecast_kind",
    "level_columns",
    "shown_step",
]

FIRST_SEEN = 300
"""Origins that a fan shows before a reader zooms out; more are a blur."""

_ORIGINS = 2500
"""Origins drawn per asset; where there are more, every k-th is."""


def forecast_kind(predictions: pd.DataFrame) -> ForecastKind:
    """Kind of forecast, from the names of the columns."""
    if "position" in predictions:
        return ForecastKind.POSITIONS
    return ForecastKind.QUANTILES if level_columns(predictions, "q") else ForecastKind.PROBABILITIES


def shown_step(predictions: pd.DataFrame) -> int:
    """Step to draw: the first of positions, which is held next, else the last."""
    steps = predictions["step"]
    positions = forecast_kind(predictions) is ForecastKind.POSITIONS
    return int(steps.min() if positions else steps.max())


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


def fan(predictions: pd.DataFrame, assets: Sequence[str], *, returns: bool = True) -> go.Figure:
    """What was forecast at each origin against what happened, through time, at `shown_step`.

    Quantiles are drawn as nested bands, class probabilities as stacked areas, positions as steps.

    Args:
        predictions: see the module.
        assets: names to draw; all but the first start hidden, and ``trace.meta`` says whose a
            trace is.
        returns: whether quantiles are of log returns; otherwise they are levels.
    """
    shown = predictions.loc[predictions["step"] == shown_step(predictions)]
    kind = forecast_kind(predictions)
    yaxis = {
        ForecastKind.QUANTILES: axis(
            f"log return over {int(predictions['step'].max())} bars", tickformat=".1%"
        )
        if returns
        else axis(f"{int(predictions['step'].max())} bars ahead"),
        ForecastKind.PROBABILITIES: axis("probability", tickformat=".0%", range=[0, 1.12]),
        ForecastKind.POSITIONS: axis("position", range=[-1.08, 1.08]),
    }[kind]
    chart = figure(430, xaxis=axis(type="date"), yaxis=yaxis)
    for asset in assets:
        rows = shown.loc[shown["asset"] == asset].drop_duplicates("origin", keep="last")
        rows = rows.sort_values("origin")
        rows = rows.iloc[evenly(len(rows), _ORIGINS)]
        before = len(chart.data)
        if kind is ForecastKind.QUANTILES:
            _add_quantiles(chart, rows, "origin", returns=returns)
        elif kind is ForecastKind.PROBABILITIES:
            _add_probabilities(chart, rows)
        else:
            _add_positions(chart, rows)
        for trace in chart.data[before:]:
            trace.update(meta=asset, visible=asset == assets[0])
        if asset == assets[0] and len(rows) > FIRST_SEEN:
            chart.layout.xaxis.range = stamps(rows["origin"].to_numpy()[[-FIRST_SEEN, -1]])
    return chart


def fan_paths(
    predictions: pd.DataFrame, asset: str, origin: pd.Timestamp, *, returns: bool = True
) -> go.Figure:
    """Bands over the steps of one forecast against the path that followed.

    Log returns begin at 0, where the origin's close is; levels begin at the first step.
    """
    rows = predictions.loc[(predictions["asset"] == asset) & (predictions["origin"] == origin)]
    rows = rows.drop_duplicates("step", keep="last").sort_values("step")
    if returns:
        start = rows.iloc[:1].assign(
            step=0, actual=0.0, **dict.fromkeys(level_columns(rows, "q").values(), 0.0)
        )
        rows = pd.concat([start, rows])
    chart = figure(
        230,
        xaxis=axis("bars ahead", rangemode="tozero"),
        yaxis=axis(tickformat=".1%") if returns else axis(),
        showlegend=False,
        margin={"l": 8, "r": 8, "t": 6, "b": 8},
    )
    _add_quantiles(chart, rows, "step", returns=returns)
    return chart


def _add_quantiles(chart: go.Figure, rows: pd.DataFrame, along: str, *, returns: bool) -> None:
    """Nested bands, the median and what happened, along a column of the rows."""
    y = "%{y:.2%}" if returns else "%{y:.4~g}"
    levels = level_columns(rows, "q")
    x = stamps(rows["origin"].to_numpy()) if along == "origin" else rows[along].to_numpy()
    pairs = [(level, 1 - level) for level in levels if level < 0.5]
    pairs = [pair for pair in pairs if any(np.isclose(pair[1], level) for level in levels)]
    for depth, (low, high) in enumerate(pairs):
        top = levels[min(levels, key=lambda level: abs(level - high))]
        name = f"{low:.0%} to {high:.0%}"
        common: dict[str, Any] = {"x": x, "mode": "lines", "legendgroup": name, "name": name}
        edge = {"width": 0, "color": STRATEGY}
        chart.add_scatter(
            **common, y=single(rows[levels[low]]), line=edge, showlegend=False, hoverinfo="skip"
        )
        chart.add_scatter(
            **common,
            y=single(rows[top]),
            line=edge,
            fill="tonexty",
            fillcolor=translucent(STRATEGY, 0.12 + 0.08 * min(depth, 4)),
            customdata=single(rows[levels[low]]),
            hovertemplate=f"{y.replace('y', 'customdata', 1)} to {y}",
        )
    if 0.5 in levels:
        chart.add_scatter(
            x=x,
            y=single(rows[levels[0.5]]),
            mode="lines",
            name="median forecast",
            line={"color": STRATEGY, "width": 1.6},
            hovertemplate=y,
        )
    chart.add_scatter(
        x=x,
        y=single(rows["actual"]),
        mode="lines+markers",
        name="what happened",
        line={"color": INK, "width": 1},
        marker={"size": 3, "color": INK},
        hovertemplate=y,
    )


def _add_probabilities(chart: go.Figure, rows: pd.DataFrame) -> None:
    """Stacked areas of class probabilities, with the class that came true as marks above them."""
    levels = level_columns(rows, "p")
    for index, (value, column) in enumerate(levels.items()):
        colour = LINES[index % len(LINES)]
        chart.add_scatter(
            x=stamps(rows["origin"].to_numpy()),
            y=single(rows[column]),
            mode="lines",
            stackgroup="probability",
            name=f"class {number(value)}",
            legendgroup=f"class {number(value)}",
            line={"width": 0.5, "color": colour},
            fillcolor=translucent(colour, 0.45),
            hovertemplate="%{y:.1%}",
        )
    for index, value in enumerate(levels):
        happened = rows.loc[rows["actual"] == value]
        chart.add_scatter(
            x=stamps(happened["origin"].to_numpy()),
            y=np.full(len(happened), 1.06, dtype=np.float32),
            mode="markers",
            name=f"class {number(value)} came true",
            legendgroup=f"class {number(value)}",
            showlegend=False,
            marker={"size": 6, "symbol": "square", "color": LINES[index % len(LINES)]},
            hovertemplate="came true",
        )


def _add_positions(chart: go.Figure, rows: pd.DataFrame) -> None:
    chart.add_scatter(
        x=stamps(rows["origin"].to_numpy()),
        y=single(rows["position"]),
        mode="lines",
        name="position",
        line={"shape": "hv", "color": STRATEGY, "width": 1.3},
        fill="tozeroy",
        fillcolor=translucent(STRATEGY, 0.2),
        hovertemplate="%{y:.2f}",
    )
