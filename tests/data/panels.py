"""Small panels made of arithmetic, so that a test can say what every number is."""

import numpy as np

from regimecast.data.panel import Column, Panel, Role

OHLCV = tuple(Column(n, Role.TARGET_SOURCE) for n in ("open", "high", "low", "close", "volume"))


def random_panel(*lengths: int, seed: int = 0, extra: tuple[Column, ...] = ()) -> Panel:
    """Daily bars of one asset per length, all ending on the same day; random walks."""
    rng = np.random.default_rng(seed)
    parts, times = [], []
    last = np.datetime64("2020-06-30", "ns")
    for length in lengths:
        close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, length)))
        opened = close * np.exp(rng.normal(0, 0.003, length))
        high = np.maximum(opened, close) * np.exp(np.abs(rng.normal(0, 0.003, length)))
        low = np.minimum(opened, close) * np.exp(-np.abs(rng.normal(0, 0.003, length)))
        volume = rng.integers(1_000, 9_000, length).astype(float)
        others = [_extra(column, rng.normal(20, 3, length)) for column in extra]
        parts.append(np.stack([opened, high, low, close, volume, *others], axis=1))
        times.append(last - np.arange(length)[::-1] * np.timedelta64(1, "D"))
    return Panel(
        values=np.concatenate(parts),
        time=np.concatenate(times),
        offsets=np.cumsum([0, *lengths]),
        columns=(*OHLCV, *extra),
        assets=tuple(f"A{i}" for i in range(len(lengths))),
        frequency="1D",
        calendar="24/7",
    )


def _extra(column: Column, values: np.ndarray) -> np.ndarray:
    """Values of an extra column; a static one has its first throughout."""
    return np.full_like(values, values[0]) if column.role is Role.STATIC else values
