"""darts (Apache-2.0), trained as its users do it; in the extra ``bench``."""

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

from regimecast.bench.steps import stamps_for, unheard
from regimecast.data.market import MarketData

__all__ = ["MODELS", "PACKAGE", "installed", "training"]

PACKAGE = "darts"
MODELS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "N-HiTS": (
        "NHiTSModel",
        {"layer_widths": 512, "num_layers": 2, "num_stacks": 3, "dropout": 0.0},
    ),
    "DLinear": ("DLinearModel", {"kernel_size": 25}),
    "LSTM": ("BlockRNNModel", {"model": "LSTM", "hidden_dim": 64, "n_rnn_layers": 2}),
    "TFT": (
        "TFTModel",
        {"hidden_size": 32, "hidden_continuous_size": 32, "add_relative_index": True},
    ),
    "NLinear": ("NLinearModel", {}),
    "TiDE": (
        "TiDEModel",
        {
            "hidden_size": 64,
            "decoder_output_dim": 8,
            "temporal_decoder_hidden": 32,
            "dropout": 0.3,
            "use_layer_norm": True,
        },
    ),
}
"""Its models that this house has too, with their sizes."""
_HISTORY_ALONE = frozenset({"DLinear", "NLinear"})
"""Networks that read no covariates here."""


def installed() -> bool:
    """Whether the package is there."""
    return find_spec(PACKAGE) is not None


def training(
    title: str, market: MarketData, *, batch_size: int, steps: int
) -> Callable[[], object]:
    """A call that makes so many training steps with `fit`, on all series and without validation."""
    name, sizes = MODELS[title]
    spec = market.spec
    with unheard():
        make = getattr(import_module("darts.models"), name)
    series, covariates = _series(market)
    past = None if title in _HISTORY_ALONE else covariates

    def fit() -> None:
        with unheard():
            model = make(
                input_chunk_length=spec.context_length,
                output_chunk_length=spec.horizon,
                batch_size=batch_size,
                n_epochs=1,
                loss_fn=torch.nn.L1Loss(),
                optimizer_cls=torch.optim.AdamW,
                pl_trainer_kwargs={
                    "accelerator": "cpu",
                    "callbacks": [stamps_for("pytorch_lightning")],
                    "limit_train_batches": steps,
                    "logger": False,
                    "enable_progress_bar": False,
                    "enable_model_summary": False,
                },
                **sizes,
            )
            model.fit(series, past_covariates=past, verbose=False)

    return fit


def _series(market: MarketData) -> tuple[list[Any], list[Any]]:
    """Log closes and covariates of every asset, as float32."""
    make = import_module("darts").TimeSeries.from_values
    close = np.log(market.bars.actual("close")).astype(np.float32)[:, None]
    past = np.nan_to_num(market.past[:, 1:], nan=0.0)
    borders = market.bars.offsets[1:-1]
    return [make(v) for v in np.split(close, borders)], [make(v) for v in np.split(past, borders)]
