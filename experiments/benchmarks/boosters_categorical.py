"""Out-of-sample loss of boosters with the asset as one column of names, as indicators, and without.

python experiments/benchmarks/boosters_categorical.py [--data DATA ...] [--models MODEL ...]

Every default of `regimecast train` but the model, `split=walk_forward` and three levels; nothing is
written.
"""

import argparse
import logging
from dataclasses import replace

import numpy as np

from regimecast.assembly import Assembly
from regimecast.core.compose import composed
from regimecast.core.forecast import Forecast
from regimecast.data.cleaning import clean
from regimecast.data.datamodule import FinancialDataModule
from regimecast.models.base import ModelRegistry

DATA = ("sp500", "stocks20")
COMMON = ["split=walk_forward", "loss.levels=[0.1,0.5,0.9]", "tracker=csv"]
WAYS = {"names": (True, True), "indicators": (False, True), "neither": (False, False)}
"""Whether the asset is one column of names, and whether it is known at all."""


def pinball(data: FinancialDataModule, forecast: Forecast) -> float:
    """Mean loss of the test split, in units of the scale."""
    test = data.split("test")
    target, mask = test.targets()
    error = target[:, :, None] - forecast.values / test.scale[:, :, None]
    level = np.array(forecast.levels)
    return float(np.maximum(level * error, (level - 1) * error)[mask].mean())


def folds(overrides: list[str]) -> tuple[Assembly, list[FinancialDataModule]]:
    parts = Assembly.from_config(composed([*overrides, *COMMON]))
    bars, _ = clean(parts.source.load(), settings=parts.cleaning)
    market = parts.market(bars)
    return parts, list(parts.modules(market, parts.splitter.split(market.samples(complete=True))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="*", choices=DATA, default=list(DATA))
    parser.add_argument("--models", nargs="*", default=["lightgbm", "xgboost"])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    given = parser.parse_args()
    logging.getLogger("regimecast").setLevel(logging.ERROR)
    print("| data | model | the asset as | loss by fold | mean | against names | better fits |")
    print("|---|---|---|---|---|---|---|")
    for name in given.data:
        for model in given.models:
            show(name, model, given.seeds)


def show(data: str, model: str, seeds: list[int]) -> None:
    """Prints a row per way."""
    names = np.empty(0)
    for way, (coded, known) in WAYS.items():
        ModelRegistry.get(model).coded = coded
        parts, modules = folds([f"data={data}", f"model={model}", f"window.asset_identity={known}"])
        loss = np.empty((len(modules), len(seeds)))
        for f, module in enumerate(modules):
            for s, seed in enumerate(seeds):
                fitted = parts.model(module)
                fitted.fit(module, replace(parts.trainer(), seed=seed))
                loss[f, s] = pinball(module, fitted.predict(module, "test"))
        if way == "names":
            names = loss
        by_fold = ", ".join(f"{value:.5f}" for value in loss.mean(axis=1))
        change = 100 * (loss / names - 1)
        print(
            f"| {data} | {model} | {way} | {by_fold} | {loss.mean():.5f} "
            f"| {change.mean():+.2f} % | {(loss < names).sum()} of {loss.size} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
