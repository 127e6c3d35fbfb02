"""Imported by the server that a sweep's jobs are forked from: what each of them would do again.

Nothing here computes with torch or runs a parallel kernel: their threads do not survive a fork.
"""

import atexit
import gc

import pandera.backends.pandas.builtin_checks  # noqa: F401
import plotly.graph_objects as go
import pyarrow.dataset  # noqa: F401

import regimecast.experiment  # noqa: F401
from regimecast.report.html import packed_plotly

__all__: list[str] = []


def _drawn() -> None:
    """Makes plotly load what it loads with its first figure."""
    figure = go.Figure([go.Scatter(y=[0.0], line={"width": 1}, marker={"size": 1}), go.Bar(y=[0])])
    figure.update_layout(xaxis={"title": {"text": ""}}, yaxis={"title": {"text": ""}})
    figure.to_json()


_drawn()
packed_plotly()
# A job's collections then leave alone, and so do not copy, what it shares with the server.
gc.collect()
gc.freeze()
atexit.register(gc.unfreeze)
