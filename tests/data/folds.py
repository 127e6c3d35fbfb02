"""A market of two assets with little history, and folds of it."""

from collections.abc import Sequence
from typing import Any

import yaml

from regimecast.core.config import config_folder
from regimecast.data.datamodule import FinancialDataModule
from regimecast.data.market import MarketData
from regimecast.data.panel import Panel
from regimecast.features.pipeline import FeaturePipeline
from regimecast.labels.base import TargetRegistry
from regimecast.regimes.base import RegimeRegistry
from regimecast.splits.base import Fold, SplitRegistry
from regimecast.weighting.base import SamplingRegistry, Weighting, WeightingRegistry

__all__ = ["build_fold", "build_market", "packaged", "split", "weightings"]


def packaged(group: str, name: str, **changes: Any) -> dict[str, Any]:
    """Content of a packaged yaml with changes."""
    path = config_folder() / group / f"{name}.yaml"
    return {**yaml.safe_load(path.read_text(encoding="utf-8")), **changes}


def build_market(
    bars: Panel, *, target: str = "forward_return", context_length: int = 8, identity: bool = True
) -> MarketData:
    """Candle and calendar features, which read 15 bars back, and a target of 3 bars."""
    config = packaged("target", target, horizon=3, volatility_window=10)
    return MarketData.build(
        bars,
        pipeline=FeaturePipeline(
            {**packaged("features", "candles"), **packaged("features", "calendar")}, missing="error"
        ),
        target=TargetRegistry.create(config.pop("name"), **config),
        context_length=context_length,
        asset_identity=identity,
    )


def split(market: MarketData) -> Fold:
    """60 % training, 20 % validation, 20 % test."""
    splitter = SplitRegistry.create(
        "holdout", train=0.6, validation=0.2, test=0.2, purge=3, embargo=0
    )
    return splitter.split(market.samples(complete=True))[0]


def weightings(*names: str) -> list[Weighting]:
    return [WeightingRegistry.create(name, **packaged("weighting", name)[name]) for name in names]


def build_fold(
    market: MarketData,
    fold: Fold | None = None,
    *,
    weights: Sequence[Weighting] = (),
    sampling: str = "natural",
    number: int = 0,
    seed: int = 0,
    batch_size: int = 32,
) -> FinancialDataModule:
    """Data module of a fold; quantiles of volatility are its regimes."""
    regime = packaged("regime", "realised_volatility", window=10, minimum=30)
    drawing = packaged("sampling", sampling)
    return FinancialDataModule(
        market,
        fold or split(market),
        number=number,
        regime=RegimeRegistry.create(regime.pop("name"), **regime),
        weightings=weights,
        sampling=SamplingRegistry.create(drawing.pop("name"), **drawing),
        batch_size=batch_size,
        num_workers=0,
        clip=10.0,
        seed=seed,
    )
