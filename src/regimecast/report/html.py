"""Pages: `write_run_report` for one run, `write_multirun_report` for a study.

Design choices:
- One file, nothing fetched: plotly is packed into the page once, and the page's own policy forbids
  every request, so that a report can be mailed, archived and opened in ten years.
- Everything that a user named (jobs, overrides, assets, messages) is escaped by the template
  engine; scripts run only with the page's nonce, so that even a mistake there could not run code.
- A run that failed, or lost files, still gets a page that says so.
"""

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from regimecast.core.files import write_text
from regimecast.evaluation.selection import select
from regimecast.report import charts, forecast_charts, study, tables, tiles, verdicts
from regimecast.report.numbers import interval, metric_value
from regimecast.report.palette import DARK
from regimecast.report.run_files import RunFiles

__all__ = [
    "packed_plotly",
    "render_page",
    "run_figures",
    "write_multirun_report",
    "write_run_report",
]


def write_run_report(folder: Path) -> Path:
    """Path of ``report.html``, written into a run folder whatever the run's status.

    Args:
        folder: ``runs/<study>/<job>``.

    Raises:
        DataError: the folder holds nothing of a run.
    """
    run = RunFiles.read(folder)
    parts = _charts(run)
    trading, folds = tables.trading_table(run), tables.folds_table(run)
    regime_head, regime_rows = tables.regime_table(run)
    gate, events = verdicts.gate(run), verdicts.events(run)
    counted = "; ".join(chosen.sentence() for chosen in select({folder.name: folder}))
    filled = {
        "gate": gate.rules,
        "money": parts["money"] or trading,
        "forecasts": parts["forecasts"],
        "calibration": parts["calibration"] or run.conformal,
        "events": events,
        "regimes": parts["regimes"] or regime_rows,
        "training": parts["training"] or folds,
        "record": True,
    }
    text = render_page(
        "run.html",
        run=run,
        facts=tables.facts(run),
        warnings=tables.warnings(run),
        tiles=tiles.tiles(run, counted),
        gate=gate,
        conformal=verdicts.conformal(run),
        events=events,
        not_testable=verdicts.not_testable(run),
        trading=trading,
        folds=folds,
        regime_head=regime_head,
        regime_rows=regime_rows,
        several_assets=run.predictions is not None and run.predictions["asset"].nunique() > 1,
        sections=[name for name, content in filled.items() if content],
        metrics=[
            (key, metric_value(key, value), interval(key, run.interval("forecast", key)))
            for key, value in run.forecast.items()
        ],
        manifest=_readable(run.manifest),
        charts=[chart for part in parts.values() for chart in part],
        **parts,
    )
    write_text(folder / "report.html", text)
    return folder / "report.html"


def _readable(manifest: Mapping[str, Any]) -> str:
    """A manifest as text, without the hashes of columns and files, which are for programs."""
    if not manifest:
        return ""
    code = {k: v for k, v in (manifest.get("code") or {}).items() if k != "files"}
    shown = {k: v for k, v in {**manifest, "code": code}.items() if k != "parts"}
    return json.dumps(shown, indent=2, ensure_ascii=False)


def run_figures(folder: Path) -> dict[str, go.Figure]:
    """The figures of a run's report by name, for notebooks.

    Args:
        folder: ``runs/<study>/<job>``.

    Raises:
        DataError: the folder holds nothing of a run.
    """
    run = RunFiles.read(folder)
    return {chart.key: chart.figure for part in _charts(run).values() for chart in part}


def write_multirun_report(folder: Path) -> Path:
    """Path of ``report.html``, the leaderboard of every run in a study's folder, failed ones too.

    Args:
        folder: ``runs/<study>``; links lead to the reports that its runs have.

    Raises:
        DataError: no run folder is in it.
    """
    text = render_page("multirun.html", **study.page_content(folder))
    write_text(folder / "report.html", text)
    return folder / "report.html"


def _charts(run: RunFiles) -> dict[str, list[charts.Chart]]:
    """A run's charts by section."""
    return {
        "money": charts.money_charts(run),
        "forecasts": forecast_charts.forecast_charts(run),
        "calibration": forecast_charts.coverage_charts(run),
        "regimes": charts.regime_charts(run),
        "training": charts.training_charts(run),
    }


def render_page(template: str, **content: Any) -> str:
    """Html of a template with its content, complete in itself.

    Args:
        template: name of a file in ``report/templates`` that extends ``base.html``.
        content: what the template asks for; `charts` is always one of it, and may be empty.
    """
    environment = Environment(
        loader=PackageLoader("regimecast.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(template)
    content |= {
        "version": _version(),
        "dark_colours": charts.script_json(json.dumps(DARK)),
        "plotly": packed_plotly(),
    }
    # The nonce depends on everything in the page, so that nothing put into the page can know it,
    # and the same run gives the same bytes.
    nonce = hashlib.sha256(page.render(nonce="", **content).encode()).hexdigest()[:32]
    return page.render(nonce=nonce, **content) + "\n"


@cache
def packed_plotly() -> Markup:
    """plotly.js, compressed to a third: a study of a hundred runs holds it a hundred times."""
    packed = gzip.compress(get_plotlyjs().encode(), mtime=0)
    return Markup(base64.b64encode(packed).decode())  # noqa: S704  # base64 has no markup


def _version() -> str:
    try:
        return version("regimecast")
    except PackageNotFoundError:
        return "from a checkout"
