"""What the command line shows: tables of runs, studies, models and features."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from regimecast.core.errors import ConfigError, DataError, RegimecastError
from regimecast.core.terminal import console
from regimecast.core.types import Task
from regimecast.evaluation.comparable import read_config
from regimecast.evaluation.leaderboard import Leaderboard
from regimecast.evaluation.selection import Luck, Selection, select
from regimecast.evaluation.table_width import fitting, too_wide
from regimecast.tracking.folder import run_folders
from regimecast.tracking.study_table import track_table

__all__ = [
    "TOP",
    "show_features",
    "show_leaderboard",
    "show_metrics",
    "show_models",
    "show_run",
    "show_study",
    "show_trials",
    "write_report",
]

TOP = 50
"""Runs of each kind that a leaderboard shows where nobody says how many."""

_TRADING = (
    "sharpe", "sortino", "annual_return", "annual_volatility", "max_drawdown", "turnover",
    "exposure", "break_even_bps",
)  # fmt: skip

_BY_REGIME = (
    "regime", "n", "crps", "log_loss", "mae", "accuracy", "directional_accuracy", "macro_f1",
    "coverage_80", "pinball", "ic",
)  # fmt: skip
"""The most important first; a narrow terminal shows the first ones, the report has all."""

_TITLES = {"n": "steps", "naive": "naive rule", "directional_accuracy": "direction"}
"""Columns named otherwise than their key: ``naive`` is a rule here, not the model of that name."""


def show_run(folder: Path, metrics: Mapping[str, Any]) -> None:
    """Metrics of a finished run, how much of them may be luck, and where its report is."""
    show_metrics(metrics)
    for chosen in select({folder.name: folder}):
        for luck in chosen.runs.values():
            console().print(_worth(chosen, luck), highlight=False)
    console().print(f"report: {folder / 'report.html'}", soft_wrap=True, highlight=False)


def show_trials(folder: Path) -> None:
    """How many trials there are on the prices of a run."""
    for chosen in select({folder.name: folder}):
        console().print(chosen.sentence(), highlight=False)


def show_metrics(metrics: Mapping[str, Any]) -> None:
    """Forecast metrics, overall and per regime, and the backtest beside its benchmarks."""
    forecast = metrics["forecast"]
    overall = {k.removeprefix("test/"): v for k, v in forecast.items() if k.count("/") == 1}
    table = Table(title="forecast, out of sample", title_justify="left")
    for heading in ("metric", "value"):
        table.add_column(heading, justify="left" if heading == "metric" else "right")
    for key, value in overall.items():
        table.add_row("steps" if key == "n" else key, _text(value))
    console().print(table)
    if any(value for key, value in forecast.items() if "/regime=" in key and key.endswith("/n")):
        console().print(_regimes(forecast, console().width))
    if "conformal" in metrics:
        from regimecast.evaluation.conformal.coverage import coverage_table  # imports torch

        console().print(coverage_table(metrics["conformal"]))
    trading = metrics["trading"]
    if not trading:
        console().print("no backtest: the target does not say which way to trade")
        return
    table = Table(title="after costs, out of sample", title_justify="left")
    table.add_column("metric")
    for name in trading:
        table.add_column(_title(name), justify="right")
    for key in (k for k in _TRADING if k in trading["strategy"]):
        table.add_row(key, *(_text(section.get(key)) for section in trading.values()))
    console().print(table)
    gate = metrics["gate"]
    if gate.get("passed") is not None:
        console().print(f"gate {gate['profile']}: {'passed' if gate['passed'] else 'not passed'}")


def _worth(chosen: Selection, luck: Luck) -> str:
    """A run's Sharpe ratio among all trials on the same prices."""
    if luck.note:
        return f"{chosen.sentence()}; {luck.note}"
    return (
        f"{chosen.sentence()}: the best of these shows a Sharpe ratio of "
        f"{chosen.expected_maximum:.2f} by luck alone; probability that this run's is above that "
        f"(dsr): {luck.dsr:.1%}, above 0 (psr): {luck.psr:.1%}"
    )


def show_study(folder: Path) -> None:
    """Leaderboard and report of a study's runs."""
    from regimecast.report.html import write_multirun_report  # a leaderboard opens without

    try:
        board = Leaderboard.read(folder)
    except DataError:
        return  # no job came as far as a run folder; the errors are shown by the caller
    _show(board.folded())
    configs = (read_config(run) for run in run_folders(folder))
    track_table("leaderboard", board.frame, folder=folder, configs=configs)
    report = write_multirun_report(folder)
    console().print(f"report: {report}", soft_wrap=True, highlight=False)


def show_leaderboard(
    folder: Path,
    *,
    sort: str | None,
    top: int,
    unfold: bool,
    ledger: Path | None,
    output: Path | None,
) -> None:
    """Leaderboard of the runs below a folder, also written to a file where wanted.

    Raises:
        ConfigError: no run is to be shown, or there is no such metric.
        DataError: there are no runs, or no ledger where it was said to be.
    """
    if top < 1:
        raise ConfigError(f"--top {top}; allowed: 1 or more")
    if ledger is not None and not ledger.is_dir():
        raise DataError(f"--ledger {ledger} is not a folder")
    board = Leaderboard.read(folder, ledger=ledger)
    if not unfold:
        board = board.folded()
    if sort is not None:
        board = board.sort(sort)
    _show(board, top=top)
    if output is not None:
        board.write(output)


def write_report(folder: Path) -> Path:
    """Page of a run folder, or of a folder of run folders.

    Raises:
        DataError: neither.
    """
    from regimecast.report.html import write_multirun_report, write_run_report  # as above

    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder")
    if (folder / "manifest.json").exists():
        return write_run_report(folder)
    return write_multirun_report(folder)


_CAPABILITIES = ("fore", "class", "sharpe", "past", "known", "stat")


def show_models() -> None:
    """Every model with its capabilities."""
    from regimecast.models.base import ModelRegistry

    table = Table(title="models", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("name", no_wrap=True)
    for heading in _CAPABILITIES:
        table.add_column(heading, no_wrap=True, justify="center")
    table.add_column("what")
    for name in ModelRegistry.available():
        try:
            model = ModelRegistry.get(name)
        except (ImportError, RegimecastError) as error:  # a plug-in that does not load
            table.add_row(name, *[""] * len(_CAPABILITIES), f"cannot be loaded: {error}")
            continue
        can = model.capabilities
        able = (
            Task.FORECAST in can.tasks,
            Task.CLASSIFICATION in can.tasks,
            "positions" in can.kinds,
            can.past,
            can.known,
            can.static,
        )
        what = (model.__doc__ or "").strip().partition("\n")[0]
        table.add_row(name, *("yes" if ability else "-" for ability in able), what)
    console().print(table)
    console().print(
        "fore: forecasts a number; class: tells classes; sharpe: trains with loss=sharpe. "
        "All read the target's own past; past: also features of past bars; known: covariates "
        "known ahead; stat: static columns of an asset.",
        highlight=False,
    )


def show_features(chosen: str | None = None) -> None:
    """Every feature of the default config, or of a set or family by its name."""
    from regimecast.experiment import compose
    from regimecast.features.pipeline import FeaturePipeline

    if chosen is None:
        config = compose()
    elif re.fullmatch(r"\[?\w+(\s*,\s*\w+)*\]?", chosen):
        config = compose(f"features=[{chosen.strip('[]')}]")
    else:
        raise ConfigError(
            f"--set {chosen!r}; allowed: core, standard, full, a family, or several of them with "
            "commas between"
        )
    pipeline = FeaturePipeline(config["features"], missing=config["missing_features"])
    frame = pipeline.table()
    frame["version"] = frame["version"].str[:8]
    families = frame[["family", "parameters"]].drop_duplicates()
    title = f"{len(frame)} features, version {pipeline.version[:12]}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for heading in frame.columns.drop("parameters"):
        table.add_column(
            heading,
            justify="right" if heading in {"lookback", "lag"} else "left",
            no_wrap=heading in {"family", "name", "version", "lookback", "lag"},
        )
    for row in frame.drop(columns="parameters").itertuples(index=False):
        table.add_row(*(str(value) for value in row))
    console().print(table)
    console().print(
        "lookback: bars before t that are read; lag: bars from an input's being available to its "
        "use, to which the lag of its column is added; ahead: known before.",
        highlight=False,
    )
    table = Table(title="parameters", title_justify="left", box=box.SIMPLE_HEAD)
    for heading in families.columns:
        table.add_column(heading, no_wrap=heading == "family")
    for row in families.itertuples(index=False):
        table.add_row(*row)
    console().print(table)


def _show(board: Leaderboard, *, top: int = TOP) -> None:
    terminal = console()
    terminal.print(board.to_table(terminal.width, top=top))


def _regimes(forecast: Mapping[str, Any], width: int) -> Group:
    """Metrics by regime, one row per regime, and below it the names of those that do not fit."""
    rows: dict[str, dict[str, Any]] = {}
    for key, value in forecast.items():
        _, _, rest = key.partition("regime=")
        if rest:
            regime, _, metric = rest.partition("/")
            rows.setdefault(regime, {"regime": regime})[metric] = value
    known = {name for row in rows.values() for name in row}
    names = [name for name in _BY_REGIME if name in known]

    def build(shown: Sequence[str]) -> Table:
        table = Table(title="by regime known at the origin", title_justify="left")
        for name in shown:
            table.add_column(_title(name), justify="left" if name == "regime" else "right")
        for row in rows.values():
            table.add_row(*(_text(row.get(name)) for name in shown))
        return table

    shown = fitting(names, build, width)
    left_out = [_title(name) for name in names if name not in shown]
    below = [Text(too_wide(left_out, "in the report"), style="dim")] if left_out else []
    return Group(build(shown), *below)


def _title(name: str) -> str:
    return _TITLES.get(name, name.replace("_", " "))


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, int):
        return str(value)
    return f"{value:.5g}" if isinstance(value, float) else str(value)
