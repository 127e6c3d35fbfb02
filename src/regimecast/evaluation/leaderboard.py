"""Leaderboard: the runs of a study side by side, best first, unfinished ones named last."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Group

from regimecast.core.errors import ConfigError, DataError, did_you_mean
from regimecast.core.files import atomic_path, read_json, write_json
from regimecast.evaluation.comparable import Kind, kinds, parse_config
from regimecast.evaluation.leaderboard_table import leaderboard_table
from regimecast.evaluation.run_parts import is_fast_dev_run, part_names
from regimecast.tracking.folder import read_status, run_folders

__all__ = ["METRICS", "Leaderboard"]

METRICS: dict[str, tuple[str, str, str]] = {
    "crps": ("forecast", "test/crps", "min"),
    "pinball": ("forecast", "test/pinball", "min"),
    "mae": ("forecast", "test/mae", "min"),
    "mse": ("forecast", "test/mse", "min"),
    "log_loss": ("forecast", "test/log_loss", "min"),
    "accuracy": ("forecast", "test/accuracy", "max"),
    "macro_f1": ("forecast", "test/macro_f1", "max"),
    "brier": ("forecast", "test/brier", "min"),
    "directional_accuracy": ("forecast", "test/directional_accuracy", "max"),
    "ic": ("forecast", "test/ic", "max"),
    "rank_ic": ("forecast", "test/rank_ic", "max"),
    "crash_mae": ("forecast", "test/regime=crash/mae", "min"),
    "crash_accuracy": ("forecast", "test/regime=crash/accuracy", "max"),
    "crash_n": ("forecast", "test/regime=crash/n", "max"),
    "sharpe": ("strategy", "sharpe", "max"),
    "max_drawdown": ("strategy", "max_drawdown", "min"),
    "turnover": ("strategy", "turnover", "min"),
    "break_even_bps": ("strategy", "break_even_bps", "max"),
    "buy_and_hold_sharpe": ("buy_and_hold", "sharpe", "max"),
    "naive_sharpe": ("naive", "sharpe", "max"),
}
"""Column: section of ``metrics.json`` (or of its ``trading``), key there, which end is better."""

_DEFAULT_SORT = ("crps", "log_loss", "sharpe")
"""CRPS before pinball: runs of a sweep over losses have different levels, and the mean pinball loss
depends on which levels it is taken over, whereas a point forecast's CRPS is its absolute error."""

_UNKNOWN = "unknown"

_PARTS = ("model", "loss", "weighting", "sampling", "seed")

_KIND = ["task", "target", "data"]
"""Columns that say what a run forecasts; only runs that have the same in them are ranked."""


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """Runs as rows.

    `frame` has the columns study, job, task, target, data, model, loss, weighting, sampling, seed,
    fast_dev_run, status, gate, note, seconds, trials and those of `METRICS`; what a run does not
    have is missing. `target` and `data` name the settings too in which runs differ: runs are ranked
    within the same task, target and data. `fast_dev_run` says that a run trained for a batch only.
    `trials` is the number of jobs found: a Sharpe ratio picked from n jobs is the best of n draws
    and has to be read so.
    """

    frame: pd.DataFrame

    @classmethod
    def read(cls, folder: Path) -> "Leaderboard":
        """Leaderboard of every run below a folder, sorted by default (see `sort`).

        A run that is broken or not finished is listed with its status and what is wrong.

        Raises:
            DataError: there is no such folder, or no run below it.
        """
        if not folder.is_dir():
            raise DataError(f"{folder} is not a folder of runs")
        runs = run_folders(folder)
        configs = [_config(run) for run in runs]
        rows = [_row(run, folder, config) for run, config in zip(runs, configs, strict=True)]
        if not rows:
            raise DataError(f"{folder} holds no runs: no metrics.json or manifest.json below it")
        frame = pd.DataFrame(rows)
        found = kinds([row["task"] for row in rows], configs)
        frame["task"] = [kind.task or _UNKNOWN for kind in found]
        frame["target"] = [kind.target or None for kind in found]
        frame["data"] = [kind.data or None for kind in found]
        frame["trials"] = len(frame)
        numbers = [*METRICS, "seconds"]
        frame[numbers] = frame[numbers].astype(np.float64)
        return cls(frame).sort()

    def sort(self, metric: str | None = None) -> "Leaderboard":
        """The same runs, the best first within each task, target and data, unfinished ones last.

        Args:
            metric: column to sort by; by default CRPS for forecasts and log loss for classes, or
                the Sharpe ratio where runs have neither.

        Raises:
            ConfigError: unknown column.
        """
        if metric is not None and metric not in METRICS:
            raise ConfigError(
                f"cannot sort by {metric!r}.{did_you_mean(metric, METRICS)} "
                f"Allowed: {', '.join(METRICS)}"
            )
        groups = [
            _sorted(group, metric or _default_metric(group))
            for _, group in self.frame.groupby(_KIND, sort=True, dropna=False)
        ]
        return Leaderboard(pd.concat(groups, ignore_index=True))

    def to_table(self, width: int = 1000) -> Group:
        """One table per task, target and data, to be printed by rich.

        Args:
            width: characters in a line. The least important columns that do not fit are left out
                and named below the table, those without a value are left out, and what all jobs
                share is said below it too.
        """
        return Group(
            *(
                leaderboard_table(str(_kind(group)), group, width)
                for _, group in self.frame.groupby(_KIND, sort=False, dropna=False)
            )
        )

    def write(self, path: Path) -> None:
        """File of the suffix's format, ``.csv``, ``.json`` or ``.parquet``, written atomically.

        Raises:
            ConfigError: another suffix.
        """
        if path.suffix == ".json":
            missing = self.frame.astype(object).where(self.frame.notna(), None)
            write_json(path, missing.to_dict(orient="records"))
            return
        if path.suffix not in {".csv", ".parquet"}:
            raise ConfigError(f"cannot write {path.name!r}. Allowed: .csv, .json, .parquet")
        with atomic_path(path) as temporary:
            if path.suffix == ".csv":
                self.frame.to_csv(temporary, index=False)
            else:
                self.frame.to_parquet(temporary, index=False)


def _row(run: Path, folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    metrics, problem = _read(run / "metrics.json")
    manifest, _ = _read(run / "manifest.json")
    status = _status(run, manifest, metrics)
    if problem and status == "finished":
        status = "broken"
    trading = _section(metrics, "trading")
    sections = {
        "forecast": _section(metrics, "forecast"),
        **{name: _section(trading, name) for name in ("strategy", "buy_and_hold", "naive")},
    }
    return {
        "study": str(run.parent.relative_to(folder)) if run != folder else ".",
        "job": str(metrics.get("job") or manifest.get("job") or run.name),
        "task": str(metrics.get("task") or ""),
        "target": None,
        "data": None,
        **{name: "+".join(part_names(name, metrics, config)) or None for name in _PARTS},
        "fast_dev_run": is_fast_dev_run(config),
        "status": status,
        "gate": _gate(_section(metrics, "gate")),
        "note": _text(manifest.get("error") or problem),
        "seconds": _number(metrics.get("seconds")),
        **{name: _number(sections[part].get(key)) for name, (part, key, _) in METRICS.items()},
    }


def _config(run: Path) -> dict[str, Any]:
    try:
        return parse_config((run / "config.yaml").read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def _kind(group: pd.DataFrame) -> Kind:
    """What the runs of a group forecast."""
    return Kind(*(part if isinstance(part, str) else "" for part in group[_KIND].iloc[0]))


def _status(run: Path, manifest: dict[str, Any], metrics: dict[str, Any]) -> str:
    if "status" in manifest:
        return str(read_status(run))  # sees that a run which says running has died
    return str(metrics.get("status") or _UNKNOWN)


def _read(path: Path) -> tuple[dict[str, Any], str | None]:
    """Content of a json object and None, or nothing and what is wrong."""
    try:
        content = read_json(path)
    except FileNotFoundError:
        return {}, f"no {path.name}"
    except (OSError, ValueError) as error:
        return {}, f"{path.name}: {error}"
    if not isinstance(content, dict):
        return {}, f"{path.name} is no json object"
    return content, None


def _section(content: dict[str, Any], name: str) -> dict[str, Any]:
    section = content.get(name)
    return section if isinstance(section, dict) else {}


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else None


def _gate(section: dict[str, Any]) -> str | None:
    passed = section.get("passed")
    return None if passed is None else ("passed" if passed else "failed")


def _default_metric(group: pd.DataFrame) -> str:
    return next((name for name in _DEFAULT_SORT if group[name].notna().any()), _DEFAULT_SORT[0])


def _sorted(group: pd.DataFrame, metric: str) -> pd.DataFrame:
    value = group[metric] if METRICS[metric][2] == "min" else -group[metric]
    keys = pd.DataFrame({"open": group["status"] != "finished", "value": value})
    return group.loc[keys.sort_values(["open", "value"], kind="stable", na_position="last").index]
