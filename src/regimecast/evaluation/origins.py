"""Where a forecast's origins stand in a panel, and trailing figures known there."""

import numpy as np
from jaxtyping import Float, Int

from regimecast.core.errors import DataError, SpecError, did_you_mean
from regimecast.core.forecast import Forecast
from regimecast.data.panel import Panel

__all__ = ["origin_rows", "trailing_return"]


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


def _log(price: Float[np.ndarray, " R"]) -> Float[np.ndarray, " R"]:
    usable = np.isfinite(price) & (price > 0)
    return np.log(price, where=usable, out=np.full(len(price), np.nan))


def _age(panel: Panel) -> Int[np.ndarray, " R"]:
    """Bars of its asset before each row."""
    return np.arange(panel.n_rows) - panel.offsets[panel.asset_of_row]
