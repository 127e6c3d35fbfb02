"""Records of made forecasts, and methods with their packaged parameters."""

from typing import Any

import numpy as np

from regimecast.core.forecast import Forecast, Outcomes
from regimecast.core.types import ForecastKind
from regimecast.evaluation.conformal.base import ConformalRegistry
from regimecast.evaluation.conformal.intervals import Intervals
from regimecast.evaluation.conformal.record import Record
from tests.data.folds import packaged

METHODS = tuple(name for name in ConformalRegistry.available() if name != "none")
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def method(name: str, **changes: Any) -> Intervals:
    """A method with its packaged parameters but for the changes it has."""
    config = packaged("conformal", name)
    config |= {key: value for key, value in changes.items() if key in config}
    made = ConformalRegistry.create(config.pop("name"), **config)
    assert isinstance(made, Intervals)
    return made


def make_record(
    values: np.ndarray,
    actual: np.ndarray,
    *,
    levels: tuple[float, ...] = (0.5,),
    assets: int = 1,
    start: int = 0,
    mask: np.ndarray | None = None,
    scale: np.ndarray | None = None,
    regime: np.ndarray | None = None,
) -> Record:
    """Forecasts [N, H, Q] and outcomes [N, H] of assets that follow each other, bar by bar."""
    n, horizon, _ = values.shape
    bars = n // assets
    asset = np.repeat(np.arange(assets), bars)
    day = np.tile(np.arange(start, start + bars), assets)
    forecast = Forecast(
        values,
        levels,
        ForecastKind.QUANTILES,
        asset,
        day.astype("datetime64[D]").astype("datetime64[ns]"),
        tuple("abcdefgh"[:assets]),
    )
    outcomes = Outcomes(
        actual.astype(np.float64),
        np.ones(actual.shape, dtype=bool) if mask is None else mask,
        np.ones(n, dtype=np.int8) if regime is None else regime,
        np.ones(actual.shape),
        asset,
        forecast.origin,
    )
    last = start + bars + horizon
    time = np.arange(last).astype("datetime64[D]").astype("datetime64[ns]").view(np.int64)
    return Record(
        forecast,
        outcomes,
        asset * last + day,
        np.tile(time, assets),
        np.ones(n) if scale is None else scale,
    )


def noisy(seed: int, bars: int, *, horizon: int = 2, assets: int = 2, start: int = 0) -> Record:
    """Quantile forecasts that are too narrow, in markets that grow wilder and calmer."""
    rng = np.random.default_rng(seed)
    n = bars * assets
    scale = np.exp(rng.normal(0, 0.3, n))
    wild = 1 + 2 * (np.sin(np.arange(n) / 30) > 0.3)
    steps = np.sqrt(np.arange(1, horizon + 1))
    actual = rng.standard_t(4, (n, horizon)) * (scale * wild)[:, None] * steps
    middle = rng.normal(0, 0.1, (n, horizon, 1))
    spread = 0.5 * scale[:, None, None] * steps[:, None]
    values = middle + np.array([-1.6, -0.6, 0, 0.6, 1.6]) * spread
    mask = rng.random((n, horizon)) > 0.05
    return make_record(
        values, actual, levels=LEVELS, assets=assets, start=start, mask=mask, scale=scale
    )
