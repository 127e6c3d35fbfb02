"""A run as a row of the leaderboard, from its files and from what its selection says of it."""

from pathlib import Path
from typing import Any

import numpy as np

from regimecast.core.files import read_json
from regimecast.core.types import REGIMES
from regimecast.evaluation.run_parts import is_fast_dev_run, part_names
from regimecast.evaluation.selection import Selection
from regimecast.tracking.folder import read_status

__all__ = ["BESIDE", "METRICS", "UNKNOWN", "leaderboard_row", "read_object"]

METRICS: dict[str, tuple[str, str, str]] = {
    "dsr": ("luck", "dsr", "max"),
    "psr": ("luck", "psr", "max"),
    "pbo": ("luck", "pbo", "min"),
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
"""Column: section of ``metrics.json`` (or of its ``trading``; ``luck`` is that of `Selection`), key
there, which end is better."""

BESIDE: dict[str, tuple[str, str]] = {
    "sharpe_low": ("sharpe_interval", "low"),
    "sharpe_high": ("sharpe_interval", "high"),
    "coverage_90": ("forecast", "test/coverage_90"),
    "coverage_80": ("forecast", "test/coverage_80"),
    **{
        f"{name}_{metric}": ("forecast", f"test/regime={name}/{metric}")
        for name in REGIMES
        for metric in ("crps", "log_loss", "coverage_90")
    },
}
"""Columns that stand beside those of `METRICS` and that nothing is ranked by."""

UNKNOWN = "unknown"

_PARTS = ("model", "loss", "weighting", "sampling", "split", "conformal", "seed")


def leaderboard_row(
    run: Path,
    folder: Path,
    manifest: dict[str, Any],
    config: dict[str, Any],
    label: str,
    chosen: Selection | None,
) -> dict[str, Any]:
    """The row of a run, whatever became of it.

    Args:
        run: its folder.
        folder: of all runs.
        manifest: content of its ``manifest.json``.
        config: content of its ``config.yaml``.
        label: its name in the selection.
        chosen: the selection that it is of, if of any.
    """
    metrics, problem = read_object(run / "metrics.json")
    status = _status(run, manifest, metrics)
    if problem and status == "finished":
        status = "broken"
    trading = _section(metrics, "trading")
    sections = {
        "forecast": _section(metrics, "forecast"),
        **{name: _section(trading, name) for name in ("strategy", "buy_and_hold", "naive")},
        "luck": _luck(chosen, label),
        "sharpe_interval": _interval(metrics, "sharpe"),
    }
    traded = _number(sections["strategy"].get("sharpe")) is not None
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
        "note": _text(manifest.get("error") or problem or _unknown(chosen, label, traded)),
        "prices": None if chosen is None else chosen.data,
        "trials": None if chosen is None else chosen.trials,
        "effective_trials": None if chosen is None else chosen.effective,
        "pbo_note": None if chosen is None or not traded else _no_pbo(chosen, label),
        "seconds": _number(metrics.get("seconds")),
        **{name: _number(sections[part].get(key)) for name, (part, key, _) in METRICS.items()},
        **{name: _number(sections[part].get(key)) for name, (part, key) in BESIDE.items()},
    }


def _interval(metrics: dict[str, Any], name: str) -> dict[str, Any]:
    """Ends of a trading figure's interval; nothing where it is not testable."""
    ends = _section(_section(metrics, "intervals"), "trading").get(name)
    return dict(zip(("low", "high"), ends, strict=True)) if isinstance(ends, list) else {}


def _luck(chosen: Selection | None, label: str) -> dict[str, Any]:
    """What a selection says about a run."""
    luck = None if chosen is None else chosen.runs.get(label)
    if chosen is None or luck is None:
        return {}
    pbo = None if chosen.pbo is None or label not in chosen.pbo_runs else chosen.pbo.pbo
    return {"dsr": luck.dsr, "psr": luck.psr, "pbo": pbo}


def _unknown(chosen: Selection | None, label: str, traded: bool) -> str | None:
    """Why a run that traded has no deflated Sharpe ratio, if it has none."""
    luck = None if chosen is None else chosen.runs.get(label)
    if luck is not None:
        return luck.note or None
    return "no returns, so that nothing is known about luck" if traded else None


def _no_pbo(chosen: Selection, label: str) -> str | None:
    """Why a run is in no PBO, if it is in none."""
    if label in chosen.pbo_runs:
        return None
    if chosen.pbo is not None:
        return "left out of PBO: of another calendar, or without usable returns"
    return next((said for said in chosen.problems if said.startswith("No PBO")), "No PBO.")


def _status(run: Path, manifest: dict[str, Any], metrics: dict[str, Any]) -> str:
    if manifest.get("status") == "running":
        return str(read_status(run))  # sees that it has died
    return str(manifest.get("status") or metrics.get("status") or UNKNOWN)


def read_object(path: Path) -> tuple[dict[str, Any], str | None]:
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
