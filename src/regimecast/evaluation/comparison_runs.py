"""Runs read back for a comparison: their losses per sample and their returns, on one calendar."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from regimecast.core.errors import DataError, RegimecastError
from regimecast.core.files import read_json
from regimecast.evaluation.comparable import Kind, kinds, parse_config
from regimecast.evaluation.predictions import read_predictions
from regimecast.evaluation.row_scores import row_scores
from regimecast.evaluation.run_parts import part_names
from regimecast.tracking.folder import read_status

__all__ = ["LOSSES", "ComparedRun", "Losses", "by_time", "common", "read_runs"]

LOSSES = {
    "crps": 1, "log_loss": 1, "mae": 1, "mse": 1, "brier": 1, "directional_accuracy": -1,
    "accuracy": -1,
}  # fmt: skip
"""Metrics that are compared, and -1 where more is better. Pinball is not among them: it depends on
which levels it is taken over, in which runs may differ."""

_TOO_FEW = 32
"""Samples in common below which a run is left out of its kind's calendar."""
_SERIES = ("strategy", "buy_and_hold", "naive")


@dataclass(frozen=True, eq=False)
class Losses:
    """Scores per sample, by asset and origin; folds that forecast a sample twice are averaged."""

    table: pd.DataFrame
    """Index (origin, asset), ascending; a column per metric in its own terms, and ``regime``."""
    horizon: int


@dataclass(frozen=True, eq=False)
class ComparedRun:
    """What one run brings to a comparison."""

    label: str
    kind: Kind
    model: str
    losses: Losses
    returns: pd.DataFrame | None
    """Index time, ascending; net returns of the strategy and its benchmarks, and ``regime``."""
    note: str = ""
    """Why there are no returns."""


def read_runs(runs: Mapping[str, Path]) -> tuple[list[ComparedRun], dict[str, str]]:
    """Runs that can be compared, and why the others cannot.

    Args:
        runs: run folders by label.
    """
    read: dict[str, tuple[dict[str, Any], dict[str, Any], Losses]] = {}
    left_out: dict[str, str] = {}
    for label, folder in runs.items():
        try:
            status = read_status(folder)
            if status != "finished":
                left_out[label] = _reason(folder, status)
                continue
            metrics = read_json(folder / "metrics.json")
            config = parse_config((folder / "config.yaml").read_text("utf-8"))
            read[label] = (metrics, config, _losses(folder / "predictions.parquet"))
        except (OSError, ValueError, KeyError, TypeError, RegimecastError) as error:
            left_out[label] = f"cannot be read: {error}"
    found = kinds(
        [str(metrics.get("task") or "") for metrics, _, _ in read.values()],
        [config for _, config, _ in read.values()],
    )
    compared = []
    for (label, (metrics, config, losses)), kind in zip(read.items(), found, strict=True):
        returns, note = _returns(runs[label] / "returns.parquet")
        model = "+".join(part_names("model", metrics, config))
        compared.append(ComparedRun(label, kind, model, losses, returns, note))
    return compared, left_out


def common(calendars: Mapping[str, pd.Index]) -> tuple[pd.Index, dict[str, str]]:
    """What calendars have in common, and which of them had to be left out for it to be something.

    It starts from the calendar that most have; then whatever shares most with it is cut to it, and
    what shares fewer than 32 entries is left out.

    Args:
        calendars: sorted and without repeats, by label.
    """
    same = Counter(_digest(index) for index in calendars.values())
    order = sorted(
        calendars,
        key=lambda label: (-same[_digest(calendars[label])], -len(calendars[label]), label),
    )
    shared, left_out = calendars[order[0]], {}
    for label in sorted(order[1:], key=lambda name: -len(shared.intersection(calendars[name]))):
        kept = shared.intersection(calendars[label])
        if len(kept) < min(_TOO_FEW, len(shared)):
            left_out[label] = f"{len(kept)} samples in common with the other runs"
        else:
            shared = kept
    return shared.sort_values(), left_out


def _digest(index: pd.Index) -> tuple[int, int]:
    """The same for the same calendar."""
    return len(index), int(pd.util.hash_pandas_object(index.to_frame(), index=False).sum())


def _reason(folder: Path, status: str) -> str:
    manifest = read_json(folder / "manifest.json")
    said = manifest.get("error")
    return f"{status}: {said}" if said else status


def _losses(path: Path) -> Losses:
    forecast, outcomes = read_predictions(path)
    scores = row_scores(forecast, outcomes)
    wanted = [name for name in scores.metrics if name in LOSSES]
    names = np.asarray(forecast.assets, dtype=object)[forecast.asset]
    sums = pd.DataFrame({"origin": forecast.origin, "asset": names})
    for name in wanted:
        column = scores.metrics.index(name)
        sums[f"{name}/total"] = scores.total[:, column]
        sums[f"{name}/count"] = scores.count[:, column]
    sums["regime"] = outcomes.regime.astype(np.int64)
    groups = sums.groupby(["origin", "asset"], sort=True)
    table = groups.sum()
    for name in wanted:
        count = table[f"{name}/count"]
        table[name] = (table[f"{name}/total"] / count.where(count > 0)).astype(np.float64)
    table["regime"] = groups["regime"].first()
    table = table[[*wanted, "regime"]].dropna(how="all", subset=wanted)
    if table.empty:
        raise DataError(f"{path} holds no forecast whose outcome is known")
    return Losses(table, forecast.horizon)


def _returns(path: Path) -> tuple[pd.DataFrame | None, str]:
    try:
        frame = pd.read_parquet(path, columns=["time", "regime", *_SERIES]).set_index("time")
    except FileNotFoundError:
        return None, "it has no returns"
    except (OSError, ValueError, KeyError) as error:
        return None, f"its returns cannot be read: {error}"
    if not np.isfinite(frame[list(_SERIES)].to_numpy()).all():
        return None, "its returns hold NaN or infinity"
    if frame.index.has_duplicates:
        return None, "its returns have a time twice"
    return frame.sort_index(), ""


def by_time(
    tables: Sequence[pd.DataFrame], metric: str, rows: Bool[np.ndarray, " N"]
) -> tuple[Float[np.ndarray, "T K"], Int[np.ndarray, " T"]]:
    """Losses of a metric averaged over the assets of each origin, and which origins these are.

    Args:
        tables: `Losses.table` of each run, of the same samples.
        metric: one of `LOSSES`; of those of which more is better, 1 less the metric.
        rows: which of the samples to take.
    """
    columns = np.stack([table[metric].to_numpy() for table in tables], axis=1)
    kept = rows & np.isfinite(columns).all(axis=1)
    origin = tables[0].index.get_level_values("origin").to_numpy()
    _, time = np.unique(origin, return_inverse=True)
    n = np.bincount(time[kept], minlength=int(time.max(initial=-1)) + 1)
    loss = columns[kept] if LOSSES[metric] > 0 else 1 - columns[kept]
    present = np.flatnonzero(n)
    sums = np.stack([np.bincount(time[kept], column, len(n)) for column in loss.T], axis=1)
    return sums[present] / n[present, None], present
