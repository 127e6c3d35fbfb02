"""Figures that follow an interval through time: how often it held what happened, and its width."""

import math

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from regimecast.report.figures import add_regimes, hidden_axis
from regimecast.report.forecast_figures import level_columns
from regimecast.report.numbers import percent
from regimecast.report.palette import MUTED, STRATEGY, axis, figure
from regimecast.report.series import evenly, single, stamps

__all__ = ["bands", "coverage", "origins", "window"]

_POINTS = 2000


def bands(predictions: pd.DataFrame) -> dict[float, tuple[str, str]]:
    """Lower and upper column of every central interval by its level, the widest first."""
    levels = level_columns(predictions, "q")
    found = {}
    for low, column in levels.items():
        top = min(levels, key=lambda level: abs(level - (1 - low)))
        if low < 0.5 and np.isclose(top, 1 - low):
            found[round(1 - 2 * low, 6)] = (column, levels[top])
    return dict(sorted(found.items(), reverse=True))


def window(n_origins: int) -> int:
    """Origins that a rolling share is taken over: a fifteenth of them, between 20 and 250."""
    return min(max(n_origins // 15, 20), 250, n_origins)


def origins(predictions: pd.DataFrame, level: float) -> pd.DataFrame:
    """Share of outcomes inside an interval and its mean width, by origin.

    Each is a mean over the origin's steps, assets and folds; origins of which nothing is known yet
    are left out.

    Args:
        predictions: content of ``predictions.parquet``.
        level: of the interval, a key of `bands`.

    Returns:
        Columns ``inside``, ``width`` and ``regime``, by origin.
    """
    low, high = bands(predictions)[level]
    known = predictions.dropna(subset=["actual", low, high])
    rows = pd.DataFrame(
        {
            "origin": known["origin"],
            "inside": known["actual"].between(known[low], known[high]).astype(np.float64),
            "width": known[high].astype(np.float64) - known[low].astype(np.float64),
            "regime": known["regime"],
        }
    ).groupby("origin", sort=True)
    return rows[["inside", "width"]].mean().join(rows["regime"].first())


def coverage(predictions: pd.DataFrame, level: float, *, returns: bool = True) -> go.Figure:
    """Rolling coverage of an interval above, its width below, regimes as the background.

    Between the dotted lines the rolling share of an honest forecast is 95 % of the time, if one
    origin in as many as there are steps tells something new.

    Args:
        predictions: content of ``predictions.parquet``.
        level: of the interval, a key of `bands`.
        returns: whether forecasts are log returns; otherwise they are levels.
    """
    table = origins(predictions, level)
    over = window(len(table))
    share = table["inside"].rolling(over).mean()
    width = table["width"].rolling(max(1, over // 10), min_periods=1).mean()
    kept = evenly(len(table), _POINTS)
    time, regime = table.index.to_numpy()[kept], table["regime"].to_numpy()[kept]
    x = stamps(time)
    independent = max(1.0, over / int(predictions["step"].max()))
    spread = 1.96 * math.sqrt(level * (1 - level) / independent)
    seen = share.dropna()
    lowest = min(float(seen.min()), level - spread) if len(seen) else level - spread
    chart = figure(
        480,
        xaxis=axis(anchor="y3", type="date", range=[x[0], x[-1]]),
        yaxis=hidden_axis([0.42, 1.0]),
        yaxis2=axis(
            f"share inside, last {over} origins",
            overlaying="y",
            domain=[0.42, 1.0],
            side="left",
            tickformat=".0%",
            range=[max(0.0, lowest - 0.03), 1.005],
        ),
        yaxis3=hidden_axis([0.0, 0.35]),
        yaxis4=axis(
            "width, log return" if returns else "width",
            overlaying="y3",
            domain=[0.0, 0.35],
            side="left",
            tickformat=".1%" if returns else "~g",
            rangemode="tozero",
            nticks=5,
        ),
    )
    add_regimes(chart, time, regime, ("y", "y3"))
    ends = [x[0], x[-1]]
    for value in (level - spread, min(1.0, level + spread)):
        chart.add_scatter(
            x=ends, y=[value, value], yaxis="y2", mode="lines", name="95% of honest forecasts",
            line={"color": MUTED, "dash": "dot", "width": 1.2}, hoverinfo="skip",
            showlegend=value < level,
        )  # fmt: skip
    chart.add_scatter(
        x=ends, y=[level, level], yaxis="y2", mode="lines", name=f"target {percent(level, 0)}",
        line={"color": MUTED, "dash": "dash", "width": 1.4}, hoverinfo="skip",
    )  # fmt: skip
    chart.add_scatter(
        x=x, y=single(share.iloc[kept]), yaxis="y2", mode="lines", name="coverage", legendrank=1,
        line={"color": STRATEGY, "width": 2}, hovertemplate="%{y:.1%}",
    )  # fmt: skip
    chart.add_scatter(
        x=x, y=single(width.iloc[kept]), yaxis="y4", mode="lines", name="width",
        line={"color": STRATEGY, "width": 1.3}, showlegend=False,
        hovertemplate="%{y:.2%}" if returns else "%{y:.4~g}",
    )  # fmt: skip
    return chart
