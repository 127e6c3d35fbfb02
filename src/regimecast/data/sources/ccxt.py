"""Bars from a crypto exchange through ``ccxt``, kept in a local cache."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from regimecast.core.errors import ConfigError, DataError, did_you_mean
from regimecast.data.calendars import ALWAYS_OPEN, bar_length
from regimecast.data.sources.base import RawBars, Source, SourceRegistry
from regimecast.data.sources.downloads import cached, check_range, optional_package
from regimecast.data.sources.frame import BARS, TableReader

__all__ = ["CcxtSource"]

_UNITS = (("w", "7D"), ("d", "1D"), ("h", "1h"), ("m", "1min"), ("s", "1s"))
_PAGE = 500
"""Bars per request; every exchange that serves bars serves this many."""


@SourceRegistry.register("ccxt")
class CcxtSource(Source):
    """Open-high-low-close-volume bars of an exchange's symbols, public data without a key.

    Args:
        exchange: its id in ccxt, such as ``binance`` or ``kraken``.
        symbols: unified names such as ``BTC/USDT``.
        start: first time in UTC, included.
        end: last time in UTC, excluded; not in the future, so that every bar is complete.
        frequency: bar length that the exchange serves.
        cache: folder of the downloads; ``~`` is the home folder.

    Raises:
        ConfigError: no symbols, bad dates or a frequency that is no bar length.
    """

    def __init__(
        self,
        *,
        exchange: str,
        symbols: Sequence[str],
        start: str,
        end: str,
        frequency: str,
        cache: str,
    ) -> None:
        if not symbols:
            raise ConfigError("symbols is empty; name at least one, such as BTC/USDT")
        self.start, self.end = check_range(start, end)
        self.step = bar_length(frequency)
        self.request: dict[str, Any] = {
            "source": "ccxt",
            "exchange": exchange,
            "symbols": list(symbols),
            "start": start,
            "end": end,
            "timeframe": _timeframe(self.step),
        }
        self.cache = Path(cache)
        self.reader = TableReader(
            layout="long",
            columns=None,
            asset=None,
            time_format="ms",
            timezone="UTC",
            stamp="open",
            frequency=frequency,
            calendar=ALWAYS_OPEN,
            roles=None,
            lags=None,
        )

    def client(self) -> Any:
        """The exchange, rate-limited.

        Raises:
            ConfigError: ccxt is not installed or does not know the exchange.
        """
        package = optional_package("ccxt")
        name = self.request["exchange"]
        if name not in package.exchanges:
            raise ConfigError(
                f"exchange={name!r} is unknown to ccxt.{did_you_mean(name, package.exchanges)}"
            )
        return getattr(package, name)({"enableRateLimit": True})

    def load(self) -> RawBars:
        """Bars from the cache, or from the network if they are not there yet."""
        table, path = cached(self.cache, self.request, self._download)
        return self.reader.bars({str(path): table}, origin=f"ccxt, cached in {path}")

    def _download(self) -> pd.DataFrame:
        client = self.client()
        frames = []
        for symbol in self.request["symbols"]:
            bars = pd.DataFrame(self._pages(client, symbol), columns=["time", *BARS])
            if bars.empty:
                raise DataError(
                    f"{self.request['exchange']} has no bars of {symbol!r} in the range"
                )
            bars = bars.astype(dict.fromkeys(BARS, "float64"))
            bars.insert(0, "asset", symbol)
            frames.append(bars)
        return pd.concat(frames, ignore_index=True)

    def _pages(self, client: Any, symbol: str) -> list[list[Any]]:
        step = self.step // pd.Timedelta("1ms")
        since = self.start.value // 1_000_000
        # A bar that opens within the last step before the end is not complete at the end.
        last = self.end.value // 1_000_000 - step
        rows: list[list[Any]] = []
        while since <= last:
            page = client.fetch_ohlcv(symbol, self.request["timeframe"], since=since, limit=_PAGE)
            fresh = [row for row in page if since <= row[0] <= last]
            rows += fresh
            # An empty page is a stretch without trades, before the listing for example.
            since = int(page[-1][0]) + step if fresh else since + _PAGE * step
        return rows


def _timeframe(step: pd.Timedelta) -> str:
    for letter, unit in _UNITS:
        if step % pd.Timedelta(unit) == pd.Timedelta(0):
            return f"{step // pd.Timedelta(unit)}{letter}"
    raise ConfigError(f"a bar of {step} is shorter than a second; no exchange serves it")
