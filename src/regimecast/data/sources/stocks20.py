"""Twenty large US stocks: the sample panel of the ``skfolio`` package, offline."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from skfolio.datasets import load_sp500_dataset

from regimecast.core.errors import ConfigError, did_you_mean
from regimecast.data.sources.base import RawBars, Source, SourceRegistry
from regimecast.data.sources.frame import column

__all__ = ["Stocks20Source"]


@SourceRegistry.register("stocks20")
class Stocks20Source(Source):
    """Daily adjusted closes of 20 members of the S&P 500, 1990-01-02 to 2022-12-28.

    Closes only: features that need a range or volume do not work on it. All twenty are members that
    survived to 2022, so what a strategy earns on them is flattered.

    Source: ``skfolio.datasets.load_sp500_dataset`` (Yahoo Finance).

    Args:
        assets: tickers to keep; None keeps all.

    Raises:
        ConfigError: an empty list.
    """

    def __init__(self, *, assets: Sequence[str] | None) -> None:
        if assets is not None and not assets:
            raise ConfigError("assets is empty; null keeps all twenty")
        self.assets = assets

    def load(self) -> RawBars:
        """Closes of the chosen stocks.

        Raises:
            ConfigError: a ticker is not among the twenty.
        """
        closes = load_sp500_dataset()
        chosen = list(self.assets or closes.columns)
        for name in chosen:
            if name not in closes.columns:
                raise ConfigError(
                    f"assets: unknown {name!r}.{did_you_mean(name, closes.columns)} "
                    f"Allowed: {', '.join(closes.columns)}"
                )
        time = closes.index.to_numpy(dtype="datetime64[ns]")
        return RawBars(
            frame=pd.DataFrame(
                {
                    "asset": np.repeat(np.array(chosen), len(time)),
                    "time": np.tile(time, len(chosen)),
                    "close": closes[chosen].to_numpy(dtype=float).ravel(order="F"),
                }
            ),
            columns=(column("close"),),
            frequency="1D",
            calendar="XNYS",
            origin="skfolio.datasets.load_sp500_dataset",
        )
