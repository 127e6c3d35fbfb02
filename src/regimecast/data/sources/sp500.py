"""Two US indices of the pandas age: the data that work offline, from the ``arch`` package."""

from collections.abc import Sequence

import pandas as pd
from arch.data import nasdaq, sp500, vix

from regimecast.core.errors import ConfigError, did_you_mean
from regimecast.data.panel import Role
from regimecast.data.sources.base import RawBars, Source, SourceRegistry
from regimecast.data.sources.frame import BARS, column

__all__ = ["Sp500Source"]

_INDICES = {"SPX": sp500, "NASDAQ": nasdaq}


@SourceRegistry.register("sp500")
class Sp500Source(Source):
    """Daily S&P 500 and NASDAQ composite 1999-01-04 to 2018-12-31, with the VIX from 2014-01-03.

    Source: the data sets of the ``arch`` package (Yahoo Finance; VIX from FRED, series VIXCLS).

    Args:
        assets: which of ``SPX`` and ``NASDAQ``.
        vix_lag: bars after which a VIX close counts as known; 1, since it is struck after the
            equity close.

    Raises:
        ConfigError: an unknown asset, or none.
    """

    def __init__(self, *, assets: Sequence[str], vix_lag: int) -> None:
        for name in assets:
            if name not in _INDICES:
                raise ConfigError(
                    f"assets: unknown {name!r}.{did_you_mean(name, _INDICES)} "
                    f"Allowed: {', '.join(_INDICES)}"
                )
        if not assets:
            raise ConfigError(f"assets is empty; allowed: {', '.join(_INDICES)}")
        self.assets = tuple(assets)
        self.vix_lag = vix_lag

    def load(self) -> RawBars:
        """Bars of both indices; NaN in ``vix`` before 2014-01-03."""
        volatility = vix.load()["vix"]
        frames = []
        for name in self.assets:
            bars = _INDICES[name].load().rename(columns=str.lower)
            frames.append(
                pd.DataFrame(
                    {
                        "asset": name,
                        "time": bars.index.to_numpy(dtype="datetime64[ns]"),
                        **{key: bars[key].to_numpy(dtype=float) for key in BARS},
                        "vix": volatility.reindex(bars.index).to_numpy(dtype=float),
                    }
                )
            )
        return RawBars(
            frame=pd.concat(frames, ignore_index=True),
            columns=(*map(column, BARS), column("vix", role=Role.REFERENCE, lag=self.vix_lag)),
            frequency="1D",
            calendar="XNYS",
            origin="arch.data: sp500, nasdaq, vix",
        )
