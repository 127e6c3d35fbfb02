from collections.abc import Callable

import numpy as np
import pytest

from regimecast.core.types import Samples


@pytest.fixture
def daily_samples() -> Callable[..., Samples]:
    """N samples of one asset on consecutive days, each label reading `label_bars` bars."""

    def make(n: int, label_bars: int = 1) -> Samples:
        row = np.arange(n)
        day = row.astype("datetime64[D]").astype("datetime64[ns]")
        ahead = np.timedelta64(label_bars, "D").astype("timedelta64[ns]")
        return Samples(row, np.zeros(n, dtype=np.int64), day, day, day + ahead, row + label_bars)

    return make
