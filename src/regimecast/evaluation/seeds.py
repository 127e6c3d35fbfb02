"""Runs that differ in their seed only: one idea, looked at several times.

A seed is no choice that anybody would trade on: of five the best is luck. Such runs are therefore
one row: their number, their mean, an interval of that mean and the worst of them. The interval says
how far the seed moves a result; it knows nothing of the other markets that might have been.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from regimecast.core.hashing import hash_json
from regimecast.evaluation.leaderboard_row import BESIDE, METRICS
from regimecast.evaluation.luck import Luck

__all__ = [
    "LEVEL",
    "fold_seeds",
    "mean_interval",
    "seed_group",
    "seedless_name",
    "seeds_together",
]

LEVEL = 0.95
"""Of the interval of a mean."""

_ASIDE = frozenset({"seed", "runs", "ledger", "study", "tracker"})
"""Keys of a config that say which seed, or where a run is kept."""

_SEED = re.compile(r"(^|(?<=,))seed=[^,]*(,|$)")
_NUMBER = re.compile(r"^\d+_")


def seed_group(config: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """A name that finished runs share which differ in the seed only; empty for any other run.

    Args:
        config: content of a run's ``config.yaml``.
        manifest: content of its ``manifest.json``, which knows the prices it was judged on.
    """
    data = manifest.get("data")
    prices = data.get("fingerprint") if isinstance(data, Mapping) else None
    if manifest.get("status") != "finished" or "seed" not in config or not prices:
        return ""
    rest = {key: value for key, value in config.items() if key not in _ASIDE}
    return hash_json([rest, prices])


def seeds_together(
    labels: Sequence[str], configs: Sequence[Mapping[str, Any]], groups: Sequence[str]
) -> dict[str, list[str]]:
    """Labels of the runs of each group that has several seeds, of one that ran twice the last.

    Args:
        labels: of runs.
        configs: content of their ``config.yaml``.
        groups: their `seed_group`.
    """
    found: dict[str, dict[str, str]] = {}
    for label, config, group in zip(labels, configs, groups, strict=True):
        if group:
            found.setdefault(group, {})[str(config["seed"])] = label
    return {group: list(runs.values()) for group, runs in found.items() if len(runs) > 1}


def seedless_name(job: str) -> str:
    """Name of a job without its number and its seed, such as ``model=nhits``."""
    return _SEED.sub("", _NUMBER.sub("", job)).strip(",") or "defaults"


def mean_interval(values: Float[np.ndarray, " N"]) -> tuple[float, float]:
    """Ends of the interval of the mean, from Student's t with N - 1 degrees of freedom; N above 1.

    Student (1908), "The Probable Error of a Mean", Biometrika 6(1).
    """
    from scipy.special import stdtrit  # slow to import, and most leaderboards hold no seeds

    error = float(values.std(ddof=1)) / np.sqrt(len(values))
    reach = float(stdtrit(len(values) - 1, (1 + LEVEL) / 2)) * error
    mean = float(values.mean())
    return mean - reach, mean + reach


def fold_seeds(frame: pd.DataFrame, together: Mapping[str, Luck]) -> pd.DataFrame:
    """Rows of a leaderboard, those of one config and several seeds made one.

    Metrics are means over the seeds, and ``NAME_seed_low``, ``NAME_seed_high`` and
    ``NAME_seed_worst`` stand beside them; where a seed lacks a metric the row does. ``dsr`` and
    ``psr`` are those of the seeds' mean returns, see `mean_track`. Seconds are summed. Of a seed
    that ran twice the last run counts; what is not finished keeps a row of its own.

    Args:
        frame: a row per run, with the columns ``seed_group`` and ``seed``.
        together: what the mean returns of the seeds are worth, by group.
    """
    usable = (frame["status"] == "finished") & (frame["seed_group"] != "")
    rows: list[dict[str, Any]] = []
    folded: list[Any] = []
    for group, runs in frame[usable].groupby("seed_group", sort=False):
        own = runs.drop_duplicates("seed", keep="last")
        if len(own) > 1:
            rows.append(_row(own, together.get(str(group))))
            folded += list(runs.index)
    if not rows:
        return frame
    rest = frame.drop(index=folded)
    return pd.concat([rest, pd.DataFrame(rows)], ignore_index=True).astype(
        {name: kind for name, kind in frame.dtypes.items() if name != "seed"}
    )


def _row(runs: pd.DataFrame, together: Luck | None) -> dict[str, Any]:
    row: dict[str, Any] = dict(runs.iloc[0])
    for name in (*METRICS, *BESIDE):
        values = runs[name].to_numpy(np.float64)
        whole = bool(np.isfinite(values).all())
        row[name] = float(values.mean()) if whole else np.nan
        if whole and name in METRICS and METRICS[name][0] != "luck":
            low, high = mean_interval(values)
            worst = float(values.max() if METRICS[name][2] == "min" else values.min())
            row |= {
                f"{name}_seed_low": low,
                f"{name}_seed_high": high,
                f"{name}_seed_worst": worst,
            }
    row["sharpe_low"] = row["sharpe_high"] = np.nan  # of one run's returns
    for name in ("dsr", "psr"):
        row[name] = np.nan if together is None else getattr(together, name)
    gates = set(runs["gate"])
    row |= {
        "job": seedless_name(str(row["job"])),
        "seed": f"{len(runs)} seeds",
        "seeds": len(runs),
        "gate": gates.pop() if len(gates) == 1 else "failed",
        "note": None if together is None else together.note or None,
        "seconds": float(runs["seconds"].sum()),
    }
    return row
