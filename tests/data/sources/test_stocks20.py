import pytest

from regimecast.core.errors import ConfigError


def test_golden(make_source):
    raw = make_source("stocks20").load()
    assert raw.frame.groupby("asset").size().tolist() == [8313] * 20
    apple = raw.frame[raw.frame["asset"] == "AAPL"]
    assert (apple["close"].iloc[0], apple["close"].iloc[-1]) == (0.264, 125.674)
    assert apple["time"].iloc[[0, -1]].dt.strftime("%F").tolist() == ["1990-01-02", "2022-12-28"]
    assert [c.name for c in raw.columns] == ["close"]


def test_assets_are_chosen_and_checked(make_source):
    raw = make_source("stocks20", assets=["XOM", "KO"]).load()
    assert raw.frame["asset"].unique().tolist() == ["XOM", "KO"]
    with pytest.raises(ConfigError, match="Did you mean 'XOM'"):
        make_source("stocks20", assets=["XON"]).load()
    with pytest.raises(ConfigError, match="empty"):
        make_source("stocks20", assets=[])
