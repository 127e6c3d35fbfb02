"""Figures of a run's training and of its metrics by regime and by step."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from regimecast.core.types import REGIMES
from regimecast.report.numbers import number, prose
from regimecast.report.palette import (
    INK,
    LINES,
    MUTED,
    REGIME_COLOURS,
    STRATEGY,
    axis,
    figure,
)

__all__ = ["error_by_step", "metric_by_regime", "training_curves"]


def training_curves(folds: Sequence[Mapping[str, Any]]) -> go.Figure | None:
    """Training and validation loss by epoch and fold, the kept epoch marked.

    Args:
        folds: the ``folds`` of ``metrics.json``.

    Returns:
        None where no fold kept a history, as for a model that is not trained.
    """
    chart = figure(
        360,
        xaxis=axis("epoch (boosting round for trees)", rangemode="tozero"),
        yaxis=axis("loss"),
        hovermode="closest",
    )
    for index, fold in enumerate(folds):
        fit = fold.get("fit") or {}
        history = pd.DataFrame(fit.get("history") or [])
        colour, name = LINES[index % len(LINES)], f"fold {fold.get('fold', index)}"
        if history.empty or "epoch" not in history:
            continue
        for column, title, dash, width in (
            ("train/loss", "training", "dot", 1.3),
            ("val/loss", "validation", "solid", 2.0),
        ):
            if column not in history:
                continue
            known = history.dropna(subset=[column])
            chart.add_scatter(
                x=known["epoch"].to_numpy(),
                y=known[column].to_numpy(np.float64),
                name=f"{name}, {title}" if index == 0 else name,
                mode="lines",
                legendgroup=name,
                showlegend=index == 0 or column == "val/loss",
                line={"color": colour, "dash": dash, "width": width},
                hovertemplate=f"{name}, {title}<br>epoch %{{x}}: %{{y:.4g}}<extra></extra>",
            )
        best = fit.get("best_epoch")
        if best is not None and "val/loss" in history:
            kept = history.loc[history["epoch"] == best]
            chart.add_scatter(
                x=kept["epoch"].to_numpy(),
                y=kept["val/loss"].to_numpy(np.float64),
                name=name,
                mode="markers",
                legendgroup=name,
                showlegend=False,
                marker={"color": colour, "size": 10, "symbol": "diamond"},
                hovertemplate=f"{name}, kept<br>epoch %{{x}}: %{{y:.4g}}<extra></extra>",
            )
    return chart if chart.data else None


def metric_by_regime(
    values: Mapping[str, float], counts: Mapping[str, int], overall: float | None, title: str
) -> go.Figure:
    """One metric as a bar per regime and one over all of them, with the number of forecast steps.

    Args:
        values: value per regime name.
        counts: forecast steps per regime name.
        overall: value over all forecasts.
        title: what the metric is called.
    """
    names = [name for name in reversed(REGIMES) if values.get(name) is not None]
    labels = [f"{prose(name)} (n = {counts.get(name, 0):,})" for name in names]
    heights = [values[name] for name in names]
    colours = [REGIME_COLOURS[name] for name in names]
    if overall is not None:
        labels, heights, colours = ["all", *labels], [overall, *heights], [MUTED, *colours]
    chart = figure(
        66 + 30 * len(labels),
        xaxis=axis(title, rangemode="tozero", nticks=5),
        yaxis=axis(type="category", showgrid=False),
        hovermode="closest",
        showlegend=False,
        bargap=0.3,
        margin={"l": 8, "r": 40, "t": 4, "b": 8},
    )
    chart.add_bar(
        orientation="h",
        x=heights,
        y=labels,
        marker={"color": colours},
        text=[number(height) for height in heights],
        textposition="outside",
        cliponaxis=False,
        textfont={"color": INK, "size": 11},
        hovertemplate="%{y}<br>%{x:.4g}<extra></extra>",
    )
    return chart


def error_by_step(values: Mapping[int, float], title: str) -> go.Figure:
    """One forecast error by how many bars ahead the forecast looks.

    Args:
        values: value per step.
        title: what the error is called.
    """
    chart = figure(
        420,
        xaxis=axis("bars ahead", rangemode="tozero"),
        yaxis=axis(title, rangemode="tozero"),
        hovermode="closest",
        showlegend=False,
        margin={"l": 8, "r": 12, "t": 12, "b": 8},
    )
    steps = sorted(values)
    chart.add_scatter(
        x=steps,
        y=[values[step] for step in steps],
        mode="lines+markers",
        line={"color": STRATEGY, "width": 1.8},
        marker={"color": STRATEGY, "size": 7},
        hovertemplate="%{x} bars ahead: %{y:.4g}<extra></extra>",
    )
    return chart
