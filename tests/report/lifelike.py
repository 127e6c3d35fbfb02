"""Run folders as an experiment leaves them, with made-up but lifelike content."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from regimecast.core.types import REGIMES

MakeRun = Callable[..., Path]
QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)


def write_run(
    folder: Path,
    *,
    kind: str = "quantiles",
    bars: int = 700,
    assets: tuple[str, ...] = ("SPX",),
    horizon: int = 5,
    folds: int = 3,
    skill: float = 0.02,
    seed: int = 0,
    status: str = "finished",
    label: str | None = None,
    overrides: tuple[str, ...] = ("model=nhits", "weighting=regime"),
) -> Path:
    """Writes a whole run; `skill` is the share of the next return that the strategy sees."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    time = pd.bdate_range("2004-01-05", periods=bars + horizon).to_numpy()
    regime = _regimes(bars + horizon, np.random.default_rng(19))
    volatility = np.array([0.006, 0.009, 0.016, 0.032, 0.014])[regime]
    drift = np.array([0.0006, 0.0004, 0.0, -0.004, 0.002])[regime]
    market = drift + volatility * np.random.default_rng(7).standard_t(5, bars + horizon) / 1.3
    returns = _returns(time[:bars], market[:bars], regime[:bars], skill, rng)
    predictions = pd.concat(
        _predictions(kind, asset, time, market, volatility, regime, horizon, folds, rng)
        for asset in assets
    )
    returns.to_parquet(folder / "returns.parquet")
    predictions.to_parquet(folder / "predictions.parquet")
    (folder / "config.yaml").write_text("model:\n  name: nhits\n  layers: 2\nseed: 1\n")
    (folder / "train.log").write_text("epoch 1\nepoch 2\n")
    manifest = {
        "status": status,
        "data": {"fingerprint": "5eed"},
        "code": {"commit": "abc123", "diff": ""},
        "environment": {"packages": {"torch": "2.13.0"}},
        "preflight": [
            {
                "fold": fold,
                "part": part,
                "first": "2003-01-02",
                "last": f"{2004 + fold}-12-30",
                "purged": purged,
            }
            for fold in range(folds)
            for part, purged in {"train": 7, "validation": 5, "test": 0}.items()
        ],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    metrics = {
        "job": label or folder.name,
        "status": status,
        "overrides": list(overrides),
        "model": "nhits",
        "loss": {"quantiles": "quantile", "probabilities": "cross_entropy"}.get(kind, "sharpe"),
        "weighting": ["regime", "recency"],
        "task": "classification" if kind == "probabilities" else "forecast",
        "forecast": _forecast_metrics(kind, predictions, horizon),
        "trading": {
            name: trading_metrics(returns[column], returns)
            for name, column in (
                ("strategy", "strategy"),
                ("buy_and_hold", "buy_and_hold"),
                ("naive", "naive"),
            )
        },
        "gate": {
            "profile": "research",
            "passed": False,
            "rules": [
                {
                    "metric": "sharpe",
                    "rule": "above 0.8",
                    "value": 0.61,
                    "passed": False,
                    "reason": "sharpe is 0.61, the rule is above 0.8",
                },
                {
                    "metric": "max_drawdown",
                    "rule": "below 0.3",
                    "value": 0.21,
                    "passed": True,
                    "reason": None,
                },
            ],
        },
        "folds": [_fold(fold, rng) for fold in range(folds)],
        "seconds": 187.3,
    }
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


def write_failed_run(folder: Path, error: str = "ConfigError: model.layers=-1") -> Path:
    """A run that ended with an error before it trained anything."""
    folder.mkdir(parents=True)
    manifest = {"status": "failed", "error": error}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "config.yaml").write_text("model:\n  name: nhits\n")
    (folder / "train.log").write_text("before the end\n" + error + "\n")
    return folder


def _regimes(bars: int, rng: np.random.Generator) -> np.ndarray:
    stay = np.array([0.985, 0.985, 0.97, 0.95, 0.95])
    leave = [
        [0, 1, 0, 0, 0],
        [0.5, 0, 0.5, 0, 0],
        [0, 0.7, 0, 0.3, 0],
        [0, 0, 0, 0, 1],
        [0, 1, 0, 0, 0],
    ]
    code = np.empty(bars, dtype=np.int8)
    code[0] = 1
    for t in range(1, bars):
        before = int(code[t - 1])
        code[t] = before if rng.random() < stay[before] else rng.choice(5, p=leave[before])
    return code


def _returns(
    time: np.ndarray, market: np.ndarray, regime: np.ndarray, skill: float, rng: np.random.Generator
) -> pd.DataFrame:
    position = np.clip(
        0.5 + skill * market / market.std() + 0.4 * rng.normal(size=len(market)), -1, 1
    )
    turnover = np.abs(np.diff(position, prepend=0.0))
    gross = position * market
    return pd.DataFrame(
        {
            "time": time,
            "strategy": gross - 2e-4 * turnover,
            "gross": gross,
            "turnover": turnover,
            "exposure": np.abs(position),
            "regime": regime,
            "buy_and_hold": market,
            "naive": market * np.sign(np.roll(market, 1)) - 4e-4,
        }
    )


def _predictions(
    kind: str,
    asset: str,
    time: np.ndarray,
    market: np.ndarray,
    volatility: np.ndarray,
    regime: np.ndarray,
    horizon: int,
    folds: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    n, steps = len(market) - horizon, 1 if kind == "probabilities" else horizon
    parts = []
    for step in range(1, steps + 1):
        actual = np.array([market[t + 1 : t + 1 + step].sum() for t in range(n)])
        frame = pd.DataFrame(
            {
                "fold": np.arange(n) * folds // n,
                "asset": asset,
                "origin": time[:n],
                "step": step,
                "regime": regime[:n],
                "actual": actual,
            }
        )
        spread = volatility[:n] * math.sqrt(step)
        if kind == "quantiles":
            for level in QUANTILES:
                z = {0.05: -1.64, 0.1: -1.28, 0.25: -0.67, 0.5: 0.0}.get(
                    min(level, round(1 - level, 2))
                )
                assert z is not None
                frame[f"q{level}"] = (spread * (z if level <= 0.5 else -z)).astype(np.float32)
        elif kind == "probabilities":
            score = np.stack([rng.normal(s, 0.5, n) for s in (0.0, 0.8, 0.1)], axis=1)
            p = np.exp(score) / np.exp(score).sum(axis=1, keepdims=True)
            for index, value in enumerate((-1, 0, 1)):
                frame[f"p{value}"] = p[:, index].astype(np.float32)
            frame["actual"] = [float(rng.choice([-1, 0, 1], p=row)) for row in p]
        else:
            noise = rng.normal(size=n).cumsum() / 8
            frame["position"] = np.tanh(noise - noise.mean()).astype(np.float32)
        parts.append(frame)
    return pd.concat(parts)


def _forecast_metrics(
    kind: str, table: pd.DataFrame, horizon: int
) -> dict[str, float | int | None]:
    metrics: dict[str, float | int | None] = {}
    groups = {"test": table} | {
        f"test/regime={name}": table.loc[table["regime"] == code]
        for code, name in enumerate(REGIMES)
    }
    for key, rows in groups.items():
        metrics[f"{key}/n"] = len(rows)
        if key != "test":
            first = np.unique(rows["origin"].to_numpy())
            places = np.searchsorted(np.unique(table["origin"].to_numpy()), first)
            metrics[f"{key}/episodes"] = int((np.diff(places, prepend=-9) > 1).sum())
        if kind == "quantiles":
            error = float((rows["actual"] - rows["q0.5"]).abs().mean()) if len(rows) else None
            metrics[f"{key}/mae"] = error
            metrics[f"{key}/pinball"] = None if error is None else 0.31 * error
            if key == "test":
                for step in range(1, horizon + 1):
                    metrics[f"test/step={step}/pinball"] = 0.31 * error * math.sqrt(step / horizon)
            metrics[f"{key}/coverage_80"] = (
                float(rows["actual"].between(rows["q0.1"], rows["q0.9"]).mean())
                if len(rows)
                else None
            )
        elif kind == "probabilities":
            metrics[f"{key}/log_loss"] = 1.02 if len(rows) else None
            metrics[f"{key}/accuracy"] = 0.46 if len(rows) else None
        else:
            metrics[f"{key}/directional_accuracy"] = 0.52 if len(rows) else None
    return metrics


def trading_metrics(returns: pd.Series, table: pd.DataFrame) -> dict[str, float | int | None]:
    """Section of one series in ``metrics.json``, by short formulas."""
    curve = (1 + returns).cumprod()
    metrics: dict[str, float | int | None] = {
        "sharpe": float(returns.mean() / returns.std() * math.sqrt(252)),
        "max_drawdown": float((1 - curve / curve.cummax().clip(lower=1)).max()),
        "total_return": float(curve.iloc[-1] - 1),
        "annual_return": float(curve.iloc[-1] ** (252 / len(returns)) - 1),
        "annual_volatility": float(returns.std() * math.sqrt(252)),
        "n_bars": len(returns),
        "turnover": float(table["turnover"].mean() * 252),
        "bars_per_year": 252.0,
        "break_even_bps": 3.4,
        "calmar": None,
    }
    for code, name in enumerate(REGIMES):
        own = returns[table["regime"] == code]
        metrics[f"regime={name}/sharpe"] = (
            float(own.mean() / own.std() * math.sqrt(252)) if len(own) > 1 else None
        )
        metrics[f"regime={name}/n_bars"] = len(own)
    return metrics


def _fold(fold: int, rng: np.random.Generator) -> dict[str, Any]:
    epoch = np.arange(25)
    train = 0.30 + 0.2 * np.exp(-epoch / 6) + 0.003 * rng.normal(size=25)
    validation = 0.34 + 0.18 * np.exp(-epoch / 5) + 0.0008 * epoch + 0.004 * rng.normal(size=25)
    history = [
        {"epoch": int(e), "train/loss": float(a), "val/loss": float(b)}
        for e, a, b in zip(epoch, train, validation, strict=True)
    ]
    best = int(validation.argmin())
    fit = {
        "seconds": 41.0 + fold,
        "epochs": 25,
        "best_epoch": best,
        "best_score": float(validation[best]),
        "parameters": 123_456,
        "history": history,
        "unused": ["sector"],
    }
    return {
        "fold": fold,
        "train": 2000 + 500 * fold,
        "validation": 250,
        "test": 230,
        "purged": 12,
        "weights": {
            "effective_size": 1741.6,
            "regimes": {name: {"emphasis": 0.8 + 0.3 * k} for k, name in enumerate(REGIMES)},
        },
        "fit": fit,
    }
