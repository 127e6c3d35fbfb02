"""The cache, and both sources on it, with a client that never touches the network."""

import json
import sys

import numpy as np
import pandas as pd
import pytest

from regimecast.core.errors import ConfigError, DataError
from regimecast.data.sources.ccxt import CcxtSource
from regimecast.data.sources.downloads import cached, check_range
from regimecast.data.sources.yfinance import YFinanceSource


class FakeYahoo:
    """Answers as ``yfinance.download`` does with ``group_by="ticker"``."""

    def __init__(self, known=("SPY", "EWJ")):
        self.calls = []
        self.known = known

    def download(self, tickers, **options):
        self.calls.append((tickers, options))
        index = pd.DatetimeIndex(["2020-01-02", "2020-01-03", "2020-01-06"], name="Date")
        fields = ["Open", "High", "Low", "Close", "Volume"]
        found = [ticker for ticker in tickers if ticker in self.known]
        columns = pd.MultiIndex.from_product([found, fields], names=["Ticker", "Price"])
        values = np.arange(3 * len(columns), dtype=float).reshape(3, -1) + 1
        frame = pd.DataFrame(values, index=index, columns=columns)
        if "EWJ" in found:
            frame.loc["2020-01-03", "EWJ"] = np.nan
        return frame


class FakeExchange:
    """Answers as ``fetch_ohlcv`` does: ascending, from `since` on, at most `limit` rows."""

    def __init__(self, opens, page=500):
        self.opens = opens
        self.page = page
        self.calls = 0

    def fetch_ohlcv(self, symbol, timeframe, since, limit):
        self.calls += 1
        rows = [t for t in self.opens if since <= t < since + limit * 3_600_000]
        return [[t, 1, 3, 1, 2, 10] for t in rows[: self.page]]


@pytest.fixture
def yahoo(make_source, tmp_path, monkeypatch):
    fake = FakeYahoo()
    monkeypatch.setattr(YFinanceSource, "client", lambda self: fake)

    def make(**overrides):
        settings = {"tickers": ["SPY", "EWJ"], "start": "2020-01-01", "end": "2020-01-07"}
        return make_source("yfinance", cache=str(tmp_path / "cache"), **{**settings, **overrides})

    make.fake = fake
    make.folder = tmp_path / "cache"
    return make


def test_yfinance_reads_the_network_once(yahoo, monkeypatch):
    first = yahoo().load()
    assert len(yahoo.fake.calls) == 1
    options = yahoo.fake.calls[0][1]
    assert (options["start"], options["end"], options["interval"]) == (
        "2020-01-01",
        "2020-01-07",
        "1d",
    )
    assert first.frame["asset"].tolist() == ["SPY"] * 3 + ["EWJ"] * 2
    assert first.frame["time"].dt.strftime("%F").tolist()[:3] == [
        "2020-01-02",
        "2020-01-03",
        "2020-01-06",
    ]

    def no_network(self):
        raise AssertionError

    monkeypatch.setattr(YFinanceSource, "client", no_network)
    assert yahoo().load().frame.equals(first.frame)


def test_another_request_is_another_file(yahoo):
    yahoo().load(), yahoo(end="2020-01-06").load()
    assert len(list(yahoo.folder.glob("*.parquet"))) == 2


def test_the_sidecar_says_what_was_asked(yahoo):
    yahoo().load()
    (sidecar,) = yahoo.folder.glob("*.json")
    content = json.loads(sidecar.read_text())
    assert set(content) == {"sha256", "request", "time"}
    assert content["request"]["tickers"] == ["SPY", "EWJ"]


def test_a_flipped_byte_is_reported(yahoo):
    yahoo().load()
    (path,) = yahoo.folder.glob("*.parquet")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"{path.name}.*damaged.*delete"):
        yahoo().load()
    path.unlink()
    with pytest.raises(DataError, match="cannot be checked"):
        yahoo().load()


def test_a_broken_sidecar_is_reported(yahoo):
    yahoo().load()
    (sidecar,) = yahoo.folder.glob("*.json")
    sidecar.write_text("[]")
    with pytest.raises(DataError, match="cannot be checked"):
        yahoo().load()


def test_an_interrupted_download_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupted(self, path, **_):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    table = pd.DataFrame({"a": [1]})
    with monkeypatch.context() as patch:
        patch.setattr(pd.DataFrame, "to_parquet", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cached(tmp_path, {"x": 1}, lambda: table)
    assert not list(tmp_path.iterdir())
    assert cached(tmp_path, {"x": 1}, lambda: table)[0].equals(table)


def test_a_file_without_sidecar_is_downloaded_again(tmp_path):
    table = pd.DataFrame({"a": [1]})
    _, path = cached(tmp_path, {"x": 1}, lambda: table)
    path.write_bytes(b"half")
    path.with_suffix(".json").unlink()
    assert cached(tmp_path, {"x": 1}, lambda: table)[0].equals(table)


def test_an_unknown_ticker_is_named(yahoo):
    with pytest.raises(DataError, match="'NOPE'"):
        yahoo(tickers=["SPY", "NOPE"]).load()
    with pytest.raises(DataError, match="nothing"):
        yahoo(tickers=["NOPE"]).load()
    assert not yahoo.folder.exists()


@pytest.mark.parametrize(
    ("overrides", "word"),
    [
        ({"tickers": []}, "tickers"),
        ({"frequency": "7min"}, "allowed: 1m"),
        ({"start": "2020-02-01"}, "start < end"),
        ({"end": "2999-01-01"}, "<= now"),
        ({"end": "never"}, "never"),
    ],
)
def test_bad_requests_say_what_is_allowed(yahoo, overrides, word):
    with pytest.raises(ConfigError, match=word):
        yahoo(**overrides)


@pytest.mark.parametrize("name", ["yfinance", "ccxt"])
def test_a_missing_package_names_its_extra(make_source, tmp_path, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    source = make_source(name, cache=str(tmp_path))
    with pytest.raises(ConfigError, match=rf"pip install 'regimecast\[{name}\]'"):
        source.load()


HOUR = 3_600_000
START = 1_577_836_800_000  # 2020-01-01


@pytest.mark.parametrize("page", [500, 7])
def test_ccxt_pages_until_the_end(make_source, tmp_path, monkeypatch, page):
    opens = [START + i * HOUR for i in range(2000) if not 600 <= i < 1300]
    fake = FakeExchange(opens, page=page)
    monkeypatch.setattr(CcxtSource, "client", lambda self: fake)
    source = make_source("ccxt", start="2020-01-01", end="2020-03-01", cache=str(tmp_path))
    raw = source.load()
    expected = [t + HOUR for t in opens if t + HOUR <= START + 60 * 24 * HOUR]
    # times mark the close; the bar that would end after `end` is left out
    assert (raw.frame["time"].astype("int64") // 1_000_000).tolist() == expected
    assert (raw.frequency, raw.calendar) == ("1h", "24/7")
    calls = fake.calls
    assert source.load().frame.equals(raw.frame)
    assert fake.calls == calls


def test_ccxt_without_bars_or_symbols(make_source, tmp_path, monkeypatch):
    monkeypatch.setattr(CcxtSource, "client", lambda self: FakeExchange([]))
    with pytest.raises(DataError, match="BTC/USDT"):
        make_source("ccxt", start="2020-01-01", end="2020-01-09", cache=str(tmp_path)).load()
    with pytest.raises(ConfigError, match="symbols"):
        make_source("ccxt", symbols=[], cache=str(tmp_path))


def test_ccxt_client_knows_its_exchanges(make_source, tmp_path, monkeypatch):
    class Package:
        exchanges = ("binance", "kraken")

        @staticmethod
        def kraken(options):
            return options

    monkeypatch.setitem(sys.modules, "ccxt", Package)
    kraken = make_source("ccxt", exchange="kraken", cache=str(tmp_path))
    assert kraken.client() == {"enableRateLimit": True}
    with pytest.raises(ConfigError, match="Did you mean 'kraken'"):
        make_source("ccxt", exchange="krakn", cache=str(tmp_path)).client()


def test_range_is_in_utc():
    first, last = check_range("2020-01-01", "2020-01-02 12:00")
    assert (last - first) == pd.Timedelta("36h")
    with pytest.raises(ConfigError, match="without a zone"):
        check_range("2020-01-01T00:00+01:00", "2020-01-02")
