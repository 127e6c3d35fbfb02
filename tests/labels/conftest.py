from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest


@dataclass(frozen=True, eq=False)
class Golden:
    """What mlfinpy 0.1.2 makes of 130,000 minutes of bitcoin, as positions of bars.

    Events are those of its CUSUM filter at 0.005; barriers lie one target away on both sides, with
    a deadline of 240 minutes of clock time, watched by closes alone.
    """

    time: pd.DatetimeIndex
    close: np.ndarray
    entries: np.ndarray
    exits: np.ndarray
    label: np.ndarray
    ret: np.ndarray
    target: np.ndarray
    uniqueness: np.ndarray


@pytest.fixture(scope="session")
def golden(shared_data: Path) -> Golden:
    bars = pd.read_parquet(shared_data / "crypto_1m" / "btcusdt_1m_2020H1.parquet")[:130_000]
    table = pd.read_csv(shared_data / "golden" / "mlfinpy_tb_btcusdt_2020H1_130k.csv.gz")
    time = pd.DatetimeIndex(bars.index)
    entries = time.get_indexer(pd.to_datetime(table.event, utc=True))
    exits = time.get_indexer(pd.to_datetime(table.t1, utc=True))
    assert min(entries.min(), exits.min()) >= 0
    return Golden(
        time,
        bars.close.to_numpy(np.float64),
        entries,
        exits,
        *(table[name].to_numpy() for name in ("bin", "ret", "trgt", "tW")),
    )
