"""Every column of the older families against TA-Lib or pandas, and that none of `full` has none."""

import re

import numpy as np
import pandas as pd
import pytest
import talib

from regimecast.experiment import compose
from regimecast.features.base import FeatureRegistry
from regimecast.features.pipeline import FeaturePipeline
from tests.features import test_references
from tests.features.markets import packaged, sp500_panel, with_vix

FULL = compose("features=full")["features"]
FAMILIES = ("trend", "momentum", "volatility", "volume", "candles", "statistics")

ELSEWHERE = {
    "patterns": "test_references.test_patterns_are_the_signs_of_talib",
    "cross_section": "test_references.test_cross_section",
    "expiry": "test_references.test_expiry_is_the_third_friday_or_the_session_before",
    "cross_asset": "test_cross_asset.test_against_plain_loops_over_time",
    "calendar": "test_calendar.test_cycles and those that follow it",
    "session": "test_calendar.test_session_progress_follows_daylight_saving_and_early_closes",
}
"""Families whose every column is checked by a test of its own."""


@pytest.fixture(scope="module")
def frame():
    panel = sp500_panel(700)
    frame = pd.DataFrame(panel.values, columns=panel.names)
    frame["r"] = np.log(frame.close).diff()
    return frame


@pytest.fixture(scope="module")
def computed(frame):
    bars = {name: frame[name].to_numpy().copy() for name in frame if name != "r"}
    found = {}
    for name in FAMILIES:
        family = FeatureRegistry.create(name, **FULL[name])
        names = [feature.name for feature in family.features()]
        found |= dict(zip(names, family.compute(bars).T, strict=True))
    return found


def autocorrelation(values, lag):
    def of_window(window):
        return np.corrcoef(window[lag:], window[:-lag])[0, 1]

    return values.rolling(63).apply(of_window, raw=True)


def deepest(window):
    return np.min(window / np.maximum.accumulate(window)) - 1


def rank(window):
    below = np.sum(window[:-1] < window[-1]) + 0.5 * np.sum(window[:-1] == window[-1])
    return below / (len(window) - 1)


def trend(f):
    c, h, low = (f[n].to_numpy() for n in ("close", "high", "low"))
    line, _, histogram = talib.MACD(c, 12, 26, 9)
    return {
        **{f"sma_gap_{w}": np.log(f.close / f.close.rolling(w).mean())
           for w in (5, 10, 20, 50, 100, 200)},
        **{f"ema_gap_{w}": np.log(c / talib.EMA(c, w)) for w in (12, 26, 50)},
        "macd": line / c,
        "macd_histogram": histogram / c,
        "adx_14": talib.ADX(h, low, c, 14),
        "directional_balance_14": talib.PLUS_DI(h, low, c, 14) - talib.MINUS_DI(h, low, c, 14),
        "aroon_25": talib.AROONOSC(h, low, 25),
        "slope_20": np.log(f.close).rolling(20).apply(
            lambda y: np.polyfit(np.arange(20), y, 1)[0], raw=True
        ),
        "trix_15": talib.TRIX(c, 15),
    }  # fmt: skip


def momentum(f):
    c, h, low = (f[n].to_numpy() for n in ("close", "high", "low"))
    highest, lowest = f.high.rolling(14).max(), f.low.rolling(14).min()
    fast = 100 * (f.close - lowest) / (highest - lowest)
    typical = (f.high + f.low + f.close) / 3
    deviation = typical.rolling(20).apply(lambda x: np.mean(np.abs(x - x.mean())), raw=True)
    return {
        **{f"return_{w}": np.log(f.close).diff(w) for w in (1, 2, 3, 5, 10, 21, 63, 126, 252)},
        **{f"rsi_{w}": talib.RSI(c, w) for w in (2, 7, 14, 28)},
        "stochastic_k_14": fast.rolling(3).mean(),
        "stochastic_d_14": fast.rolling(3).mean().rolling(3).mean(),
        "williams_r_14": -100 * (highest - f.close) / (highest - lowest),
        "cci_20": (typical - typical.rolling(20).mean()) / (0.015 * deviation),
        "ultimate_oscillator": talib.ULTOSC(h, low, c, 7, 14, 28),
    }


def volatility(f):
    c, h, low = (f[n].to_numpy() for n in ("close", "high", "low"))
    size, down = f.r.abs(), f.r.clip(upper=0)
    body, span = np.log(f.close / f.open), np.log(f.high / f.low)
    inside = np.log(f.high / f.close) * np.log(f.high / f.open)
    inside += np.log(f.low / f.close) * np.log(f.low / f.open)
    share = 0.34 / (1.34 + 22 / 20)
    yang_zhang = np.log(f.open / f.close.shift()).rolling(21).var()
    yang_zhang += share * body.rolling(21).var() + (1 - share) * inside.rolling(21).mean()
    bipower = np.pi / 2 * (size * size.shift()).rolling(21).mean()
    klass = 0.5 * span**2 - (2 * np.log(2) - 1) * body**2
    middle, width = f.close.rolling(20).mean(), 2 * f.close.rolling(20).std(ddof=0)
    return {
        **{f"volatility_{w}": f.r.rolling(w).std() for w in (5, 10, 21, 63, 126, 252)},
        "volatility_ewma": np.sqrt((f.r**2).ewm(alpha=0.06, adjust=False).mean()),
        "volatility_term_5_252": f.r.rolling(5).std() / f.r.rolling(252).std(),
        "natr_14": talib.NATR(h, low, c, 14),
        "parkinson_21": np.sqrt((span**2).rolling(21).mean() / 4 / np.log(2)),
        "garman_klass_21": np.sqrt(klass.rolling(21).mean()),
        "rogers_satchell_21": np.sqrt(inside.rolling(21).mean()),
        "yang_zhang_21": np.sqrt(yang_zhang),
        "bollinger_position_20": (f.close - middle) / width,
        "bollinger_width_20": 2 * width / middle,
        "downside_share_21": (down**2).rolling(21).sum() / (f.r**2).rolling(21).sum(),
        "jump_share_21": (1 - bipower / (f.r**2).rolling(21).mean()).clip(lower=0),
        "return_dispersion_21": size.rolling(21).std() / size.rolling(21).mean(),
    }


def volume(f):
    bars = [f[n].to_numpy() for n in ("high", "low", "close", "volume")]
    traded = f.volume.rolling(20).sum()
    location = (2 * f.close - f.high - f.low) / (f.high - f.low)
    impact = f.r.abs() / (f.close * f.volume)
    typical = (f.high + f.low + f.close) / 3

    def score(window):
        rolled = f.volume.rolling(window)
        return (f.volume - rolled.mean()) / rolled.std()

    return {
        "obv_20": (np.sign(f.r) * f.volume).rolling(20).sum() / traded,
        "chaikin_flow_20": (location.fillna(0) * f.volume).rolling(20).sum() / traded,
        "mfi_14": talib.MFI(*bars, 14),
        **{f"volume_score_{w}": score(w) for w in (20, 63)},
        "volume_trend_5_20": np.log(f.volume.rolling(5).mean() / f.volume.rolling(20).mean()),
        "illiquidity_21_63": np.log(impact.rolling(21).mean() / impact.rolling(63).mean()),
        "vwap_gap_20": np.log(f.close * traded / (typical * f.volume).rolling(20).sum()),
        "return_volume_correlation_21": f.r.rolling(21).corr(f.volume),
    }


def candles(f):
    span, body = f.high - f.low, f[["open", "close"]]
    bars = [f[n].to_numpy() for n in ("open", "high", "low", "close")]
    patterns = sum(
        np.sign(getattr(talib, f"CDL{name.upper()}")(*bars))
        for name in packaged("candles")["patterns"]
    )
    return {
        "candle_body": (f.close - f.open) / span,
        "candle_upper_shadow": (f.high - body.max(axis=1)) / span,
        "candle_lower_shadow": (body.min(axis=1) - f.low) / span,
        "candle_close_location": (2 * f.close - f.high - f.low) / span,
        "candle_gap": np.log(f.open / f.close.shift()),
        "candle_open_to_close": np.log(f.close / f.open),
        "candle_range": np.log(f.high / f.low),
        "candle_patterns_5": pd.Series(patterns).rolling(5).mean(),
    }


def statistics(f):
    window = f.r.rolling(63)
    highest, lowest = f.close.rolling(63).max(), f.close.rolling(63).min()
    return {
        "skewness_63": window.apply(lambda x: np.mean((x - x.mean()) ** 3) / x.std(ddof=0) ** 3,
                                    raw=True),
        "kurtosis_63": window.apply(lambda x: np.mean((x - x.mean()) ** 4) / x.std(ddof=0) ** 4 - 3,
                                    raw=True),
        "return_rank_63": window.apply(rank, raw=True),
        **{f"autocorrelation_{k}_63": autocorrelation(f.r, k) for k in (1, 2, 3, 5, 10)},
        "clustering_63": autocorrelation(f.r.abs(), 1),
        "variance_ratio_5_63": np.log(f.close).diff(5).rolling(63).var() / (5 * window.var()),
        "efficiency_21": f.r.rolling(21).sum() / f.r.abs().rolling(21).sum(),
        "rising_share_21": ((np.sign(f.r) + 1) / 2).rolling(21).mean(),
        "range_position_63": (f.close - lowest) / (highest - lowest),
        "deepest_fall_63": f.close.rolling(63).apply(deepest, raw=True),
        "drawdown_126": np.log(f.close / f.close.rolling(126).max()),
    }  # fmt: skip


REFERENCES = (trend, momentum, volatility, volume, candles, statistics)


@pytest.mark.parametrize("family", REFERENCES, ids=lambda family: family.__name__)
def test_every_column(frame, computed, family):
    declared = FeatureRegistry.create(family.__name__, **FULL[family.__name__]).features()
    references = family(frame)
    assert list(references) == [feature.name for feature in declared]
    for name, expected in references.items():
        warm = np.isfinite(computed[name])
        assert warm.sum() >= 400, name
        np.testing.assert_allclose(
            computed[name][warm], np.asarray(expected)[warm], rtol=1e-7, atol=1e-9, err_msg=name
        )


def test_no_feature_of_full_is_without_a_reference():
    """A window more or less is the same formula; a new family brings its references."""

    def stem(name):
        return re.sub(r"\d+", "#", name)

    table = FeaturePipeline(FULL, missing="skip").table()
    found = {stem(name) for name in (*test_references.REFERENCES, *test_references.TALIB)}
    rest = table[~table.family.isin((*FAMILIES, *ELSEWHERE))]
    assert [name for name in rest.name if stem(name) not in found] == []
    assert set(table.family) == set(FeatureRegistry.available()) - {"columns"}  # the user's own


def test_warm_up_of_full_is_nan_and_nothing_else_is():
    table = FeaturePipeline(FULL, missing="skip").compute(with_vix(sp500_panel(900)))
    for column, feature in enumerate(table.features):
        finite = np.isfinite(table.values[:, column])
        assert not finite[: feature.lookback].any(), feature.name
        assert finite[feature.lookback :].all(), feature.name


def test_expiry_before_a_quarter():
    family = FeatureRegistry.create("expiry", **packaged("expiry"))
    names = [feature.name for feature in family.features()]
    time = np.array(["2024-03-15", "2024-03-18", "2024-04-29"], dtype="datetime64[ns]")
    before = family.compute(time, "XNYS")[:, names.index("quarter_expiry_before")]
    np.testing.assert_allclose(before, [1, 42 / 45, 0])
