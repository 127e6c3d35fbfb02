"""Samples for split tests: what a data module would derive from a panel."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from regimecast.core.types import Samples

SampleMaker = Callable[..., Samples]


def samples_of(
    times: Sequence[np.ndarray], *, lookback: int, label_bars: int, stride: int = 1
) -> Samples:
    """Every origin with `lookback` bars before it and `label_bars` bars after it, per asset."""
    columns: list[list[np.ndarray]] = [[] for _ in range(6)]
    offset = 0
    for asset, time in enumerate(times):
        time = np.asarray(time, dtype="datetime64[ns]")
        origin = np.arange(lookback, len(time) - label_bars, stride)
        for column, values in zip(
            columns,
            (
                offset + origin,
                np.full(len(origin), asset),
                time[origin],
                time[origin - lookback],
                time[origin + label_bars],
                offset + origin + label_bars,
            ),
            strict=True,
        ):
            column.append(values)
        offset += len(time)
    return Samples(*(np.concatenate(column) for column in columns))


@pytest.fixture
def make_samples() -> SampleMaker:
    return samples_of


@pytest.fixture
def business_days() -> Callable[[int], np.ndarray]:
    def days(n: int, start: str = "2000-01-03") -> np.ndarray:
        return np.busday_offset(start, np.arange(n)).astype("datetime64[ns]")

    return days
