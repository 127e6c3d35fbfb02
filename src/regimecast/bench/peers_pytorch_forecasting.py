"""pytorch-forecasting (MIT), trained and fed as its users do it; in the extra ``bench``."""

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from regimecast.bench.peers_neuralforecast import market_frame
from regimecast.bench.steps import stamps_for, unheard
from regimecast.data.market import MarketData

__all__ = ["MODELS", "PACKAGE", "data_loader", "installed", "training"]

PACKAGE = "pytorch-forecasting"
MODELS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "N-HiTS": ("NHiTS", {"hidden_size": 512, "n_layers": 2, "weight_decay": 0.01}),
    "TFT": (
        "TemporalFusionTransformer",
        {"hidden_size": 32, "hidden_continuous_size": 32, "attention_head_size": 4,
         "output_size": 1},
    ),
}  # fmt: skip
"""Its models that this house has too, with their sizes."""


def installed() -> bool:
    """Whether the package is there."""
    return find_spec("pytorch_forecasting") is not None


def data_loader(market: MarketData, *, batch_size: int) -> Any:
    """Shuffled training batches of all windows of the market."""
    return _data_set(market).to_dataloader(train=True, batch_size=batch_size, num_workers=0)


def training(
    title: str, market: MarketData, *, batch_size: int, steps: int
) -> Callable[[], object]:
    """A call that makes so many training steps of a fresh network with Lightning's `fit`."""
    package = import_module("pytorch_forecasting")
    data = _data_set(market)
    loader = data.to_dataloader(train=True, batch_size=batch_size, num_workers=0)
    name, sizes = MODELS[title]

    def fit() -> None:
        lightning = import_module("lightning.pytorch")
        with unheard():
            network = getattr(package, name).from_dataset(
                data, loss=package.MAE(), optimizer="adamw", learning_rate=1e-3, **sizes
            )
            lightning.Trainer(
                accelerator="cpu",
                max_epochs=1,
                limit_train_batches=steps,
                callbacks=[stamps_for("lightning.pytorch")],
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            ).fit(network, train_dataloaders=loader)

    return fit


def _data_set(market: MarketData) -> Any:
    package = import_module("pytorch_forecasting")
    spec = market.spec
    frame = market_frame(market).drop(columns="ds")
    frame["step"] = np.concatenate([np.arange(n) for n in np.diff(market.bars.offsets)])
    with unheard():
        return package.TimeSeriesDataSet(
            frame,
            time_idx="step",
            target="y",
            group_ids=["unique_id"],
            max_encoder_length=spec.context_length,
            min_encoder_length=spec.context_length,
            max_prediction_length=spec.horizon,
            min_prediction_length=spec.horizon,
            time_varying_unknown_reals=["y", *spec.past[1:]],
        )
