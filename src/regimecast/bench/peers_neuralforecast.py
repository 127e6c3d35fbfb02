"""neuralforecast (Apache-2.0), trained and asked for forecasts as its users do it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from regimecast.bench.networks import Network
from regimecast.bench.steps import stamps_for, unheard
from regimecast.data.market import MarketData
from regimecast.models.neuralforecast import contained

__all__ = ["PACKAGE", "inference", "market_frame", "training"]

PACKAGE = "neuralforecast"
_ANY_SEED = 0


def market_frame(market: MarketData) -> pd.DataFrame:
    """The market in long form: every asset's log close and covariates, bar by bar."""
    bars = market.bars
    covariates = np.nan_to_num(market.past[:, 1:], nan=0.0)
    return pd.DataFrame(
        {
            "unique_id": np.asarray(bars.assets)[bars.asset_of_row],
            "ds": bars.time,
            "y": np.log(bars.actual("close")).astype(np.float32),
            **dict(zip(market.spec.past[1:], covariates.T, strict=True)),
        }
    )


def training(
    network: Network, market: MarketData, *, batch_size: int, steps: int
) -> Callable[[], object]:
    """A call that makes so many training steps with `NeuralForecast.fit`.

    Every step takes `batch_size` windows drawn from all series, without validation.
    """
    library = _library(network, market, batch_size=batch_size, max_steps=steps)
    frame: pd.DataFrame | None = market_frame(market)

    def fit() -> None:
        nonlocal frame
        with unheard():
            library.fit(df=frame)
        frame = None  # it keeps what it made of the frame

    return fit


def inference(
    network: Network, market: MarketData, *, batch_size: int, windows: int
) -> Callable[[], pd.DataFrame]:
    """A call that forecasts at `windows` origins of every series, the last that are complete.

    It is `cross_validation` at a step of one bar by the fitted model, which trains nothing.
    """
    library = _library(network, market, batch_size=batch_size, max_steps=1)
    frame = market_frame(market)
    with unheard():
        library.fit(df=frame)

    def forecast() -> pd.DataFrame:
        with unheard():
            return library.cross_validation(
                df=frame,
                n_windows=None,
                test_size=windows + market.spec.horizon - 1,
                step_size=1,
                refit=False,
                use_fitted=True,
            )

    return forecast


def _library(network: Network, market: MarketData, **settings: Any) -> Any:
    with contained(_ANY_SEED), unheard():
        from neuralforecast import NeuralForecast, models
        from neuralforecast.losses.pytorch import MAE

        spec = market.spec
        model = getattr(models, network.architecture)(
            h=spec.horizon,
            input_size=spec.context_length,
            hist_exog_list=list(spec.past[1:]) if network.reads_past else None,
            loss=MAE(),
            batch_size=len(spec.assets),
            windows_batch_size=settings.pop("batch_size"),
            scaler_type="identity",
            callbacks=[stamps_for("pytorch_lightning")],
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            **settings,
            **network.sizes,
        )
        return NeuralForecast(models=[model], freq=market.bars.frequency)
