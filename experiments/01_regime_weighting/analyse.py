"""Table of study 01 from its run folders: paired differences with bootstrap intervals.

    python analyse.py RUNS_FOLDER

Writes results.csv (one row per comparison) and prints the tables of the README.

Every run forecasts the same origins, so runs are compared origin by origin. The pinball loss of an
origin is averaged over steps, levels and seeds; the difference of two treatments is averaged over
the origins of a regime. Intervals are 95 % percentile intervals of a stationary bootstrap (Politis
and Romano 1994, JASA 89) over the time-ordered origins, 2,000 draws, mean block 21 bars: neighbours
share most of their future, and crashes come in spells.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from arch.bootstrap import StationaryBootstrap

from regimecast.core.files import atomic_path, read_json
from regimecast.core.types import REGIMES
from regimecast.evaluation.predictions import read_predictions

BLOCK = 21
DRAWS = 2000
BASE = ("uniform", "natural")
TREATMENTS = (("regime", "natural"), ("uniform", "balanced"), ("regime", "balanced"))


def pinball(folder: Path) -> pd.DataFrame:
    """Pinball loss and absolute error of the median per origin, in basis points of log return."""
    forecast, outcomes = read_predictions(folder / "predictions.parquet")
    levels = np.asarray(forecast.levels)
    error = outcomes.values[:, :, None] - forecast.values
    loss = np.maximum(levels * error, (levels - 1) * error).mean(axis=(1, 2))
    absolute = np.abs(outcomes.values - forecast.point()).mean(axis=1)
    return pd.DataFrame(
        {"pinball": loss * 1e4, "mae": absolute * 1e4, "regime": outcomes.regime},
        index=pd.Index(forecast.origin, name="origin"),
    )


def load(study: Path) -> pd.DataFrame:
    """One row per model, weighting, sampling, seed and origin."""
    parts = []
    for folder in sorted(path.parent for path in study.glob("*/metrics.json")):
        metrics = read_json(folder / "metrics.json")
        if metrics["status"] != "finished":
            raise SystemExit(f"{folder} is {metrics['status']}; run the study to its end first")
        frame = pinball(folder).reset_index()
        frame["model"] = metrics["model"]
        frame["weighting"] = "+".join(metrics["weighting"])
        frame["sampling"] = metrics["sampling"]
        frame["seed"] = metrics["seed"]
        parts.append(frame)
    if not parts:
        raise SystemExit(f"no finished runs in {study}")
    return pd.concat(parts, ignore_index=True)


def interval(difference: np.ndarray, inside: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean difference over the origins inside a regime."""
    bootstrap = StationaryBootstrap(BLOCK, np.arange(len(difference)), seed=0)
    draws = []
    for (index,), _ in bootstrap.bootstrap(DRAWS):
        chosen = index[inside[index]]
        if len(chosen):
            draws.append(difference[chosen].mean())
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), float(high)


def compare(runs: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One row per model, treatment and regime."""
    rows = []
    for model, of_model in runs.groupby("model"):
        by_seed = of_model.pivot_table(
            index="origin", columns=["weighting", "sampling", "seed"], values=metric
        )
        regime = of_model.groupby("origin")["regime"].first().loc[by_seed.index].to_numpy()
        seeds = of_model["seed"].nunique()
        for treatment in TREATMENTS:
            paired = by_seed[treatment] - by_seed[BASE]
            difference = paired.mean(axis=1).to_numpy()
            for code, name in [*enumerate(REGIMES), (None, "all")]:
                inside = np.ones(len(regime), bool) if code is None else regime == code
                if not inside.any():
                    continue
                base = by_seed[BASE].mean(axis=1).to_numpy()[inside].mean()
                low, high = interval(difference, inside)
                per_seed = paired.to_numpy()[inside].mean(axis=0)
                spells = int((np.diff(inside.astype(int), prepend=0) == 1).sum())
                rows.append(
                    {
                        "metric": metric,
                        "model": model,
                        "weighting": treatment[0],
                        "sampling": treatment[1],
                        "regime": name,
                        "origins": int(inside.sum()),
                        "spells": spells,
                        "seeds": seeds,
                        "base": base,
                        "difference": difference[inside].mean(),
                        "low": low,
                        "high": high,
                        "percent": 100 * difference[inside].mean() / base,
                        "seeds_better": int((per_seed < 0).sum()),
                    }
                )
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path, help="folder of the study's runs")
    study = parser.parse_args().study
    runs = load(study)
    table = pd.concat([compare(runs, metric) for metric in ("pinball", "mae")], ignore_index=True)
    with atomic_path(Path(__file__).parent / "results.csv") as path:
        table.round(4).to_csv(path, index=False)
    for metric, part in table.groupby("metric", sort=False):
        print(f"\n{metric}, basis points; difference to uniform weights and natural sampling\n")
        print(
            "| model | weighting | sampling | regime | origins (spells) | base "
            "| difference | 95 % interval | seeds better |"
        )
        print("|---|---|---|---|---|---|---|---|---|")
        for row in part.itertuples():
            print(
                f"| {row.model} | {row.weighting} | {row.sampling} | {row.regime} "
                f"| {row.origins} ({row.spells}) | {row.base:.2f} "
                f"| {row.difference:+.2f} ({row.percent:+.1f} %) "
                f"| {row.low:+.2f} … {row.high:+.2f} | {row.seeds_better} of {row.seeds} |"
            )


if __name__ == "__main__":
    main()
