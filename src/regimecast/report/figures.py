"""Figures of a run's money and regimes: data frames in, plotly figures out.

Each figure stands on its own and can be shown in a notebook: ``equity(returns).show()``.
"""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from regimecast.core.types import REGIMES
from regimecast.report.numbers import prose
from regimecast.report.palette import (
    BUY_AND_HOLD,
    GROSS,
    NAIVE,
    REGIME_COLOURS,
    STRATEGY,
    axis,
    figure,
    translucent,
)
from regimecast.report.series import evenly, regime_spans, single, stamps, thin_equity

__all__ = [
    "SERIES",
    "add_regimes",
    "equity",
    "hidden_axis",
    "regime_timeline",
]

SERIES: dict[str, tuple[str, str, str]] = {
    "gross": ("before costs", GROSS, "dot"),
    "naive": ("naive rule", NAIVE, "dash"),
    "buy_and_hold": ("buy and hold", BUY_AND_HOLD, "dash"),
    "strategy": ("strategy, after costs", STRATEGY, "solid"),
}
"""Title, colour and dash of each column of ``returns.parquet``, drawn in this order."""


def equity(returns: pd.DataFrame) -> go.Figure:
    """Equity above, drawdown below, one time axis, regimes as the background.

    Args:
        returns: content of ``returns.parquet``: per-bar simple returns of each series.
    """
    thin = thin_equity(returns)
    time = thin["time"].to_numpy()
    x = stamps(time)
    chart = figure(
        520,
        xaxis=axis(anchor="y3", type="date", range=[x[0], x[-1]]),
        yaxis=hidden_axis([0.36, 1.0]),
        yaxis2=axis(
            "growth of 1", overlaying="y", domain=[0.36, 1.0], side="left", tickformat="~g"
        ),
        yaxis3=hidden_axis([0.0, 0.29]),
        yaxis4=axis(
            "drawdown",
            overlaying="y3",
            domain=[0.0, 0.29],
            side="left",
            tickformat=".0%",
            rangemode="tozero",
            nticks=5,
        ),
    )
    add_regimes(chart, time, thin["regime"].to_numpy(), ("y", "y3"))
    for name, (title, colour, dash) in SERIES.items():
        if name not in thin:
            continue
        line = {"color": colour, "dash": dash, "width": 2.2 if name == "strategy" else 1.3}
        common: dict[str, Any] = {"x": x, "name": title, "legendgroup": name, "line": line}
        chart.add_scatter(
            **common, y=single(thin[name]), yaxis="y2", hovertemplate="%{y:.3f}", mode="lines"
        )
        if name != "gross":
            chart.add_scatter(
                **common,
                y=single(thin[f"{name}/drawdown"]),
                yaxis="y4",
                mode="lines",
                showlegend=False,
                hovertemplate="%{y:.1%}",
                fill="tozeroy" if name == "strategy" else None,
                fillcolor=translucent(STRATEGY, 0.14),
            )
    # Drawn back to front; named front to back.
    for rank, name in enumerate(reversed(SERIES)):
        chart.update_traces(legendrank=rank, selector={"legendgroup": name})
    return chart


def regime_timeline(returns: pd.DataFrame) -> go.Figure:
    """One lane per regime, a bar for each unbroken stretch.

    Args:
        returns: columns ``time`` and ``regime`` (code known at each bar's close).
    """
    thin = returns.iloc[evenly(len(returns), 6000)]
    spans = regime_spans(thin["time"].to_numpy(), thin["regime"].to_numpy(np.int64))
    counts = returns["regime"].value_counts()
    lanes = [code for code in range(len(REGIMES)) if counts.get(code, 0)]
    chart = figure(
        64 + 34 * max(1, len(lanes)),
        xaxis=axis(type="date"),
        yaxis=axis(type="category", showgrid=False),
        hovermode="closest",
        barmode="overlay",
        bargap=0.25,
        showlegend=False,
        margin={"l": 8, "r": 12, "t": 8, "b": 8},
    )
    chart.update_xaxes(range=stamps(thin["time"].to_numpy()[[0, -1]]))
    for code in lanes:
        own = [span for span in spans if span[0] == REGIMES[code]]
        start = np.array([span[1] for span in own], dtype="datetime64[ms]")
        end = np.array([span[2] for span in own], dtype="datetime64[ms]")
        share = counts[code] / len(returns)
        chart.add_bar(
            orientation="h",
            base=start.astype(str),
            x=(end - start).astype(np.int64),
            y=[f"{prose(REGIMES[code])}  {share:.0%}"] * len(own),
            marker={"color": REGIME_COLOURS[REGIMES[code]], "line": {"width": 0}},
            customdata=np.stack([start.astype("datetime64[m]"), end.astype("datetime64[m]")], 1)
            .astype(str)
            .tolist(),
            hovertemplate=f"{prose(REGIMES[code])}<br>%{{customdata[0]}} to "
            "%{customdata[1]}<extra></extra>",
        )
    return chart


def hidden_axis(domain: list[float]) -> dict[str, Any]:
    """Hidden axis from 0 to 1 that the regime bands of one panel are drawn on."""
    return {"domain": domain, "range": [0, 1], "visible": False, "fixedrange": True}


def add_regimes(
    chart: go.Figure, time: np.ndarray, regime: np.ndarray, axes: tuple[str, ...]
) -> None:
    """Regimes as the background of a chart with a time axis.

    One filled step line per regime and panel: far lighter than a rectangle per stretch.

    Args:
        chart: to draw on.
        time: of each row.
        regime: code known at that time.
        axes: of each panel, made by `hidden_axis`.
    """
    spans = regime_spans(time, np.asarray(regime, dtype=np.int64))
    for name in dict.fromkeys(span[0] for span in spans if span[0] != "unknown"):
        x = [edge for span in spans if span[0] == name for edge in (span[1], span[2])]
        y = [value for span in spans if span[0] == name for value in (1, 0)]
        for panel in axes:
            chart.add_scatter(
                x=stamps(np.array(x)),
                y=y,
                yaxis=panel,
                name=prose(name),
                legendgroup=name,
                showlegend=panel == axes[0],
                mode="lines",
                line={"shape": "hv", "width": 0, "color": REGIME_COLOURS[name]},
                fill="tozeroy",
                fillcolor=translucent(REGIME_COLOURS[name], 0.14 if name == "normal" else 0.26),
                hoverinfo="skip",
            )
