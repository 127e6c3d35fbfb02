"""Ledgers, runs and returns made by hand."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from regimecast.evaluation.track import Track
from regimecast.tracking.ledger import Ledger, Trial

PRICES = "a" * 64


def days(number: int, start: str = "2020-01-01") -> np.ndarray:
    return np.datetime64(start, "ns") + np.arange(number) * np.timedelta64(1, "D")


def track(returns: np.ndarray, start: str = "2020-01-01") -> Track:
    return Track(days(len(returns), start), np.asarray(returns, dtype=np.float64))


def noise(number: int, seed: int, drift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(drift, 0.01, size=number)


def record(ledger: Ledger, name: str, returns: np.ndarray | None, **changes: object) -> None:
    """A trial of the ledger, without returns where it has none."""
    none = returns is None
    values = np.empty(0) if returns is None else np.asarray(returns, dtype=np.float64)
    given: dict[str, object] = {
        "trial": name,
        "status": "failed" if none else "finished",
        "study": "earlier",
        "job": f"job_{name}",
        "config": {"seed": 0},
        "data": PRICES,
        "commit": None,
        "split": "holdout",
        "metrics": {} if none else {"trading": {"strategy": {"sharpe": 1.0, "n_bars": 9}}},
        "bars_per_year": 252.0,
        "time": days(len(values)),
        "returns": values,
    }
    ledger.append(Trial(**{**given, **changes}))  # type: ignore[arg-type]  # as above


def run(
    folder: Path,
    name: str,
    returns: np.ndarray | None,
    *,
    ledger: Path | None = None,
    prices: str = PRICES,
    start: str = "2020-01-01",
    status: str = "finished",
    crps: float | None = None,
) -> Path:
    """A run folder as a job leaves it, counted in a ledger where one is given."""
    path = folder / name
    path.mkdir(parents=True)
    manifest: dict[str, object] = {"status": status, "job": name}
    if prices:
        manifest["data"] = {"fingerprint": prices, "spec": {"bars_per_year": 252.0}}
    if ledger is not None:
        manifest["trial"] = {"id": name, "ledger": str(ledger)}
    (path / "manifest.json").write_text(json.dumps(manifest))
    if returns is None:
        return path
    sharpe = None
    if np.isfinite(returns).all() and returns.std() > 1e-12:
        sharpe = float(returns.mean() / returns.std(ddof=1) * np.sqrt(252))
    metrics = {
        "task": "forecast",
        "forecast": {"test/crps": crps},
        "trading": {"strategy": {"sharpe": sharpe, "bars_per_year": 252.0}},
    }
    (path / "metrics.json").write_text(json.dumps(metrics))
    frame = pd.DataFrame({"time": days(len(returns), start), "strategy": returns})
    frame.to_parquet(path / "returns.parquet")
    return path
