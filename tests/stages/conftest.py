"""Bars in a small csv file, and a config of quick stages that reads them."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from regimecast.core.compose import composed

Config = dict[str, Any]
SMALL = (
    "data=csv",
    "features=[momentum,calendar]",
    "target=triple_barrier",
    "target.volatility_window=20",
    "window.context_length=16",
    "search.population=6",
    "search.generations=2",
    "search.horizon=[2,12]",
    "cost=zero",
)


def write_bars(path: Path, *, bars: int = 700, seed: int = 1) -> Path:
    """Two assets of different lengths, daily, with the usual columns."""
    generator = np.random.default_rng(seed)
    frames = []
    for asset, length in (("AAA", bars), ("BBB", bars - 100)):
        close = 100 * np.exp(np.cumsum(generator.normal(0, 0.01, length)))
        spread = 1 + np.abs(generator.normal(0, 0.005, length))
        frames.append(
            pd.DataFrame(
                {
                    "asset": asset,
                    "time": pd.bdate_range(end="2020-12-31", periods=length),
                    "open": close / np.sqrt(spread),
                    "high": close * spread,
                    "low": close / spread,
                    "close": close,
                    "volume": generator.integers(1_000, 9_000, length),
                }
            )
        )
    pd.concat(frames).to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def _template() -> Config:
    return composed(["+labels/search=barriers", "data.path=none", *SMALL])


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    return write_bars(tmp_path / "bars.csv")


@pytest.fixture
def config(_template: Config, bars: Path) -> Config:
    """A config of its own for every test."""
    config = deepcopy(_template)
    config["data"]["path"] = str(bars)
    return config


@pytest.fixture
def hashes() -> Callable[[Path], dict[str, str]]:
    """SHA-256 of every artifact below a pipeline folder."""
    from regimecast.core.hashing import hash_file

    def of(folder: Path) -> dict[str, str]:
        return {
            path.relative_to(folder).as_posix(): hash_file(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.parent != folder
        }

    return of
