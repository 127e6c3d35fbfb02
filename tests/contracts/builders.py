"""A small real market, its fold, and every model of the registry at a size for tests.

The market can be learnt from: returns follow the day of the week (known ahead), which means the
opposite for either asset (static), and the bar before (past), so that a trained model has a reason
to use every kind of channel.
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch
import yaml

from regimecast.core.batch import Batch
from regimecast.core.config import config_folder
from regimecast.core.types import Task
from regimecast.data.datamodule import FinancialDataModule
from regimecast.data.dataset import TimeSeriesDataset
from regimecast.data.market import MarketData
from regimecast.data.panel import Panel
from regimecast.features.pipeline import FeaturePipeline
from regimecast.labels.base import TargetRegistry
from regimecast.losses.base import LossRegistry
from regimecast.models.base import BaseTimeSeriesModel, ModelRegistry
from regimecast.regimes.base import RegimeRegistry
from regimecast.splits.base import SplitRegistry
from regimecast.training.trainer import ModelTrainer
from regimecast.weighting.base import SamplingRegistry, WeightingRegistry
from tests.data.panels import OHLCV

__all__ = [
    "CASES",
    "Case",
    "Doctored",
    "Edited",
    "build_data",
    "build_market",
    "learnable_panel",
    "packaged",
    "quick_trainer",
]

_FEATURES: dict[str, dict[str, Any]] = {
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
"""Families with a look-back of at most 10 bars."""

_TARGETS: dict[Task, dict[str, Any]] = {
    Task.FORECAST: {"name": "forward_return", "horizon": 3},
    Task.CLASSIFICATION: {"name": "triple_barrier", "horizon": 3, "upper": 1.0, "lower": 1.0},
}

_SHRUNK: dict[str, Any] = {
    "rounds": 20,
    "trees": 20,
    "epochs": 30,
    "columns": 0.5,
    "min_leaf_rows": 5,
    "min_leaf_weight": 3.0,
    "mlp_units": [[32, 32]],
    "e_layers": 1,
    "encoder_layers": 1,
    "layers": 1,
    "n_block": 1,
}
"""Smaller values by the parameter's name, for speed. A model without these names needs none."""


def packaged(group: str, name: str) -> dict[str, Any]:
    """Content of a packaged yaml."""
    path = config_folder() / group / f"{name}.yaml"
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Case:
    """A model and a task that it declares."""

    name: str
    task: Task

    def __str__(self) -> str:
        return f"{self.name}-{self.task}"

    @property
    def kind(self) -> type[BaseTimeSeriesModel]:
        return ModelRegistry.get(self.name)

    @property
    def loss(self) -> dict[str, Any]:
        """The first loss that the model can stand for, quantiles before points."""
        able = self.kind.capabilities
        for name in ("quantile", "cross_entropy", *LossRegistry.available()):
            loss = LossRegistry.get(name)
            named = able.losses is None or name in able.losses
            if loss.task is self.task and loss.kind in able.kinds and named:
                config = packaged("loss", name)
                return {**config, "levels": [0.1, 0.5, 0.9]} if "levels" in config else config
        raise AssertionError(f"no loss for {self}")

    def make(self, changes: dict[str, Any] | None = None) -> BaseTimeSeriesModel:
        """A fresh model of the packaged yaml, shrunk, with changes to parameters that it has."""
        params = self.params
        params |= {k: v for k, v in (_SHRUNK | (changes or {})).items() if k in params}
        return ModelRegistry.create(
            self.name, spec=build_market(self.task).spec, loss=self.loss, **params
        )

    @property
    def params(self) -> dict[str, Any]:
        """Parameters in the packaged yaml."""
        params = packaged("model", self.name)
        assert params.pop("name") == self.name
        return params


CASES = [
    Case(name, task)
    for name in ModelRegistry.available()
    for task in sorted(ModelRegistry.get(name).capabilities.tasks)
]
"""Every registered model with every task it declares; a new model is here by itself."""


def learnable_panel(*lengths: int, seed: int = 0) -> Panel:
    """Daily bars of one asset per length, all ending on the same day."""
    rng = np.random.default_rng(seed)
    last = np.datetime64("2020-06-30", "ns")
    parts, times = [], []
    for asset, length in enumerate(lengths):
        time = last - np.arange(length)[::-1] * np.timedelta64(1, "D")
        week = 2 * np.pi * (time.astype("datetime64[D]").astype(np.int64) % 7) / 7
        returns = 0.01 * (-1) ** asset * np.cos(week) + rng.normal(0, 0.01, length)
        for t in range(1, length):
            returns[t] += 0.3 * returns[t - 1]
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


@cache
def build_market(task: Task) -> MarketData:
    """Two assets of different length with the target of a task."""
    target = {**packaged("target", _TARGETS[task]["name"]), **_TARGETS[task]}
    target["volatility_window"] = 10
    return MarketData.build(
        learnable_panel(220, 190),
        pipeline=FeaturePipeline(_FEATURES, missing="error"),
        target=TargetRegistry.create(target.pop("name"), **target),
        context_length=16,
        asset_identity=True,
    )


class Doctored(FinancialDataModule):
    """A data module some of whose splits are given."""

    given: dict[str, TimeSeriesDataset]

    def split(self, name: str) -> TimeSeriesDataset:
        given = getattr(self, "given", {})
        return given[name] if name in given else super().split(name)


def build_data(task: Task, *, batch_size: int = 32, **given: TimeSeriesDataset) -> Doctored:
    """The market's one fold; `given` are splits to use instead of its own."""
    market = build_market(task)
    splitter = SplitRegistry.create(
        "holdout", train=0.6, validation=0.2, test=0.2, purge=3, embargo=0
    )
    regime = {**packaged("regime", "realised_volatility"), "minimum": 30}
    data = Doctored(
        market,
        splitter.split(market.samples(complete=True))[0],
        number=0,
        regime=RegimeRegistry.create(regime.pop("name"), **regime),
        weightings=[WeightingRegistry.create("uniform")],
        sampling=SamplingRegistry.create("natural"),
        batch_size=batch_size,
        num_workers=0,
        clip=10.0,
        seed=0,
    )
    data.given = given
    return data


class Edited(TimeSeriesDataset):
    """The windows of another dataset with other targets, masks or weights."""

    def __init__(
        self,
        base: TimeSeriesDataset,
        *,
        target: np.ndarray | None = None,
        mask: np.ndarray | None = None,
        weight: np.ndarray | None = None,
    ) -> None:
        super().__init__(
            base.source,
            base.samples,
            weight=base.weight[:, 0] if weight is None else weight,
            regime=base.regime,
        )
        own_target, own_mask = base.targets()
        self._target = own_target if target is None else target
        self._mask = own_mask if mask is None else mask

    def targets(self) -> tuple[np.ndarray, np.ndarray]:
        return self._target, self._mask

    def gather(self, positions: torch.Tensor) -> Batch:
        return replace(
            super().gather(positions),
            target=torch.from_numpy(self._target)[positions],
            mask=torch.from_numpy(self._mask)[positions],
        )


def quick_trainer(*, epochs: int = 2) -> ModelTrainer:
    """The packaged trainer on the CPU, for few epochs at a high rate."""
    default = ModelTrainer.default()
    return replace(
        default,
        trainer={**default.trainer, "accelerator": "cpu", "max_epochs": epochs},
        optimizer={**default.optimizer, "lr": 1e-2},
    )
