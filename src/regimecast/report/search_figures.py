"""Figures of a search: objectives as they came, against each other, and what they depend on.

Traces carry the runs they belong to as those of `study_figures` do.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate

import pandas as pd
import plotly.graph_objects as go

from regimecast.report.palette import (
    GROSS,
    INK,
    LINES,
    MUTED,
    STRATEGY,
    axis,
    figure,
    plain_text,
)

__all__ = ["front", "history", "importance", "learning_curves"]

_SHOWN = 12
"""Settings of an importance chart."""


def history(
    names: Sequence[str],
    objectives: Sequence[float],
    statuses: Sequence[str],
    places: Sequence[int],
    *,
    title: str,
    lower: bool,
) -> go.Figure:
    """Objective of every run in the order given, and the best so far.

    Args:
        names: of the runs.
        objectives: of the runs.
        statuses: of the runs; what is not finished is drawn hollow.
        places: of the runs in the leaderboard.
        title: of the objective.
        lower: whether lower is better.
    """
    numbers = list(range(1, len(names) + 1))
    chart = figure(
        340,
        xaxis=axis("trial", rangemode="tozero"),
        yaxis=axis(title, tickformat="~g"),
        hovermode="closest",
    )
    best = list(accumulate(objectives, min if lower else max))
    chart.add_scatter(
        x=numbers,
        y=best,
        mode="lines",
        name="best so far",
        line={"color": LINES[1], "width": 1.8, "shape": "hv"},
        hoverinfo="skip",
    )
    for group, whole in (("finished", True), ("cut short, or interrupted", False)):
        own = [i for i, status in enumerate(statuses) if (status == "finished") is whole]
        if own:
            chart.add_scatter(
                x=[numbers[i] for i in own],
                y=[objectives[i] for i in own],
                mode="markers",
                name=group,
                marker={
                    "color": STRATEGY if whole else MUTED,
                    "size": 8,
                    "symbol": "circle" if whole else "circle-open",
                },
                text=[plain_text(names[i]) for i in own],
                hovertemplate="%{text}<br>objective %{y:.5g}<extra></extra>",
                meta={"runs": [places[i] for i in own]},
            )
    return chart


def front(
    names: Sequence[str],
    values: Sequence[Sequence[float]],
    best: Sequence[bool],
    places: Sequence[int],
    *,
    titles: Sequence[str],
    joined: bool,
) -> go.Figure:
    """Two objectives against each other, and the runs that no other beats.

    Args:
        names: of the runs.
        values: two of each run.
        best: whether no other run beats it.
        places: of the runs in the leaderboard.
        titles: of the two objectives.
        joined: whether a line joins those that no other beats.
    """
    chart = figure(
        400,
        xaxis=axis(titles[0], tickformat="~g"),
        yaxis=axis(titles[1], tickformat="~g"),
        hovermode="closest",
    )
    for group, wanted in (("beaten by another", False), ("beaten by no other", True)):
        own = [i for i, unbeaten in enumerate(best) if bool(unbeaten) is wanted]
        own.sort(key=lambda i: tuple(values[i]))
        if own:
            chart.add_scatter(
                x=[values[i][0] for i in own],
                y=[values[i][1] for i in own],
                mode="lines+markers" if wanted and joined else "markers",
                name=group,
                line={"color": STRATEGY, "width": 1.8},
                marker={"color": STRATEGY if wanted else GROSS, "size": 10 if wanted else 8},
                text=[plain_text(names[i]) for i in own],
                hovertemplate="%{text}<br>%{x:.5g}, %{y:.5g}<extra></extra>",
                meta={"runs": [places[i] for i in own]},
            )
    return chart


def importance(shares: Mapping[str, float]) -> go.Figure:
    """A bar per setting, the most important on top.

    Args:
        shares: by setting, highest first.
    """
    shown = dict(list(shares.items())[:_SHOWN])
    keys = [plain_text(key) for key in shown]
    chart = figure(
        80 + 28 * len(keys),
        xaxis=axis("share of the differences in the objective", tickformat=".0%", range=[0, 1.08]),
        yaxis=axis(
            type="category", categoryorder="array", categoryarray=keys[::-1], showgrid=False
        ),
        hovermode="closest",
        showlegend=False,
        bargap=0.35,
        margin={"l": 8, "r": 12, "t": 12, "b": 8},
    )
    chart.add_bar(
        orientation="h",
        x=list(shown.values()),
        y=keys,
        marker={"color": STRATEGY},
        text=[f"{share:.0%}" for share in shown.values()],
        textposition="outside",
        textfont={"color": INK},
        cliponaxis=False,
        hovertemplate="%{y}: %{x:.1%}<extra></extra>",
    )
    return chart


def learning_curves(
    names: Sequence[str],
    curves: Sequence[pd.DataFrame],
    statuses: Sequence[str],
    places: Sequence[int],
    *,
    best: int | None,
    title: str,
) -> go.Figure:
    """Loss by step, a line per run; the best one thick, those that were cut in grey.

    Args:
        names: of the runs.
        curves: columns ``step`` and ``current``.
        statuses: of the runs.
        places: of the runs in the leaderboard.
        best: which of them is the best one; None where that is not known.
        title: of the loss.
    """
    chart = figure(
        400,
        xaxis=axis("step", rangemode="tozero"),
        yaxis=axis(title, tickformat="~g"),
        hovermode="closest",
    )
    whole = {i for i, status in enumerate(statuses) if status == "finished"}
    # The best is drawn last, over the others.
    for index in sorted(range(len(curves)), key=lambda i: (i == best, i in whole)):
        kind = 2 if index == best else 1 if index in whole else 0
        colour, width = ((MUTED, 1.0), (GROSS, 1.4), (STRATEGY, 3.0))[kind]
        group = ("cut short, or interrupted", "finished", "the best")[kind]
        chart.add_scatter(
            x=curves[index]["step"].tolist(),
            y=curves[index]["current"].tolist(),
            mode="lines" if len(curves[index]) > 1 else "markers",
            name=group,
            legendgroup=group,
            showlegend=all(trace.name != group for trace in chart.data),
            line={"color": colour, "width": width},
            marker={"color": colour, "size": 6},
            opacity=0.6 if kind == 0 else 1.0,
            text=[plain_text(names[index])] * len(curves[index]),
            hovertemplate="%{text}<br>step %{x}: %{y:.5g}<extra></extra>",
            meta={"runs": [places[index]] * len(curves[index])},
        )
    return chart
