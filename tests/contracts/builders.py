"""A small real market, its fold, and every model of the registry at a size for tests.

The market can be learnt from: returns follow the day of the week (known ahead), the asset (static)
and the bar before (past), so that a trained model has a reason to use each kind of channel.
"""

from typing import Any

import numpy as np
import yaml

from regimecast.core.config import config_folder
from regimecast.core.types import Task
from regimecast.data.datamodule import FinancialDataModule
from regimecast.data.market import MarketData
from regimecast.data.panel import Panel
from regimecast.features.pipeline import FeaturePipeline
from regimecast.labels.base import TargetRegistry
from regimecast.regimes.base import RegimeRegistry
from regimecast.splits.base import SplitRegistry
from regimecast.weighting.base import SamplingRegistry, WeightingRegistry
from tests.data.panels import OHLCV

__all__ = ["CASES", "Case", "Fixed", "build_data", "build_market", "packaged", "quick_trainer"]

CONTEXT = 16
BARS = (220, 190)

FEATURES: dict[str, dict[str, Any]] = {
    "momentum": {
        "return_windows": [1, 3],
        "rsi_windows": [2],
        "stochastic_window": 3,
        "stochastic_smoothing": 2,
        "williams_window": 3,
        "cci_window": 3,
        "ultimate_windows": [1, 2, 3],
    },
    "calendar": {"holiday_days": 7},
}

SHRUNK: dict[str, Any] = {
    "rounds": 15,
    "epochs": 30,
    "mlp_units": [[32, 32]],
    "decoder_layers": 1,
    "e_layers": 1,
    "encoder_layers": 1,
    "n_block": 1,
    "layers": 1,
    "min_leaf_rows": 5,
    "min_leaf_weight": 3.0,
}
"""Smaller values by parameter name; only for speed, and a model without these names needs none."""

TARGETS = {
    Task.FORECAST: {
        "name": "forward_return",
        "horizon": 3,
        "scale": "volatility",
        "volatility_window": 10,
        "volatility_floor": 1e-4,
    },
    Task.CLASSIFICATION: {
        "name": "triple_barrier",
        "horizon": 3,
        "upper": 1.0,
        "lower": 1.0,
        "unit": "volatility",
        "volatility_window": 10,
        "volatility_floor": 1e-4,
        "cost_bps": 0.0,
        "tie": "lower",
    },
}


def packaged(group: str, name: str) -> dict[str, Any]:
    """Content of a packaged yaml."""
    path = config_folder() / group / f"{name}.yaml"
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def learnable_panel(*lengths: int, seed: int = 0) -> Panel:
    """Daily bars of one asset per length, all ending on the same day."""
    rng = np.random.default_rng(seed)
    last = np.datetime64("2020-06-30", "ns")
    parts, times = [], []
    for asset, length in enumerate(lengths):
        time = last - np.arange(length)[::-1] * np.timedelta64(1, "D")
        weekday = time.astype("datetime64[D]").astype(np.int64) % 7
        drift = 0.006 * (1 - 2 * (asset % 2)) + 0.008 * np.cos(2 * np.pi * weekday / 7)
        returns = drift + rng.normal(0, 0.01, length)
        for t in range(1, length):
            returns[t] += 0.5 * returns[t - 1]
        close = 100 * np.exp(np.cumsum(returns))
        opened = np.concatenate([[100.0], close[:-1]]) * np.exp(rng.normal(0, 0.002, length))
        high = np.maximum(opened, close) * np.exp(np.abs(rng.normal(0, 0.003, length)))
        low = np.minimum(opened, close) * np.exp(-np.abs(rng.normal(0, 0.003, length)))
        volume = rng.integers(1_000, 9_000, length).astype(float)
        parts.append(np.stack([opened, high, low, close, volume], axis=1))
        times.append(time)
    return Panel(
        values=np.concatenate(parts),
        time=np.concatenate(times),
        offsets=np.cumsum([0, *lengths]),
        columns=OHLCV,
        assets=tuple(f"A{i}" for i in range(len(lengths))),
        frequency="1D",
        calendar="24/7",
    )


def build_market(task: Task) -> MarketData:
    """The market with the target of a task."""
    target = dict(TARGETS[task])
    return MarketData.build(
        learnable_panel(*BARS),
        pipeline=FeaturePipeline(FEATURES, missing="error"),
        target=TargetRegistry.create(target.pop("name"), **target),
        context_length=CONTEXT,
        asset_identity=True,
    )


def build_data(
    task: Task, *, batch_size: int = 32, kind: type[FinancialDataModule] = FinancialDataModule
) -> FinancialDataModule:
    """The market's one fold."""
    market = build_market(task)
    splitter = SplitRegistry.create(
        "holdout", train=0.6, validation=0.2, test=0.2, purge=3, embargo=0
    )
    regime = packaged("regime", "realised_volatility")
    regime.pop("name")
    return kind(
        market,
        splitter.split(market.samples(complete=True))[0],
        number=0,
        regime=RegimeRegistry.create("realised_volatility", **{**regime, "minimum": 30}),
        weightings=[WeightingRegistry.create("uniform")],
        sampling=SamplingRegistry.create("natural"),
        batch_size=batch_size,
        num_workers=0,
        clip=10.0,
        seed=0,
    )
