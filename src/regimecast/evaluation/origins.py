"""Where a forecast's origins stand in a panel, and trailing figures known there."""

from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float, Int

from regimecast.core.errors import DataError, SpecError, did_you_mean
from regimecast.core.types import Forecast
from regimecast.data.panel import Panel

__all__ = ["origin_rows", "trailing_return", "trailing_volatility"]


def origin_rows(forecast: Forecast, panel: Panel) -> Int[np.ndarray, " N"]:
    """Panel row of the bar at whose close each forecast was made.

    Raises:
        DataError: an asset or an origin is not in the panel.
        SpecError: an (asset, origin) has two forecasts, as when folds overlap.
    """
    for name in forecast.assets:
        if name not in panel.assets:
            raise DataError(
                f"the forecast's asset {name!r} is not in the panel."
                f"{did_you_mean(name, panel.assets)}"
            )
    position = {name: code for code, name in enumerate(panel.assets)}
    asset = np.array([position[name] for name in forecast.assets], dtype=np.int64)[forecast.asset]
    # (asset, time) as one integer, ascending along the panel: one search finds every origin.
    times, code = np.unique(panel.time, return_inverse=True)
    key = panel.asset_of_row * len(times) + code
    origin = forecast.origin.astype("datetime64[ns]")
    at = np.searchsorted(times, origin)
    row = np.searchsorted(key, asset * len(times) + np.minimum(at, max(len(times) - 1, 0)))
    row = np.minimum(row, max(panel.n_rows - 1, 0))
    found = np.zeros(len(forecast), dtype=bool)
    if panel.n_rows:
        found = (panel.asset_of_row[row] == asset) & (panel.time[row] == origin)
    if not found.all():
        first = int(np.flatnonzero(~found)[0])
        raise DataError(
            f"{forecast.assets[int(forecast.asset[first])]!r} has no bar at {origin[first]}, "
            f"the origin of forecast {first}"
        )
    count = np.bincount(row, minlength=1)
    if count.max() > 1:
        twice = int(count.argmax())
        raise SpecError(
            f"{panel.assets[int(panel.asset_of_row[twice])]!r} has {count[twice]} forecasts at "
            f"{panel.time[twice]}; a backtest takes one per asset and origin"
        )
    return row


def trailing_return(panel: Panel, bars: int) -> Float[np.ndarray, " R"]:
    """Log return of the close over the last `bars` bars, known at each close; NaN in warm-up."""
    log_close = _log(panel.available("close"))
    past = np.full(panel.n_rows, np.nan)
    past[bars:] = log_close[:-bars] if bars else log_close
    past[_age(panel) < bars] = np.nan
    return log_close - past


def trailing_volatility(panel: Panel, window: int) -> Float[np.ndarray, " R"]:
    """Standard deviation (ddof 1) of the last `window` one-bar log returns, known at each close.

    Per bar, not annualised; NaN until an asset has `window` returns.
    """
    return _rolling_deviation(trailing_return(panel, 1), panel.offsets, window)


def _log(price: Float[np.ndarray, " R"]) -> Float[np.ndarray, " R"]:
    usable = np.isfinite(price) & (price > 0)
    return np.log(price, where=usable, out=np.full(len(price), np.nan))


def _age(panel: Panel) -> Int[np.ndarray, " R"]:
    """Bars of its asset before each row."""
    return np.arange(panel.n_rows) - panel.offsets[panel.asset_of_row]


@no_type_check  # numba compiles the bare function, which a type checker's wrapper is not
@numba.njit(cache=True)
def _rolling_deviation(values, offsets, window):  # noqa: ANN202  # the compiler infers types
    # Two passes over each window: a running sum would carry an early rounding error or NaN onwards.
    result = np.full(len(values), np.nan)
    for asset in range(len(offsets) - 1):
        for row in range(offsets[asset] + window - 1, offsets[asset + 1]):
            mean = 0.0
            for i in range(row - window + 1, row + 1):
                mean += values[i]
            mean /= window
            total = 0.0
            for i in range(row - window + 1, row + 1):
                total += (values[i] - mean) ** 2
            result[row] = np.sqrt(total / (window - 1))
    return result
