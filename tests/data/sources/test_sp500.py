import numpy as np
import pytest

from regimecast.core.errors import ConfigError
from regimecast.data.panel import Role


def test_golden(make_source):
    raw = make_source("sp500").load()
    assert (raw.frequency, raw.calendar) == ("1D", "XNYS")
    for asset, first, last in (
        ("SPX", 1228.099976, 2506.850098),
        ("NASDAQ", 2208.050049, 6635.279785),
    ):
        bars = raw.frame[raw.frame["asset"] == asset]
        assert len(bars) == 5031
        assert (bars["close"].iloc[0], bars["close"].iloc[-1]) == (first, last)
        assert bars["time"].iloc[[0, -1]].dt.strftime("%F").tolist() == ["1999-01-04", "2018-12-31"]


def test_vix_is_one_bar_late_and_unknown_before_2014(make_source):
    raw = make_source("sp500").load()
    vix = raw.columns[-1]
    assert (vix.name, vix.role, vix.lag) == ("vix", Role.REFERENCE, 1)
    spx = raw.frame[raw.frame["asset"] == "SPX"].set_index("time")["vix"]
    assert spx[:"2014-01-02"].isna().all()
    assert spx["2014-01-03":].notna().all()
    assert spx["2014-01-03"] == 13.76
    # 2018-02-05, the largest one-day rise of the index so far
    assert np.isclose(spx["2018-02-05"], 37.32)


def test_assets_are_chosen_and_checked(make_source):
    raw = make_source("sp500", assets=["SPX"], vix_lag=2).load()
    assert raw.frame["asset"].unique().tolist() == ["SPX"]
    assert raw.columns[-1].lag == 2
    with pytest.raises(ConfigError, match="Did you mean 'SPX'"):
        make_source("sp500", assets=["SPXX"])
    with pytest.raises(ConfigError, match="empty"):
        make_source("sp500", assets=[])
