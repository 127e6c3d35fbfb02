import numpy as np
import pytest

from regimecast.core.errors import ConfigError
from regimecast.core.types import Regime
from regimecast.data.sources.synthetic import garch_returns

CALM = {
    "drift": 0.1,
    "volatility": 0.1,
    "jump_rate": 0,
    "jump_mean": 0,
    "jump_std": 0,
    "duration": 80,
}
WILD = {**CALM, "drift": -0.5, "volatility": 0.6, "duration": 40}
TWO = {
    "regimes": {"low_volatility": CALM, "crash": WILD},
    "next": {"low_volatility": {"crash": 1}, "crash": {"low_volatility": 1}},
}


def by_asset(raw, name):
    return raw.frame.pivot(index="time", columns="asset", values=name).to_numpy()


def test_bars_are_consistent(make_source):
    frame = make_source("synthetic", bars=500).load().frame
    prices = frame[["open", "high", "low", "close"]]
    assert np.isfinite(prices.to_numpy()).all()
    assert (prices > 0).all().all()
    assert (frame["high"] >= prices.max(axis=1)).all()
    assert (frame["low"] <= prices.min(axis=1)).all()
    assert (frame["volume"] > 0).all()
    assert frame.groupby("asset").size().tolist() == [500] * 4


def test_the_seed_decides_everything(make_source):
    one, two, three = (make_source("synthetic", bars=300, seed=s).load().frame for s in (1, 1, 2))
    assert one.equals(two)
    assert not np.allclose(one["close"], three["close"])


def test_times_are_sessions(make_source):
    frame = make_source("synthetic", bars=5, assets=1, start="2019-12-30").load().frame
    expected = ["2019-12-30", "2019-12-31", "2020-01-02", "2020-01-03", "2020-01-06"]
    assert frame["time"].dt.strftime("%F").tolist() == expected


def test_intraday(make_source):
    raw = make_source("synthetic", bars=100, frequency="5min", calendar="24/7").load()
    assert set(raw.frame.groupby("asset")["time"].diff().dropna().dt.seconds) == {300}
    with pytest.raises(ConfigError, match="24/7"):
        make_source("synthetic", frequency="5min")


def test_garch_follows_its_equation():
    rng = np.random.default_rng(3)
    shocks, drift = rng.standard_normal((50, 2)), rng.normal(0, 1e-3, 50)
    variance = rng.uniform(1e-4, 4e-4, 50)
    found = garch_returns(shocks, drift, variance, 0.1, 0.85)
    for asset in range(2):
        s2 = variance[0]
        for t in range(50):
            e = np.sqrt(s2) * shocks[t, asset]
            assert np.isclose(found[t, asset], drift[t] + e, rtol=1e-12)
            if t < 49:
                s2 = 0.05 * variance[t + 1] + 0.1 * e**2 + 0.85 * s2


def test_regimes_have_their_volatility_and_length(make_source):
    raw = make_source("synthetic", bars=20_000, assets=3, alpha=0.0, beta=0.0, **TWO).load()
    regime = by_asset(raw, "true_regime")[:, 0]
    returns = np.diff(np.log(by_asset(raw, "close")), axis=0)
    for code, volatility in ((Regime.LOW_VOLATILITY, 0.1), (Regime.CRASH, 0.6)):
        found = returns[regime[1:] == code].std() * np.sqrt(252)
        assert found == pytest.approx(volatility, rel=0.05)
    switches = np.flatnonzero(np.diff(regime))
    assert len(regime) / (len(switches) + 1) == pytest.approx(60, rel=0.2)
    assert set(regime) == {Regime.LOW_VOLATILITY, Regime.CRASH}


def test_shocks_are_correlated_as_asked(make_source):
    raw = make_source(
        "synthetic",
        bars=20_000,
        assets=2,
        correlation=0.6,
        alpha=0.0,
        beta=0.0,
        regimes={"normal": CALM},
        next={"normal": {"normal": 1}},
    ).load()
    returns = np.diff(np.log(by_asset(raw, "close")), axis=0)
    assert np.corrcoef(returns.T)[0, 1] == pytest.approx(0.6, abs=0.02)


@pytest.mark.parametrize("strength", [0.0, 0.3])
def test_the_signal_predicts_the_next_bar_and_no_other(make_source, strength):
    raw = make_source(
        "synthetic",
        bars=20_000,
        assets=2,
        alpha=0.0,
        beta=0.0,
        signal_strength=strength or 1e-12,
        regimes={"normal": CALM},
        next={"normal": {"normal": 1}},
    ).load()
    signal, returns = by_asset(raw, "signal"), np.diff(np.log(by_asset(raw, "close")), axis=0)

    def correlation(lag):
        # returns[i] is the return that ends at bar i + 1
        known = signal[10:-10]
        return np.corrcoef(known[:, 0], returns[9 + lag : len(known) + 9 + lag, 0])[0, 1]

    assert correlation(1) == pytest.approx(strength, abs=0.02)
    for lag in (-1, 0, 2, 3):
        assert abs(correlation(lag)) < 0.03


def test_no_signal_column_without_strength(make_source):
    raw = make_source("synthetic", bars=10).load()
    assert "signal" not in raw.frame.columns


def test_jumps_come_at_their_rate(make_source):
    jumpy = {
        **CALM,
        "volatility": 1e-6,
        "drift": 0,
        "jump_rate": 20,
        "jump_mean": -0.05,
        "jump_std": 0,
    }
    raw = make_source(
        "synthetic", bars=10_000, assets=1, regimes={"crash": jumpy}, next={"crash": {"crash": 1}}
    ).load()
    returns = np.diff(np.log(raw.frame["close"].to_numpy()))
    assert (returns < -0.04).mean() == pytest.approx(20 / 252, rel=0.1)


def test_one_bar(make_source):
    assert len(make_source("synthetic", bars=1, assets=1).load().frame) == 1


@pytest.mark.parametrize(
    ("overrides", "word"),
    [
        ({"assets": 0}, "assets=0"),
        ({"bars": 0}, "bars=0"),
        ({"alpha": 0.5, "beta": 0.5}, "beta=0.5"),
        ({"signal_strength": 1.0}, "signal_strength=1.0"),
        ({"correlation": -0.1}, "correlation=-0.1"),
        ({"regimes": {}, "next": {}}, "at least one"),
        ({"next": {"normal": {"normal": 1}}}, "same regimes"),
        ({"regimes": {"calm": CALM}, "next": {"calm": {"calm": 1}}}, "regimes.calm"),
        ({"regimes": {"crash": {"drift": 1}}, "next": {"crash": {"crash": 1}}}, "volatility"),
        ({"regimes": {"crash": CALM}, "next": {"crash": {"crash": 0}}}, "not all 0"),
        ({"regimes": {"crash": {**CALM, "duration": 0}}, "next": {"crash": {"crash": 1}}}, ">= 1"),
    ],
)
def test_bad_settings_say_what_is_allowed(make_source, overrides, word):
    with pytest.raises(ConfigError, match=word):
        make_source("synthetic", **overrides)
