from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from regimecast.core.config import config_folder
from regimecast.data.panel import Column, Panel, Role
from regimecast.regimes.base import RegimeLabeller, RegimeRegistry


@pytest.fixture
def price() -> dict[str, Any]:
    return {"drop": 0.15, "drop_bars": 10, "rise": 0.10, "memory": 20, "recovery": 15}


@pytest.fixture(scope="session")
def labeller() -> Callable[..., RegimeLabeller]:
    """Labeller of the packaged yaml, with changes."""

    def make(name: str, **changes: Any) -> RegimeLabeller:
        config = yaml.safe_load((config_folder() / "regime" / f"{name}.yaml").read_text())
        assert config.pop("name") == name
        return RegimeRegistry.create(name, **{**config, **changes})

    return make


@pytest.fixture(scope="session")
def panel_of() -> Callable[..., Panel]:
    """Panel of one or more assets' closes, with a volatility index if given."""

    def make(*closes: Any, vix: Any = None, lag: int = 0, times: Any = None) -> Panel:
        series = [np.asarray(close, dtype=np.float64) for close in closes]
        if times is None:
            times = [np.datetime64("2020-01-01", "ns") + _days(len(close)) for close in series]
        columns = [Column("close", Role.TARGET_SOURCE)]
        values = [np.concatenate(series)]
        if vix is not None:
            columns.append(Column("vix", Role.PAST, lag))
            values.append(np.asarray(vix, dtype=np.float64))
        return Panel(
            values=np.column_stack(values),
            time=np.concatenate(times),
            offsets=np.cumsum([0, *(len(close) for close in series)]),
            columns=tuple(columns),
            assets=tuple(f"A{k}" for k in range(len(series))),
            frequency="1D",
            calendar="XNYS",
        )

    return make


def _days(n: int) -> np.ndarray:
    return np.arange(n).astype("timedelta64[D]").astype("timedelta64[ns]")


@pytest.fixture(scope="session")
def sp500(shared_data: Path, panel_of: Callable[..., Panel]) -> Panel:
    """S&P 500 and VIX closes, the VIX known one day late."""
    bars = pd.read_parquet(shared_data / "daily" / "spx_vix_1990_2023.parquet")
    time = bars.index.to_numpy().astype("datetime64[ns]")
    return panel_of(bars["close"], vix=bars["vix_close"], lag=1, times=[time])
