"""Leaderboard: the runs of a study side by side, best first, unfinished ones named last."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Group

from regimecast.core.errors import ConfigError, DataError, did_you_mean
from regimecast.core.frames import write_frame
from regimecast.evaluation.comparable import Kind, kinds, read_config
from regimecast.evaluation.leaderboard_row import (
    BESIDE,
    METRICS,
    UNKNOWN,
    leaderboard_row,
    read_object,
)
from regimecast.evaluation.leaderboard_table import leaderboard_table
from regimecast.evaluation.seeds import fold_seeds, seed_group, seeds_together
from regimecast.evaluation.selection import Selection, select
from regimecast.tracking.folder import run_folders

__all__ = ["Leaderboard"]

_DEFAULT_SORT = ("dsr", "crps", "log_loss", "sharpe")
"""What is left of the Sharpe ratio first, where anything is traded. CRPS before pinball: runs of a
sweep over losses have different levels, and the mean pinball loss depends on which levels it is
taken over, whereas a point forecast's CRPS is its absolute error."""

_LUCK = ("dsr", "psr", "pbo")
"""Metrics that are the same for many runs; the Sharpe ratio breaks ties."""

_KIND = ["task", "target", "data"]
"""Columns that say what a run forecasts; only runs that have the same in them are ranked."""


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """Runs as rows.

    `frame` has the columns study, job, task, target, data, model, loss, weighting, sampling, split,
    conformal, seed, fast_dev_run, status, gate, note, seconds, prices, trials, effective_trials,
    pbo_note, seed_group, seeds and those of `METRICS` and `BESIDE`; what a run does not have is
    missing. `target` and `data` name the settings too in which runs differ: runs are ranked within
    the same task, target and data. `fast_dev_run` says that a run trained for a batch only. A
    Sharpe ratio picked from n trials is the best of n draws and has to be read so: `trials` are all
    those on the same `prices`, a fingerprint, and `effective_trials` the different ones among them;
    see `Selection`. Where a run has a Sharpe ratio and no DSR, or no PBO, `note` and `pbo_note` say
    why. Runs with the same `seed_group` differ in their seed only: `folded` makes them one row.
    """

    frame: pd.DataFrame
    selections: tuple[Selection, ...] = ()
    """One for each set of prices, in no order."""

    @classmethod
    def read(cls, folder: Path, *, ledger: Path | None = None) -> "Leaderboard":
        """Leaderboard of every run below a folder, sorted by default (see `sort`).

        A run that is broken or not finished is listed with its status and what is wrong.

        Args:
            folder: of a study, of several, or of a run.
            ledger: where trials are counted; what each run says where left out.

        Raises:
            DataError: there is no such folder, or no run below it.
        """
        if not folder.is_dir():
            raise DataError(f"{folder} is not a folder of runs")
        runs = run_folders(folder)
        configs = [read_config(run) for run in runs]
        labels = [run.relative_to(folder).as_posix() for run in runs]
        manifests = [read_object(run / "manifest.json")[0] for run in runs]
        groups = [seed_group(c, m) for c, m in zip(configs, manifests, strict=True)]
        selections = select(
            dict(zip(labels, runs, strict=True)),
            ledger=ledger,
            manifests=dict(zip(labels, manifests, strict=True)),
            together=seeds_together(labels, configs, groups),
        )
        places = {label: chosen for chosen in selections for label in chosen.members}
        rows = [
            leaderboard_row(run, folder, manifest, config, label, places.get(label))
            for run, manifest, config, label in zip(runs, manifests, configs, labels, strict=True)
        ]
        if not rows:
            raise DataError(f"{folder} holds no runs: no metrics.json or manifest.json below it")
        frame = pd.DataFrame(rows).assign(seed_group=groups, seeds=1)
        found = kinds([row["task"] for row in rows], configs)
        frame["task"] = [kind.task or UNKNOWN for kind in found]
        frame["target"] = [kind.target or None for kind in found]
        frame["data"] = [kind.data or None for kind in found]
        numbers, counts = [*METRICS, *BESIDE, "seconds"], ["trials", "effective_trials"]
        frame[numbers] = frame[numbers].astype(np.float64)
        frame[counts] = frame[counts].astype("Int64")
        return cls(frame, tuple(selections)).sort()

    def folded(self) -> "Leaderboard":
        """The same runs, those that differ in the seed only as one row; see `fold_seeds`."""
        together = {k: luck for one in self.selections for k, luck in one.groups.items()}
        return replace(self, frame=fold_seeds(self.frame, together)).sort()

    def sort(self, metric: str | None = None) -> "Leaderboard":
        """The same runs, the best first within each task, target and data, unfinished ones last.

        Args:
            metric: column to sort by; by default the deflated Sharpe ratio where runs trade, else
                CRPS for forecasts and log loss for classes.

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
        return replace(self, frame=pd.concat(groups, ignore_index=True))

    def to_table(self, width: int = 1000, *, top: int | None = None) -> Group:
        """One table per task, target and data, to be printed by rich.

        Args:
            width: characters in a line. The least important columns that do not fit are left out
                and named below the table, those without a value are left out, and what all jobs
                share is said below it too.
            top: rows of each table, the first ones; all of them where left out.
        """
        return Group(
            *(
                leaderboard_table(
                    str(_kind(group)),
                    group,
                    self._chosen(group),
                    jobs=int(self.frame["seeds"].sum()),
                    width=width,
                    top=top,
                )
                for _, group in self.frame.groupby(_KIND, sort=False, dropna=False)
            )
        )

    def write(self, path: Path) -> None:
        """File of the suffix's format, ``.csv``, ``.json`` or ``.parquet``, written atomically.

        Raises:
            ConfigError: another suffix.
        """
        write_frame(self.frame, path)

    def _chosen(self, group: pd.DataFrame) -> list[Selection]:
        """Selections that rows are of."""
        return [chosen for chosen in self.selections if (group["prices"] == chosen.data).any()]


def _kind(group: pd.DataFrame) -> Kind:
    """What the runs of a group forecast."""
    return Kind(*(part if isinstance(part, str) else "" for part in group[_KIND].iloc[0]))


def _default_metric(group: pd.DataFrame) -> str:
    return next((name for name in _DEFAULT_SORT if group[name].notna().any()), _DEFAULT_SORT[0])


def _sorted(group: pd.DataFrame, metric: str) -> pd.DataFrame:
    value = group[metric] if METRICS[metric][2] == "min" else -group[metric]
    keys = pd.DataFrame(
        {"open": group["status"] != "finished", "value": value, "sharpe": -group["sharpe"]}
    )
    by = ["open", "value", *(["sharpe"] if metric in _LUCK else [])]
    return group.loc[keys.sort_values(by, kind="stable", na_position="last").index]
