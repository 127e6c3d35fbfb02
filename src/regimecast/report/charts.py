"""A run's charts, each with its title, the sentence that says how to read it, and its controls."""

import json
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import plotly.graph_objects as go
from markupsafe import Markup

from regimecast.core.types import REGIMES
from regimecast.report import figures, metric_figures, study_figures
from regimecast.report.numbers import bars, fixed, headline, metric_title, plain
from regimecast.report.run_files import RunFiles

__all__ = [
    "ERRORS",
    "Chart",
    "money_charts",
    "regime_charts",
    "script_json",
    "training_charts",
]

ERRORS = ("crps", "log_loss", "pinball", "mae", "brier", "rmse")
"""Forecast errors, lower is better, in the order in which a page prefers them.

CRPS comes first because runs with different quantile levels can be compared by it.
"""

_METRICS = 3
"""Errors shown by regime as charts; the table holds all of them."""

_REPEATED = 200
"""Characters of an array from which it is worth keeping once for all traces that have it."""


@dataclass(frozen=True)
class Chart:
    """A figure on a page."""

    key: str
    """Identifier in the page, such as ``equity``."""
    title: str
    caption: str
    figure: go.Figure
    log_axis: str = ""
    """Axis that a button may make logarithmic."""
    choices: tuple[str, ...] = ()
    """Names to choose from; the traces whose ``meta`` is the chosen one are shown."""
    of: str = "Asset"
    """What the choices are."""
    runs: tuple[int, ...] = ()
    """On a study's page, whose choice each is, by position in the leaderboard."""
    small: bool = False
    """Whether several of its kind stand side by side."""

    @property
    def group(self) -> str:
        """First word of the key, which charts of one section share."""
        return self.key.partition("-")[0]

    @cached_property
    def json(self) -> Markup:
        """The figure as json that cannot end the script element it stands in."""
        return script_json(_packed(json.loads(str(self.figure.to_json()))))

    @property
    def follows(self) -> str:
        """``runs`` where a study's filter reaches it, see `study_figures`."""
        metas = [trace.meta for trace in self.figure.data]
        return "runs" if self.runs or any(isinstance(meta, dict) for meta in metas) else ""

    @property
    def height(self) -> int:
        """Pixels to keep free before the chart is drawn."""
        return int(self.figure.layout.height)


def money_charts(run: RunFiles) -> list[Chart]:
    """Equity after costs with drawdown, and the other backtest paths where there are any."""
    if run.returns is None:
        return []
    found = [
        Chart(
            "equity",
            "Equity after costs, and drawdown",
            "Each line is the growth of 1 invested at the first out-of-sample bar; below it, the "
            "loss since the highest point so far; the background is the regime known at the time. "
            "Drag to zoom, double-click to see all.",
            figures.equity(run.returns),
            log_axis="yaxis2",
        )
    ]
    if run.paths is not None and run.path_sharpes:
        sharpes = sorted(run.path_sharpes)
        found.append(
            Chart(
                "paths",
                f"{len(sharpes)} backtest paths",
                "Each combination of the split leaves out other stretches of time; together they "
                f"make {bars(len(sharpes))} histories. Sharpe ratios from {fixed(sharpes[0])} to "
                f"{fixed(sharpes[-1])}; returns on this page are those of the path with the median "
                "one, and forecasts those of all paths.",
                study_figures.path_fan(run.paths),
                log_axis="yaxis",
            )
        )
    return found


def regime_charts(run: RunFiles) -> list[Chart]:
    """Timeline of the regimes, and the main forecast metrics by regime."""
    charts = []
    if run.returns is not None:
        charts.append(
            Chart(
                "regimes",
                "Regime timeline",
                "Each block is an unbroken stretch of one regime as it was known at the time; the "
                "percentage is its share of all bars.",
                figures.regime_timeline(run.returns),
            )
        )
    counts = {name: int(n) for name, value in run.by_regime("n").items() if (n := plain(value))}
    for metric in ERRORS:
        values = {
            name: finite
            for name, value in run.by_regime(metric).items()
            if name in REGIMES and (finite := plain(value)) is not None
        }
        if values:
            overall = plain(run.forecast.get(f"test/{metric}"))
            charts.append(
                Chart(
                    f"regime-{metric}",
                    f"{headline(metric_title(metric))} by regime",
                    "Measured on the test forecasts made in each regime, and on all of them; n is "
                    "the number of forecast steps, lower is better.",
                    metric_figures.metric_by_regime(values, counts, overall, metric_title(metric)),
                    small=True,
                )
            )
    return charts[: 1 + _METRICS]


def training_charts(run: RunFiles) -> list[Chart]:
    """Loss by epoch and fold."""
    figure = metric_figures.training_curves(run.folds)
    if figure is None:
        return []
    return [
        Chart(
            "training",
            "Training curves",
            "Dotted lines are the training loss, solid lines the validation loss, a colour per "
            "fold; the diamond is the epoch whose weights were kept.",
            figure,
        )
    ]


def script_json(text: str) -> Markup:
    """Json made safe to stand inside a script element: nothing in it can close the element."""
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704  # the characters that HTML reads are escaped above


def _packed(content: dict[str, Any]) -> str:
    """Json of a figure that holds an array of several traces, such as their times, only once.

    ``{"shared": 3}`` stands for the array at that position of ``shared``.
    """
    places = [(trace, key) for trace in content["data"] for key in ("x", "y", "customdata")]
    texts = {
        (id(trace), key): json.dumps(trace[key], separators=(",", ":"))
        for trace, key in places
        if key in trace
    }
    count = Counter(text for text in texts.values() if len(text) > _REPEATED)
    shared = {text: place for place, text in enumerate(t for t, n in count.items() if n > 1)}
    for trace, key in places:
        if (place := shared.get(texts.get((id(trace), key), ""))) is not None:
            trace[key] = {"shared": place}
    content["shared"] = [json.loads(text) for text in shared]
    return json.dumps(content, separators=(",", ":"))
