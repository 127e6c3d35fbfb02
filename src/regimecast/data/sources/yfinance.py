"""Bars from Yahoo Finance, kept in a local cache."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from regimecast.core.errors import ConfigError, DataError
from regimecast.data.calendars import bar_length
from regimecast.data.sources.base import RawBars, Source, SourceRegistry
from regimecast.data.sources.downloads import cached, check_range, optional_package
from regimecast.data.sources.frame import BARS, TableReader

__all__ = ["YFinanceSource"]

_INTERVALS = {
    pd.Timedelta(length): name
    for length, name in (
        ("1min", "1m"),
        ("2min", "2m"),
        ("5min", "5m"),
        ("15min", "15m"),
        ("30min", "30m"),
        ("1h", "1h"),
        ("90min", "90m"),
        ("1D", "1d"),
    )
}


@SourceRegistry.register("yfinance")
class YFinanceSource(Source):
    """Bars of Yahoo Finance tickers, prices adjusted for splits and dividends.

    Adjusted prices of the past change with every later dividend; the cache keeps what a study saw.

    Args:
        tickers: such as ``SPY`` or ``^GSPC``.
        start: first date, included.
        end: last date, excluded; not in the future.
        frequency: bar length; Yahoo serves intraday bars of the last weeks only.
        calendar: exchange code or ``24/7``.
        timezone: zone in which the dates of daily bars read.
        cache: folder of the downloads; ``~`` is the home folder.

    Raises:
        ConfigError: no tickers, bad dates, or a bar length that Yahoo does not serve.
    """

    def __init__(
        self,
        *,
        tickers: Sequence[str],
        start: str,
        end: str,
        frequency: str,
        calendar: str,
        timezone: str,
        cache: str,
    ) -> None:
        if not tickers:
            raise ConfigError("tickers is empty; name at least one, such as SPY")
        check_range(start, end)
        interval = _INTERVALS.get(bar_length(frequency))
        if interval is None:
            allowed = ", ".join(_INTERVALS.values())
            raise ConfigError(f"frequency={frequency!r} is not served; allowed: {allowed}")
        self.request: dict[str, Any] = {
            "source": "yfinance",
            "tickers": list(tickers),
            "start": start,
            "end": end,
            "interval": interval,
        }
        self.cache = Path(cache)
        self.reader = TableReader(
            layout="long",
            columns=None,
            asset=None,
            time_format=None,
            timezone=timezone,
            stamp="open",
            frequency=frequency,
            calendar=calendar,
            roles=None,
            lags=None,
        )

    def client(self) -> Any:
        """The ``yfinance`` module, or anything with its ``download``."""
        return optional_package("yfinance")

    def load(self) -> RawBars:
        """Bars from the cache, or from the network if they are not there yet."""
        table, path = cached(self.cache, self.request, self._download)
        return self.reader.bars({str(path): table}, origin=f"yfinance, cached in {path}")

    def _download(self) -> pd.DataFrame:
        wide = self.client().download(
            self.request["tickers"],
            start=self.request["start"],
            end=self.request["end"],
            interval=self.request["interval"],
            auto_adjust=True,
            group_by="ticker",
            multi_level_index=True,
            progress=False,
        )
        if wide is None or wide.empty:
            raise DataError(f"yfinance returned nothing for {self.request}")
        frames = []
        for ticker in self.request["tickers"]:
            found = wide.columns.get_level_values(0)
            bars = wide[ticker].rename(columns=str.lower) if ticker in found else pd.DataFrame()
            # All tickers share one index: a row without any value is no bar of this one.
            bars = bars.reindex(columns=list(BARS)).dropna(how="all")
            if bars.empty:
                raise DataError(f"yfinance returned nothing for ticker {ticker!r}")
            bars.insert(0, "asset", ticker)
            frames.append(bars.rename_axis("time").reset_index())
        return pd.concat(frames, ignore_index=True)
