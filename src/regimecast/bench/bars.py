"""Bars that the benchmarks work on: random walks of one-minute bars, the same in every run."""

import numpy as np
import pandas as pd
from jaxtyping import Float

from regimecast.data.panel import Column, Panel, Role

__all__ = ["FEW_BARS", "MANY_BARS", "NINETY_DAYS", "YEAR_OF_DAYS", "frame_of", "panel_of", "walk"]

YEAR_OF_DAYS = 252
FEW_BARS = 5_000
"""Bars of a quick run."""
NINETY_DAYS = 129_600
"""Ninety days of one-minute bars."""
MANY_BARS = 10_000_000


def walk(length: int, seed: int = 0) -> dict[str, Float[np.ndarray, " T"]]:
    """Closes, highs and lows with a standard deviation of 5 basis points per minute."""
    rng = np.random.default_rng(seed)
    close = 10_000.0 * np.exp(np.cumsum(rng.normal(0.0, 5e-4, length)))
    spread = rng.exponential(2e-4, (2, length))
    return {"close": close, "high": close * (1 + spread[0]), "low": close * (1 - spread[1])}


def frame_of(length: int, seed: int = 0) -> pd.DataFrame:
    """The same as a frame with a column ``time``."""
    time = pd.date_range("2024-01-01", periods=length, freq="min", unit="ns")
    return pd.DataFrame({"time": time, **walk(length, seed)})


def panel_of(length: int, assets: int = 1) -> Panel:
    """Bars of some assets with volume and a volatility index, which comes a bar late."""
    names = ("open", "high", "low", "close", "volume", "vix")
    parts = []
    for asset in range(assets):
        rng = np.random.default_rng([1, asset])
        bars = walk(length, asset)
        bars["open"] = bars["low"] + (bars["high"] - bars["low"]) * rng.random(length)
        bars["volume"] = rng.integers(1, 9_000, length).astype(np.float64)
        bars["vix"] = 20.0 * np.exp(rng.normal(0.0, 0.1, length))
        parts.append(np.stack([bars[name] for name in names], axis=1))
    minutes = np.arange(length) * np.timedelta64(1, "m")
    return Panel(
        values=np.concatenate(parts),
        time=np.tile(np.datetime64("2024-01-01", "ns") + minutes, assets),
        offsets=np.arange(assets + 1) * length,
        columns=(
            *(Column(name, Role.TARGET_SOURCE) for name in names[:-1]),
            Column("vix", Role.REFERENCE, lag=1),
        ),
        assets=tuple(f"A{asset}" for asset in range(assets)),
        frequency="1min",
        calendar="24/7",
    )
