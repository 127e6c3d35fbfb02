"""Trailing volatility of a panel: the unit of targets and of barriers."""

import numpy as np
from jaxtyping import Float

from regimecast.core.errors import ConfigError, DataError
from regimecast.data.panel import Panel
from regimecast.data.returns import log_returns, trailing_volatility
from regimecast.labels.checks import checked_count

__all__ = ["check_volatility", "log_close", "target_scale"]


def check_volatility(target: str, *, window: int, floor: float) -> None:
    """Raises `ConfigError` unless a window holds two returns and a floor is positive."""
    checked_count(f"{target}.volatility_window", window, least=2)
    if not 0.0 < floor < np.inf:
        raise ConfigError(f"{target}.volatility_floor={floor}; allowed: above 0")


def log_close(panel: Panel) -> Float[np.ndarray, " R"]:
    """Ln of the close that happened at each bar, float64.

    Raises:
        DataError: a close is missing or not positive.
    """
    close = panel.actual("close")
    wrong = np.flatnonzero(~(np.isfinite(close) & (close > 0)))
    if len(wrong):
        row = int(wrong[0])
        asset = panel.assets[int(panel.asset_of_row[row])]
        raise DataError(
            f"close={close[row]} of {asset!r} at {panel.time[row]} ({len(wrong)} such bars); "
            "a target needs positive closes"
        )
    return np.log(np.asarray(close, dtype=np.float64))


def target_scale(panel: Panel, *, window: int, floor: float) -> Float[np.ndarray, " R"]:
    """Trailing volatility of the last `window` log returns, at least `floor`.

    Known at the close of each bar; NaN in an asset's first `window` bars and wherever the window
    misses a close.
    """
    return np.maximum(trailing_volatility(log_returns(panel), window=window), floor)
