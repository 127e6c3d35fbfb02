"""One look for every chart: colours that colour-blind readers can tell apart, and a common layout.

A figure is made in light colours, so that it can be shown anywhere. The page swaps each colour for
its counterpart in `DARK` where the reader prefers a dark screen.
"""

from typing import Any

import plotly.graph_objects as go

from regimecast.core.types import REGIMES

__all__ = [
    "BUY_AND_HOLD",
    "DARK",
    "GRID",
    "GROSS",
    "INK",
    "LINES",
    "MUTED",
    "NAIVE",
    "REGIME_COLOURS",
    "STRATEGY",
    "axis",
    "figure",
    "plain_text",
    "translucent",
]

INK = "#1f2933"
MUTED = "#5c6875"
GRID = "#e2e6eb"
STRATEGY = "#0b62b0"
GROSS = "#7db3e0"
BUY_AND_HOLD = "#3d4754"
NAIVE = "#8a4fa8"

_LOW, _NORMAL, _HIGH, _CRASH, _RECOVERY = "#2fa4d9", "#aab2bd", "#ee9a22", "#c8321a", "#0a9384"

REGIME_COLOURS: dict[str, str] = dict(
    zip(REGIMES, (_LOW, _NORMAL, _HIGH, _CRASH, _RECOVERY), strict=True)
)
"""A colour per regime, the same on every chart; they differ in lightness as well as in hue."""

LINES: tuple[str, ...] = (
    STRATEGY,
    "#e07b1a",
    _RECOVERY,
    _CRASH,
    NAIVE,
    "#7a5c2e",
    "#d6529b",
    MUTED,
    "#8f9112",
    "#2f3e8f",
)
"""Colours for lines that stand for nothing in particular, such as runs and folds."""

DARK: dict[str, str] = {
    INK: "#e6eaee",
    MUTED: "#9daab8",
    GRID: "#2f3945",
    STRATEGY: "#62b3ff",
    GROSS: "#3b7cb4",
    BUY_AND_HOLD: "#cdd4dc",
    NAIVE: "#c697e2",
    _LOW: "#4fb9ea",
    _NORMAL: "#76818e",
    _HIGH: "#f4ad45",
    _CRASH: "#f0644c",
    _RECOVERY: "#2bc0ae",
    "#e07b1a": "#f59b47",
    "#7a5c2e": "#c9a56c",
    "#d6529b": "#f08cc3",
    "#8f9112": "#cfd152",
    "#2f3e8f": "#8f9df0",
}
"""Dark counterpart of every colour above."""


def plain_text(label: str) -> str:
    """A label that a user chose, so that plotly does not read it as markup."""
    return label.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def translucent(colour: str, opacity: float) -> str:
    """Colour with an alpha channel, opacity from 0 (clear) to 1."""
    return f"{colour}{round(opacity * 255):02x}"


def axis(title: str = "", **options: Any) -> dict[str, Any]:
    """Settings of one axis in the common look."""
    named = {"text": title, "font": {"color": MUTED, "size": 12}, "standoff": 8}
    return {
        **({"title": named} if title else {}),
        "tickmode": "auto",
        "gridcolor": GRID,
        "linecolor": GRID,
        "zeroline": False,
        "tickfont": {"color": MUTED, "size": 11},
        "automargin": True,
        **options,
    }


def figure(height: int, **layout: Any) -> go.Figure:
    """An empty figure in the common look, `height` pixels tall and as wide as its place."""
    return go.Figure(
        layout={
            "template": "none",
            "height": height,
            "autosize": True,
            "margin": {"l": 8, "r": 12, "t": 34, "b": 8},
            "font": {
                "family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
                "color": INK,
                "size": 12,
            },
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "hovermode": "x unified",
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": MUTED, "activecolor": STRATEGY},
            "legend": {
                "orientation": "h",
                "x": 0,
                "y": 1.0,
                "yanchor": "bottom",
                "font": {"color": INK, "size": 12},
            },
            **layout,
        }
    )
