"""Figures of a study: what its runs earned, what luck would have earned, and paths not taken.

A trace whose ``meta`` holds ``run`` belongs to that run, and one whose ``meta`` holds ``runs`` has
a point for each of them, by position in the leaderboard: a page's filter shows and hides them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jaxtyping import Float

from regimecast.evaluation.overfitting import Overfitting
from regimecast.report.numbers import fixed, percent
from regimecast.report.palette import (
    BUY_AND_HOLD,
    GRID,
    INK,
    LINES,
    MUTED,
    REGIME_COLOURS,
    STRATEGY,
    axis,
    figure,
    plain_text,
    translucent,
)
from regimecast.report.series import equity, evenly, stamps

__all__ = ["equity_overlay", "overfitting", "path_fan", "path_sharpes", "sharpe_ratios"]

_POINTS = 120_000
"""Points of all lines of an overlay together; a line has between 300 and 1500 of them."""


def equity_overlay(curves: Mapping[str, pd.DataFrame]) -> go.Figure:
    """Equity after costs of several runs on one time axis, with buy and hold of the longest.

    Args:
        curves: content of ``returns.parquet`` per run, best first.
    """
    points = min(1500, max(300, _POINTS // len(curves)))
    chart = figure(
        440,
        xaxis=axis(type="date"),
        yaxis=axis("growth of 1", tickformat="~g"),
        hovermode="x",
    )
    traces = [
        _growth(
            returns,
            "strategy",
            points,
            name=plain_text(label),
            line={"color": LINES[index % len(LINES)], "width": 1.7},
        )
        for index, (label, returns) in enumerate(curves.items())
    ]
    longest = max(curves.values(), key=len)
    if "buy_and_hold" in longest:
        line = {"color": BUY_AND_HOLD, "width": 1.3, "dash": "dash"}
        traces.append(_growth(longest, "buy_and_hold", points, name="buy and hold", line=line))
    return chart.add_traces(traces)


def sharpe_ratios(
    names: Sequence[str],
    values: Float[np.ndarray, " N"],
    bounds: Float[np.ndarray, "N 2"],
    *,
    lucky: float | None,
    places: Sequence[int],
) -> go.Figure:
    """Sharpe ratio of every run with its interval, highest first, and what luck alone would show.

    Args:
        names: of the runs.
        values: Sharpe ratios a year.
        bounds: intervals, NaN where there is none.
        lucky: highest of as many trials without skill, on average.
        places: of the runs in the leaderboard.
    """
    order = np.argsort(-values, kind="stable")
    chart = figure(
        340,
        xaxis=axis("runs, highest Sharpe ratio first", showgrid=False, showticklabels=False),
        yaxis=axis("Sharpe ratio a year", zeroline=True, zerolinecolor=MUTED),
        hovermode="closest",
        showlegend=False,
        margin={"l": 8, "r": 12, "t": 12, "b": 8},
    )
    low, high = (np.nan_to_num(np.abs(bounds[order, side] - values[order])) for side in (0, 1))
    chart.add_scatter(
        x=list(range(1, len(order) + 1)),
        y=values[order].tolist(),
        mode="markers",
        marker={"color": STRATEGY, "size": 7},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": high.tolist(),
            "arrayminus": low.tolist(),
            "color": translucent(STRATEGY, 0.55),
            "thickness": 1.4,
            "width": 0,
        },
        text=[
            plain_text(names[i])
            + (
                ""
                if np.isnan(bounds[i, 0])
                else f"<br>{fixed(bounds[i, 0])} to {fixed(bounds[i, 1])}"
            )
            for i in order
        ],
        hovertemplate="%{text}<br>Sharpe ratio %{y:.2f}<extra></extra>",
        meta={"runs": [places[i] for i in order], "ranked": True},
    )
    if lucky is not None:
        chart.add_hline(
            lucky,
            line={"color": REGIME_COLOURS["crash"], "dash": "dash", "width": 1.5},
            annotation={
                "text": f"best by luck alone: {fixed(lucky)}",
                "font": {"color": REGIME_COLOURS["crash"], "size": 12},
                "yanchor": "bottom",
                "xanchor": "right",
                "x": 1,
            },
        )
    return chart


def overfitting(found: Overfitting) -> go.Figure:
    """How the winners of one half of time ranked in the other, the poor half of them shaded."""
    logits = found.logits
    width = _bin_width(logits)
    first, last = np.floor(logits.min() / width), np.floor(logits.max() / width) + 1
    edges = np.arange(first, last + 1) * width  # 0 is one of them: no bar is half below it
    share = np.histogram(logits, edges)[0] / len(logits)
    middle = (edges[:-1] + edges[1:]) / 2
    below = middle < 0
    reach = 1.05 * max(abs(edges[0]), abs(edges[-1]))
    chart = figure(
        320,
        xaxis=axis("logit of the winner's rank out of sample", range=[-reach, reach]),
        yaxis=axis("share of splits", tickformat=".0%", rangemode="tozero"),
        hovermode="closest",
        bargap=0.06,
        margin={"l": 8, "r": 12, "t": 38, "b": 8},
        shapes=[
            {
                "type": "rect", "layer": "below", "line": {"width": 0}, "yref": "paper",
                "x0": -reach, "x1": 0, "y0": 0, "y1": 1,
                "fillcolor": translucent(REGIME_COLOURS["crash"], 0.08),
            },
            {
                "type": "line", "yref": "paper", "x0": 0, "x1": 0, "y0": 0, "y1": 1,
                "line": {"color": MUTED, "width": 1.2},
            },
        ],
    )  # fmt: skip
    for name, own, colour in (
        (f"below the median: {percent(found.pbo)}", below, REGIME_COLOURS["crash"]),
        (f"not below it: {percent(1 - found.pbo)}", ~below, STRATEGY),
    ):
        chart.add_bar(
            x=middle[own],
            y=share[own],
            width=np.full(int(own.sum()), width * 0.94),
            name=name,
            marker={"color": colour},
            hovertemplate="%{y:.1%} of splits<extra></extra>",
        )
    return chart


def path_fan(paths: pd.DataFrame, *, points: int = 500) -> go.Figure:
    """Equity of every backtest path, their median and the band that holds four fifths of them.

    Args:
        paths: content of ``paths.parquet``: columns ``path``, ``time`` and ``strategy``.
        points: drawn per path.
    """
    own = {name: rows.set_index("time")["strategy"] for name, rows in paths.groupby("path")}
    wide = pd.DataFrame(own).sort_index()
    curves = np.stack([equity(wide[name].to_numpy(np.float64)) for name in wide], axis=1)
    kept = evenly(len(curves), points)
    x, curves = stamps(wide.index.to_numpy()[kept]), curves[kept].astype(np.float32)
    chart = figure(400, xaxis=axis(type="date"), yaxis=axis("growth of 1", tickformat="~g"))
    low, middle, high = np.quantile(curves, [0.1, 0.5, 0.9], axis=1).astype(np.float32)
    edge = {"width": 0, "color": STRATEGY}
    chart.add_scatter(
        x=x, y=low, mode="lines", line=edge, legendgroup="band", showlegend=False, hoverinfo="skip"
    )
    chart.add_scatter(
        x=x,
        y=high,
        mode="lines",
        line=edge,
        fill="tonexty",
        fillcolor=translucent(STRATEGY, 0.16),
        name="four fifths of the paths",
        legendgroup="band",
        customdata=low,
        hovertemplate="%{customdata:.3f} to %{y:.3f}",
    )
    for index in range(curves.shape[1]):
        chart.add_scatter(
            x=x,
            y=curves[:, index],
            mode="lines",
            name=f"{curves.shape[1]} paths",
            legendgroup="paths",
            showlegend=index == 0,
            line={"color": MUTED, "width": 0.8},
            opacity=0.7,
            hoverinfo="skip",
        )
    chart.add_scatter(
        x=x,
        y=middle,
        mode="lines",
        name="median",
        line={"color": STRATEGY, "width": 2.4},
        hovertemplate="%{y:.3f}",
    )
    return chart


def path_sharpes(
    names: Sequence[str], sharpes: Sequence[Sequence[float]], places: Sequence[int]
) -> go.Figure:
    """Sharpe ratio of every path, a row of dots per run with the median marked.

    Args:
        names: of the runs, which must differ, best first.
        sharpes: a year, of each run's paths.
        places: of the runs in the leaderboard.
    """
    rows = [plain_text(name) for name in names]
    chart = figure(
        70 + 24 * len(rows),
        xaxis=axis("Sharpe ratio a year", zeroline=True, zerolinecolor=MUTED),
        yaxis=axis(
            type="category",
            categoryorder="array",
            categoryarray=rows[::-1],
            gridcolor=GRID,
            ticks="",
            range=[-0.6, len(rows) - 0.4],
        ),
        hovermode="closest",
    )
    flat = [(row, value, place) for row, own, place in zip(rows, sharpes, places, strict=True)
            for value in own]  # fmt: skip
    chart.add_scatter(
        x=[value for _, value, _ in flat],
        y=[row for row, _, _ in flat],
        mode="markers",
        name="a path",
        marker={"color": translucent(STRATEGY, 0.5), "size": 8},
        hovertemplate="%{y}<br>Sharpe ratio %{x:.2f}<extra></extra>",
        meta={"runs": [place for _, _, place in flat]},
    )
    chart.add_scatter(
        x=[float(np.median(own)) for own in sharpes],
        y=rows,
        mode="markers",
        name="median",
        marker={"color": INK, "size": 13, "symbol": "line-ns-open", "line": {"width": 2.5}},
        hovertemplate="%{y}<br>median %{x:.2f}<extra></extra>",
        meta={"runs": list(places)},
    )
    return chart


def _growth(returns: pd.DataFrame, series: str, points: int, **looks: Any) -> go.Scatter:
    """Equity of a series at so many bars, the last among them."""
    kept = evenly(len(returns), points)
    curve = equity(returns[series].to_numpy(np.float64))
    return go.Scatter(
        x=stamps(returns["time"].to_numpy()[kept]),
        y=curve[kept].astype(np.float32),
        mode="lines",
        hovertemplate="%{y:.3f}",
        **looks,
    )


def _bin_width(values: Float[np.ndarray, " C"]) -> float:
    """Wide enough that ranks of few trials leave no gaps between bars, at most 40 bars."""
    reach = float(values.max() - values.min())
    different = len(np.unique(np.round(values, 9)))
    return max(reach / min(40, max(8, different // 2)), 1e-6) if reach else 0.5
