"""The page of a search: the front of every asset in a picture, and the table."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import plotly.graph_objects as go

from regimecast.core.files import write_text
from regimecast.report.charts import Chart
from regimecast.report.html import render_page
from regimecast.report.palette import GRID, INK, LINES, MUTED, STRATEGY, axis, figure, plain_text
from regimecast.search.barriers import AssetBarriers, SearchResult
from regimecast.search.evolve import Candidate
from regimecast.search.table import HEADINGS, rows

__all__ = ["front_figure", "write_page"]

_CHOSEN = LINES[1]


def write_page(
    path: Path,
    result: SearchResult,
    *,
    unit: str,
    facts: Sequence[tuple[str, str]],
    tolerance: float,
) -> Path:
    """Path of the page, written.

    Args:
        path: where to.
        result: what was found.
        unit: what distances are counted in.
        facts: names and values for the head of the page.
        tolerance: greatest imbalance of a chosen setting.
    """
    names = tuple(found.asset for found in result.assets)
    chart = Chart(
        "front",
        "Edge after costs against balance of the classes",
        "Each dot is a setting that was judged, those below both the default and zero left out; "
        "the line joins those that no other one beats in both. Up is a higher Sharpe ratio after "
        "costs, left is nearer to the wanted shares of classes; the shaded band is what the "
        "tolerance allows. Point at a mark for its setting.",
        front_figure(result.assets, unit=unit, tolerance=tolerance),
        choices=names if len(names) > 1 else (),
    )
    notes = [f"{found.asset}: {found.problem}" for found in result.assets if found.problem]
    if result.short:
        notes.append(f"too few bars in the interval, default kept: {', '.join(result.short)}")
    text = render_page(
        "barriers.html",
        charts=[chart],
        facts=facts,
        headings=HEADINGS,
        rows=[row for found in result.assets for row in rows(found)],
        notes=notes,
    )
    write_text(path, text)
    return path


def front_figure(assets: Sequence[AssetBarriers], *, unit: str, tolerance: float) -> go.Figure:
    """Everything judged, the front, the default and the chosen setting.

    All assets but the first start hidden, and ``trace.meta`` says whose a trace is.
    """
    chart = figure(
        470,
        xaxis=axis("imbalance of the classes", tickformat=".0%", rangemode="tozero"),
        yaxis=axis("annual Sharpe ratio after costs, at the stated skill"),
        hovermode="closest",
    )
    chart.add_vrect(x0=0, x1=tolerance, fillcolor=GRID, opacity=0.5, line_width=0, layer="below")
    for number, found in enumerate(assets):
        shown = {"meta": found.asset, "visible": number == 0}
        worst = min(found.default.merit.edge, *(c.merit.edge for c in found.front), 0.0)
        seen = [c for c in found.candidates if c.merit.edge >= worst]
        chart.add_trace(
            _marks(seen, unit, "judged", {"color": MUTED, "size": 4, "opacity": 0.35}, **shown)
        )
        chart.add_trace(
            _marks(
                found.front, unit, "front", {"color": STRATEGY, "size": 6},
                mode="lines+markers", line={"color": STRATEGY, "width": 2, "shape": "hv"}, **shown,
            )
        )  # fmt: skip
        default = {"color": INK, "size": 13, "symbol": "x"}
        chart.add_trace(_marks([found.default], unit, "default", default, **shown))
        if found.chosen is not None:
            chosen = {"color": _CHOSEN, "size": 15, "symbol": "diamond"}
            chart.add_trace(_marks([found.chosen], unit, "chosen", chosen, **shown))
    return chart


def _marks(
    candidates: Sequence[Candidate],
    unit: str,
    name: str,
    marker: dict[str, object],
    **options: object,
) -> go.Scatter:
    settings = [c.setting for c in candidates]
    return go.Scatter(
        **{
            "x": np.round([c.merit.imbalance for c in candidates], 5).tolist(),
            "y": np.round([c.merit.edge for c in candidates], 5).tolist(),
            "text": [
                plain_text(f"up {s.upper:g}, down {s.lower:g} × {unit}, {s.horizon} bars")
                for s in settings
            ],
            "hovertemplate": "%{text}<br>imbalance %{x:.1%}, Sharpe ratio %{y:.3f}",
            "name": name,
            "mode": "markers",
            "marker": marker,
            **options,
        }
    )
