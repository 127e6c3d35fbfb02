"""A model trained briefly on one fold, for checks that need a trained model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
from jaxtyping import Float, Int

from regimecast.assembly import Assembly
from regimecast.core.config import split_name
from regimecast.core.forecast import Forecast
from regimecast.data.datamodule import FinancialDataModule
from regimecast.data.market import MarketData
from regimecast.models.base import BaseTimeSeriesModel
from regimecast.splits.base import Fold

__all__ = [
    "Rehearsal",
    "model_component",
    "predict_near",
    "rehearse",
    "shared_until",
    "taught_fast",
]

_SHORT = {
    "accelerator": "cpu",  # where the same seed gives the same bits
    "devices": 1,
    "strategy": "auto",
    "precision": "32-true",
    "fast_dev_run": False,
    "limit_train_batches": 1.0,
    "limit_val_batches": 1.0,
}
_FEW, _VALIDATION = 512, 256
"""Samples that are trained on and chosen by at most, spread over the fold's own."""
_SMALL_BATCH = 32
"""Windows of a step that is to teach fast: many steps for the same work."""
_FAST = {"_target_": "torch.optim.AdamW", "_partial_": True, "lr": 3e-3, "weight_decay": 0.0}
_NEAR = 128
"""Windows on each side of a cut whose forecasts are compared."""


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """A fold and the model that was trained on it."""

    data: FinancialDataModule
    model: BaseTimeSeriesModel


def model_component(parts: Assembly) -> str:
    """What findings about the model are listed under, such as ``model/nhits``."""
    return f"model/{split_name(parts.config['model'], 'model')[0]}"


def rehearse(
    parts: Assembly, market: MarketData, fold: Fold, *, epochs: int, samples: int = _FEW
) -> Rehearsal:
    """The config's model after a few epochs on a fold; the same arguments give the same bits.

    Args:
        parts: model, loss, regimes, weights and optimizer; the trainer is cut short.
        market: what the fold's positions refer to.
        fold: what trains and validates.
        epochs: of a network; other models are trained as they are.
        samples: of training at most.
    """
    few = replace(
        fold, train=_spread(fold.train, samples), validation=_spread(fold.validation, _VALIDATION)
    )
    data = next(parts.modules(market, [few]))
    model = parts.model(data)
    full = parts.trainer()
    short = {**full.trainer, **_SHORT, "max_epochs": epochs}
    replace(full, trainer=short).train(model, data)
    return Rehearsal(data, model)


def taught_fast(parts: Assembly, *, seconds: float) -> Assembly:
    """The parts, to train a network in many small steps and for a limited time.

    Neither the config's optimizer nor its callbacks take part: how long they need to learn
    anything is not what the audit asks.
    """
    config = parts.config
    size = min(config["window"]["batch_size"], _SMALL_BATCH)
    limit = {"max_time": timedelta(seconds=seconds), "accumulate_grad_batches": 1}
    taught = {
        **config,
        "window": {**config["window"], "batch_size": size},
        "optimizer": _FAST,
        "scheduler": None,
        "callbacks": {},
        "trainer": {**config["trainer"], **limit},
    }
    return replace(parts, config=taught)


def predict_near(
    parts: Assembly,
    model: BaseTimeSeriesModel,
    market: MarketData,
    fold: Fold,
    cut: np.datetime64,
) -> Forecast:
    """A trained model's forecasts of the test windows on both sides of a cut.

    The module is made anew, so that all it fits is fitted on the market at hand.
    """
    samples = market.samples(complete=True)
    test: Int[np.ndarray, " N"] = fold.test[np.argsort(samples.origin[fold.test], kind="stable")]
    place = int(np.searchsorted(samples.origin[test], cut, side="right"))
    near = np.sort(test[max(place - _NEAR, 0) : place + _NEAR])
    data = next(parts.modules(market, [replace(fold, test=near)]))
    return model.predict(data, "test")


def shared_until(
    forecasts: Sequence[Forecast], cut: np.datetime64
) -> tuple[list[Float[np.ndarray, "N H Q"]], Int[np.ndarray, " N"]]:
    """Values of the forecasts that all have, made by the cut; and their place in the first."""
    keys = [
        {
            (asset, origin): index
            for index, (asset, origin) in enumerate(
                zip(forecast.asset.tolist(), forecast.origin.view(np.int64).tolist(), strict=True)
            )
            if forecast.origin[index] <= cut
        }
        for forecast in forecasts
    ]
    common = [key for key in keys[0] if all(key in other for other in keys[1:])]
    places = [np.array([own[key] for key in common], dtype=np.int64) for own in keys]
    values = [f.values[place] for f, place in zip(forecasts, places, strict=True)]
    return values, places[0]


def _spread(positions: Int[np.ndarray, " N"], most: int) -> Int[np.ndarray, " M"]:
    if len(positions) <= most:
        return positions
    return positions[np.linspace(0, len(positions) - 1, most).round().astype(np.int64)]
