"""A study's folder as a sweep leaves it: models by weightings by splits by seeds, all made up."""

import json
import shutil
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from regimecast.core.types import REGIMES
from regimecast.evaluation.comparable import Kind
from regimecast.evaluation.comparison import Comparison, GroupComparison
from regimecast.evaluation.contest import Contest, Pair, Superiority
from tests.report.lifelike import trading_metrics, write_run

MODELS = ("nhits", "lstm", "lightgbm")
WEIGHTINGS = ("uniform", "regime")
SPLITS = ("walk_forward", "combinatorial_purged")
SEEDS = (0, 1)
N_PATHS = 5


def write_study(
    folder: Path,
    *,
    bars: int = 240,
    models: Sequence[str] = MODELS,
    weightings: Sequence[str] = WEIGHTINGS,
    splits: Sequence[str] = SPLITS,
    seeds: Sequence[int] = SEEDS,
    full: bool = True,
) -> Path:
    """One run for each combination; those of the combinatorial split have paths.

    Args:
        folder: of the study.
        bars: of each run.
        models: and the others: names of the parts.
        weightings: see above.
        splits: see above.
        seeds: see above.
        full: whether runs have predictions, which only their own pages need; without them they are
            written many times as fast.
    """
    template = write_run(folder.parent / f".{folder.name}", bars=bars)
    for number, parts in enumerate(product(models, weightings, splits, seeds)):
        model, weighting, split, seed = parts
        run = (
            folder / f"{number:03d}_model={model},weighting=[{weighting}],split={split},seed={seed}"
        )
        if full:
            write_run(run, bars=bars, seed=number)
        else:
            shutil.copytree(template, run)
            (run / "predictions.parquet").unlink()
        skill = 0.03 * models.index(model) + (0.03 if weighting == "regime" else 0.0)
        _trade(run, skill, number)
        _name_parts(run, model, weighting, split, seed)
        add_sections(run, paths=N_PATHS if split == "combinatorial_purged" else 1, seed=number)
    shutil.rmtree(template)
    return folder


def add_sections(run: Path, *, paths: int = 1, seed: int = 0) -> None:
    """Adds what a run of issue 5 says besides: intervals, conformal coverage and paths."""
    metrics = json.loads((run / "metrics.json").read_text())
    rng = np.random.default_rng(seed)
    sharpe = metrics["trading"]["strategy"]["sharpe"]
    metrics["intervals"] = {
        "level": 0.95,
        "method": "stationary bootstrap, percentiles of 1000 resamples",
        "trading": {"sharpe": [sharpe - 0.9, sharpe + 0.85], "max_drawdown": [0.07, 0.31]},
        "difference": {name: {"sharpe": [-0.4, 1.3]} for name in ("buy_and_hold", "naive")},
        "forecast": _forecast_intervals(metrics["forecast"]),
        "reasons": {"test/regime=crash": "one event cannot tell how another would end"},
    }
    steps = [
        {"step": step, "n": 230, "coverage": 0.9 - 0.004 * step, "width": 0.02 * step**0.5}
        for step in range(1, 6)
    ]
    metrics["conformal"] = {
        "method": "aci",
        "level": 0.9,
        **_held(metrics["forecast"], 0.893, steps),
        "uncalibrated": _held(metrics["forecast"], 0.827, steps),
    }
    metrics["events"] = _events(rng)
    if paths > 1:
        returns = pd.read_parquet(run / "returns.parquet")
        own = returns["strategy"].to_numpy()
        series = [own] + [own + rng.normal(0, 0.4 * own.std(), len(own)) for _ in range(paths - 1)]
        scores = [float(one.mean() / one.std() * 252**0.5) for one in series]
        order = sorted(range(paths), key=lambda index: scores[index])
        metrics["paths"] = {"n": paths, "sharpe": scores, "chosen": order[(paths - 1) // 2]}
        pd.concat(
            pd.DataFrame({"path": index, "time": returns["time"], "strategy": one})
            for index, one in enumerate(series)
        ).to_parquet(run / "paths.parquet")
    (run / "metrics.json").write_text(json.dumps(metrics))


def _forecast_intervals(forecast: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in forecast.items():
        if key.endswith(("/mae", "/pinball")) and "/step=" not in key and value is not None:
            regime = key.removeprefix("test/regime=").partition("/")[0]
            few = "regime=" in key and (forecast.get(f"test/regime={regime}/episodes") or 0) < 2
            found[key] = "not testable" if few else [0.9 * value, 1.12 * value]
    return found


def _held(forecast: dict[str, Any], coverage: float, steps: list[dict[str, Any]]) -> dict[str, Any]:
    by_regime = {
        name: {
            "n": n,
            "coverage": coverage - 0.03 * code,
            "width": 0.03 + 0.02 * code,
            "episodes": forecast[f"test/regime={name}/episodes"],
        }
        for code, name in enumerate(REGIMES)
        if (n := forecast.get(f"test/regime={name}/n"))
    }
    whole = {"n": forecast["test/n"], "coverage": coverage, "width": 0.052}
    return {**whole, "by_regime": by_regime, "by_step": steps}


def _events(rng: np.random.Generator) -> dict[str, Any]:
    def outcome() -> dict[str, float]:
        error, own, held = rng.normal(0.02, 0.004), rng.normal(0, 0.05), rng.normal(-0.2, 0.1)
        return {"error": float(error), "return": float(own), "buy_and_hold": float(held)}

    events = [
        {"name": name, "start": start, "end": end, "regime": regime, "weight": weight, "n": 120}
        | outcome()
        for name, start, end, regime, weight in (
            ("dotcom", "2000-03-10", "2002-10-09", "crash", 2.0),
            ("gfc", "2007-10-09", "2009-03-09", "crash", 3.0),
            ("covid", "2020-02-19", "2020-03-23", "high_volatility", 1.5),
        )
    ]
    return {
        "metric": "mae",
        "events": events,
        "weighted_mean": {"weight": 6.5, **outcome()},
        "kinds": {
            "high_volatility": {
                "events": 1, "weight": 1.5, **outcome(), "note": "one event: not testable",
            },
            "crash": {"events": 2, "weight": 5.0, **outcome()},
        },
    }  # fmt: skip


def _name_parts(run: Path, model: str, weighting: str, split: str, seed: int) -> None:
    config = (
        f"data: {{name: sp500}}\ntarget: {{name: forward_return, horizon: 5}}\n"
        f"model: {{name: {model}}}\nloss: {{name: quantile}}\nweighting: {{{weighting}: {{}}}}\n"
        f"split: {{name: {split}}}\nseed: {seed}\n"
    )
    (run / "config.yaml").write_text(config)
    metrics = json.loads((run / "metrics.json").read_text())
    rng = np.random.default_rng(abs(hash((model, weighting))) % 1000)
    factor = 1.0 + 0.05 * MODELS.index(model) if model in MODELS else 1.0 + 0.05 * rng.random()
    for key, value in metrics["forecast"].items():
        if value is not None and key.endswith(("mae", "pinball")):
            metrics["forecast"][key] = value * factor * (0.97 if weighting == "regime" else 1.0)
    metrics |= {
        "job": run.name,
        "model": model,
        "weighting": [weighting],
        "seed": seed,
        "overrides": [
            f"model={model}",
            f"weighting=[{weighting}]",
            f"split={split}",
            f"seed={seed}",
        ],
    }
    (run / "metrics.json").write_text(json.dumps(metrics))


def _trade(run: Path, skill: float, seed: int) -> None:
    """Returns of a strategy that goes its own way and sees a share of the next return."""
    rng = np.random.default_rng(100 + seed)
    table = pd.read_parquet(run / "returns.parquet")
    market = table["buy_and_hold"].to_numpy()
    position = np.clip(
        0.1 + skill * market / market.std() + 0.6 * rng.normal(size=len(market)), -1, 1
    )
    table["gross"] = position * market
    table["strategy"] = table["gross"] - 1e-4
    table.to_parquet(run / "returns.parquet")
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["trading"] = {
        name: trading_metrics(table[name], table) for name in ("strategy", "buy_and_hold", "naive")
    }
    (run / "metrics.json").write_text(json.dumps(metrics))


def add_search(
    folder: Path,
    *,
    steps: int = 20,
    seed: int = 0,
    objectives: Mapping[str, str] | None = None,
) -> None:
    """Makes the study a search over two settings, of which the learning rate decides.

    Three of four runs were cut short, and are left without a judgement; none where `objectives` are
    given, which are what ``sweep.json`` says. Each run then has a value for every one of them, the
    better in the first the worse in the others.
    """
    rng = np.random.default_rng(seed)
    runs = sorted(path.parent for path in folder.glob("*/manifest.json"))
    for place, run in enumerate(runs):
        rate, dropout = 10 ** rng.uniform(-4, -2), rng.uniform(0, 0.5)
        taken = steps if objectives or place % 4 == 0 else (4, 8, 16)[place % 3]
        step = np.arange(1, taken + 1)
        current = 0.3 + 0.1 * (np.log10(rate) + 3) ** 2 + 0.3 * np.exp(-step / 4)
        best = np.minimum.accumulate(current)
        progress = {"step": step, "fold": 0, "epoch": step - 1, "objective": best}
        pd.DataFrame(progress | {"current": current, "seconds": step * 0.1}).to_csv(
            run / "progress.csv", index=False
        )
        metrics = json.loads((run / "metrics.json").read_text())
        manifest = json.loads((run / "manifest.json").read_text())
        metrics["overrides"] += [f"optimizer.lr={rate:.5f}", f"model.dropout={dropout:.3f}"]
        if objectives:
            skill = -((np.log10(rate) + 3) ** 2)
            worth = [skill, *(rng.uniform(-0.5, 0) - skill for _ in list(objectives)[1:])]
            metrics["validation"] = {
                name: float(own if direction == "max" else -own)
                for (name, direction), own in zip(objectives.items(), worth, strict=True)
            }
        manifest["started"] = f"2026-11-21T10:{place // 60:02d}:{place % 60:02d}"
        if taken < steps:
            manifest["status"] = metrics["status"] = "pruned"
            for name in ("forecast", "trading", "intervals", "conformal", "events", "paths"):
                metrics.pop(name, None)
            for name in ("returns.parquet", "paths.parquet"):
                (run / name).unlink(missing_ok=True)
        (run / "metrics.json").write_text(json.dumps(metrics))
        (run / "manifest.json").write_text(json.dumps(manifest))
    if objectives:
        (folder / "sweep.json").write_text(json.dumps({"objectives": dict(objectives)}))


def write_comparison(folder: Path, metrics: Sequence[str] = ("crps", "net_return")) -> Path:
    """``comparison.json`` of a study, with made-up verdicts on all of its runs."""
    labels = tuple(path.parent.name for path in sorted(folder.glob("*/metrics.json")))
    rng = np.random.default_rng(0)
    contests = []
    for metric in metrics:
        mean = {
            label: float(value)
            for label, value in zip(labels, rng.normal(1, 0.1, len(labels)), strict=True)
        }
        for regime, times in ((None, 700), ("normal", 430), ("high_volatility", 120)):
            inside = dict(zip(labels, map(float, rng.uniform(0, 0.5, len(labels))), strict=True))
            won = Superiority(0.021, 0.01, 0.04, labels[:1] if regime is None else ())
            lead = tuple(
                Pair(labels[0], label, -0.01, -2.1, 0.03, float(p))
                for label, p in zip(labels[1:], rng.uniform(0, 0.2, len(labels) - 1), strict=True)
            )
            contests.append(
                Contest(metric, regime, times, mean, inside, lead, {"buy_and_hold": won}, 11.0)
            )
        contests.append(
            Contest(metric, "crash", 64, mean, not_testable="one episode; at least 5 are needed")
        )
    kind = Kind("forecast", "forward_return", "sp500")
    group = GroupComparison(kind, labels, {}, tuple(contests), ("runs differ in regimes",))
    path = folder / "comparison.json"
    path.write_text(json.dumps(Comparison((group,), {}, 0).to_json()))
    return path
