"""A study's page: what its best run is worth, the leaderboard, and charts that follow a filter."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from regimecast.core.errors import DataError
from regimecast.evaluation.selection import Selection, select
from regimecast.report import (
    axes,
    board,
    by_regime,
    luck,
    ranking,
    seeds,
    significance,
    study_figures,
)
from regimecast.report.charts import Chart, script_json
from regimecast.report.numbers import percent, plain
from regimecast.report.palette import LINES, plain_text
from regimecast.report.ranking import Runs
from regimecast.report.run_files import RunFiles
from regimecast.report.search import search_charts
from regimecast.tracking.folder import run_folders

__all__ = ["page_content", "study_charts"]


_CHOSEN = 6
"""Runs whose equity is drawn at first."""

_FANS = 12
"""Runs whose paths can be looked at one by one."""

_DOTTED = 40
"""Runs whose Sharpe ratios over paths are drawn."""


def page_content(folder: Path) -> dict[str, Any]:
    """What ``multirun.html`` asks for.

    Args:
        folder: ``runs/<study>``.

    Raises:
        DataError: no run folder is in it.
    """
    found = {
        path.relative_to(folder).as_posix(): RunFiles.read(path, predictions=False, paths=False)
        for path in run_folders(folder)
    }
    if not found:
        raise DataError(f"{folder} holds no run folders")
    selections = select(
        {label: run.path for label, run in found.items()},
        manifests={label: run.manifest for label, run in found.items()},
        together=seeds.together(found),
    )
    verdicts = luck.verdicts(selections)
    runs = ranking.ranked(found, luck.deflated(verdicts))
    columns = board.columns(runs, verdicts)
    differing = axes.axes(runs)
    compared = by_regime.measures(runs)
    names = axes.short_names(runs, differing)
    chosen = [place for place, run in enumerate(runs.values()) if run.returns is not None][:_CHOSEN]
    return {
        "study": folder.resolve().name,
        "statuses": board.statuses(runs),
        "said": luck.said(runs, names, selections),
        "tiles": luck.tiles(runs, selections),
        "problems": luck.problems(selections, verdicts),
        "columns": columns,
        "sorting": board.sorting(runs, columns),
        "mixed": ranking.is_mixed(runs),
        "rows": [
            board.row(label, names[label], run, columns, verdicts.get(label))
            for label, run in runs.items()
        ],
        "seeds": seeds.over_seeds(runs, selections),
        "shared": axes.shared(runs),
        "axes": differing,
        "measures": compared,
        "places": list(dict.fromkeys(c for measure in compared for c in measure.columns)),
        "chosen": chosen,
        "significance": significance.read(folder, names),
        "data": script_json(_json(runs, names, differing, compared, chosen)),
        "charts": [
            *study_charts(runs, names, selections),
            *search_charts(runs, names, differing, {label: i for i, label in enumerate(runs)}),
        ],
    }


def study_charts(
    runs: Runs, names: Mapping[str, str], selections: Sequence[Selection]
) -> list[Chart]:
    """Equity of the runs, their Sharpe ratios beside luck, overfitting, and backtest paths.

    Args:
        runs: best first.
        names: short name by label.
        selections: that the runs were chosen in.
    """
    return [
        *_equity(runs, names),
        *(
            chart
            for index, one in enumerate(selections)
            for chart in _luck(runs, names, one, index)
        ),
        *_paths(runs),
    ]


def _equity(runs: Runs, names: Mapping[str, str]) -> list[Chart]:
    places = {label: place for place, label in enumerate(runs)}
    curves = {label: run.returns for label, run in runs.items() if run.returns is not None}
    if not curves:
        return []
    figure = study_figures.equity_overlay(curves)
    for trace, label in zip(figure.data, curves, strict=False):  # the last is buy and hold
        trace.update(name=plain_text(names[label]), meta={"run": places[label]})
    figure.update_layout(meta={"lines": list(LINES)})
    return [
        Chart(
            "equity",
            "Growth of 1",
            "Equity after costs of the runs ticked in the leaderboard, and buy and hold in the "
            "longest of all. Drag to zoom, double-click to see all.",
            figure,
            log_axis="yaxis",
        )
    ]


def _luck(runs: Runs, names: Mapping[str, str], selection: Selection, index: int) -> list[Chart]:
    labels = [
        label
        for label in runs
        if label in selection.runs and math.isfinite(selection.runs[label].sharpe)
    ]
    if not labels:
        return []
    places = {label: place for place, label in enumerate(runs)}
    bounds = [runs[label].interval("trading", "sharpe") for label in labels]
    lucky = plain(selection.expected_maximum)
    suffix = f"-{index}" if index else ""
    level = next((percent(v, 0) for k in labels if (v := runs[k].intervals.get("level"))), "")
    charts = [
        Chart(
            f"sharpe{suffix}",
            "Sharpe ratios, and what luck alone would show",
            (f"Each dot is a run with its {level} interval. " if level else "Each dot is a run. ")
            + f"The dashed line is what the best of {selection.effective:,} trials without any "
            "skill shows on average: what lies below it needs no skill to explain.",
            study_figures.sharpe_ratios(
                [names[label] for label in labels],
                np.array([selection.runs[label].sharpe for label in labels]),
                np.array([b if isinstance(b, tuple) else (math.nan, math.nan) for b in bounds]),
                lucky=lucky,
                places=[places[label] for label in labels],
            ),
        )
    ]
    if selection.pbo is not None:
        found = selection.pbo
        charts.append(
            Chart(
                f"pbo{suffix}",
                f"Probability of backtest overfitting: {percent(found.pbo)}",
                f"Time is cut into blocks; in each of {len(found.logits):,} ways to take half of "
                "them, the best run of that half is ranked on the other half. Below 0 it was worse "
                f"than the median run there. Of all {selection.pbo_choices} runs, seeds taken "
                "together, whatever the filter shows: the choice was among all of them.",
                study_figures.overfitting(found),
            )
        )
    return charts


def _paths(runs: Runs) -> list[Chart]:
    places = {label: place for place, label in enumerate(runs)}
    known = [label for label, run in runs.items() if run.path_sharpes]
    if not known:
        return []
    shown = known[:_DOTTED]
    names = axes.short_names(own := {k: runs[k] for k in known}, axes.axes(own))
    some = f" The first {len(shown)} of {len(known)} runs." if len(shown) < len(known) else ""
    charts = [
        Chart(
            "path-sharpes",
            "Sharpe ratio over the backtest paths",
            "Each combination of the split leaves out other stretches of time; together they make "
            "several histories. A row is a run, a dot one of its histories, the bar their median. "
            f"Histories share data and models: they are no independent trials.{some}",
            study_figures.path_sharpes(
                [names[label] for label in shown],
                [runs[label].path_sharpes for label in shown],
                [places[label] for label in shown],
            ),
        )
    ]
    read = {k: RunFiles.read(runs[k].path, predictions=False).paths for k in known[:_FANS]}
    drawn = {label: paths for label, paths in read.items() if paths is not None}
    if drawn:
        figure = None
        for label, paths in drawn.items():
            own = study_figures.path_fan(paths, points=300)
            own.update_traces(meta=names[label], visible=figure is None)
            figure = own if figure is None else figure.add_traces(own.data)
        assert figure is not None
        charts.append(
            Chart(
                "path-fan",
                "Backtest paths of one run",
                "Equity after costs along every path, their median and the band that holds four "
                "fifths of them at each time.",
                figure,
                log_axis="yaxis",
                choices=tuple(names[label] for label in drawn),
                of="Run",
                runs=tuple(places[label] for label in drawn),
            )
        )
    return charts


def _json(
    runs: Runs,
    names: Mapping[str, str],
    differing: Sequence[axes.Axis],
    compared: Sequence[by_regime.Measure],
    chosen: Sequence[int],
) -> str:
    """What the page's script filters, switches and draws by itself."""
    content = {
        "names": [names[label] for label in runs],
        "axes": [
            {
                "key": axis.key,
                "numeric": axis.numeric,
                "choices": axis.choices,
                "values": [axis.values[label] for label in runs],
            }
            for axis in differing
        ],
        "measures": {
            measure.key: {
                "title": measure.title,
                "better": measure.better,
                "columns": measure.columns,
                "values": measure.values,
                "texts": measure.texts,
                "counts": measure.counts,
                "shades": measure.shades,
            }
            for measure in compared
        },
        "chosen": chosen,
    }
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False)
