"""Columns against values that TA-Lib gave elsewhere on the S&P 500, and against their formulas."""

import numpy as np
import pandas as pd
import pytest

from regimecast.features.base import FeatureRegistry
from tests.features.markets import packaged, sp500_panel

YEARS = slice("2004-01-02", "2023-12-28")


@pytest.fixture(scope="module")
def bars(shared_data):
    return pd.read_parquet(shared_data / "daily" / "spx_ohlcv_1990_2023.parquet").loc[YEARS]


@pytest.fixture(scope="module")
def golden(shared_data):
    return pd.read_parquet(shared_data / "golden" / "talib_spx_2004_2023.parquet")


@pytest.fixture(scope="module")
def features(bars):
    columns = {name: bars[name].to_numpy(np.float64) for name in bars if name != "adj_close"}
    parts = []
    for name, overrides in (
        ("trend", {"sma_windows": [20], "ema_spans": [20], "aroon_window": 14}),
        ("momentum", {"return_windows": [10]}),
        ("volatility", {}),
        ("volume", {}),
    ):
        family = FeatureRegistry.create(name, **{**packaged(name), **overrides})
        names = [feature.name for feature in family.features()]
        parts.append(pd.DataFrame(family.compute(columns), index=bars.index, columns=names))
    return pd.concat(parts, axis=1)


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("sma_gap_20", lambda g, b: np.log(b.close / g.sma20)),
        ("ema_gap_20", lambda g, b: np.log(b.close / g.ema20)),
        ("macd", lambda g, b: g.macd / b.close),
        ("macd_histogram", lambda g, b: g.macd_hist / b.close),
        ("adx_14", lambda g, b: g.adx14),
        ("directional_balance_14", lambda g, b: g.plus_di14 - g.minus_di14),
        ("aroon_14", lambda g, b: g.aroonosc14),
        ("trix_15", lambda g, b: g.trix15),
        ("return_10", lambda g, b: np.log1p(g.roc10 / 100)),
        ("rsi_14", lambda g, b: g.rsi14),
        ("stochastic_k_14", lambda g, b: g.stoch_k),
        ("stochastic_d_14", lambda g, b: g.stoch_d),
        ("williams_r_14", lambda g, b: g.willr14),
        ("cci_20", lambda g, b: g.cci20),
        ("ultimate_oscillator", lambda g, b: g.ultosc),
        ("natr_14", lambda g, b: g.natr14),
        ("bollinger_position_20", lambda g, b: (b.close - g.bb_m) / (g.bb_u - g.bb_m)),
        ("bollinger_width_20", lambda g, b: (g.bb_u - g.bb_l) / g.bb_m),
        ("mfi_14", lambda g, b: g.mfi14),
        ("obv_20", lambda g, b: g.obv.diff(20) / b.volume.rolling(20).sum()),
        (
            "chaikin_flow_20",
            lambda g, b: g.ad.diff(20) / b.volume.rolling(20).sum(),
        ),
    ],
)
def test_golden(features, golden, bars, name, formula):
    expected = formula(golden, bars).to_numpy()
    mine = features[name].to_numpy()
    warm = np.isfinite(mine) & np.isfinite(expected)
    assert warm.sum() > 4_900
    np.testing.assert_allclose(mine[warm], expected[warm], rtol=1e-6, atol=1e-8)


@pytest.fixture(scope="module")
def sample():
    panel = sp500_panel(300)
    frame = pd.DataFrame(panel.values, columns=panel.names)
    computed = {}
    for name in ("volatility", "volume", "candles", "statistics"):
        family = FeatureRegistry.create(name, **packaged(name))
        values = family.compute({c: frame[c].to_numpy().copy() for c in frame})
        computed |= dict(zip((f.name for f in family.features()), values.T, strict=True))
    frame["r"] = np.log(frame.close).diff()
    return frame, computed


LN2 = np.log(2)
FORMULAS = {
    "volatility_21": lambda f: f.r.rolling(21).std(),
    "volatility_ewma": lambda f: np.sqrt((f.r**2).ewm(alpha=0.06, adjust=False).mean()),
    "parkinson_21": lambda f: np.sqrt((np.log(f.high / f.low) ** 2).rolling(21).mean() / 4 / LN2),
    "garman_klass_21": lambda f: np.sqrt(
        (0.5 * np.log(f.high / f.low) ** 2 - (2 * LN2 - 1) * np.log(f.close / f.open) ** 2)
        .rolling(21)
        .mean()
    ),
    "rogers_satchell_21": lambda f: np.sqrt(rogers_satchell(f).rolling(21).mean()),
    "yang_zhang_21": lambda f: np.sqrt(
        np.log(f.open / f.close.shift()).rolling(21).var()
        + 0.34 / (1.34 + 22 / 20) * np.log(f.close / f.open).rolling(21).var()
        + (1 - 0.34 / (1.34 + 22 / 20)) * rogers_satchell(f).rolling(21).mean()
    ),
    "downside_share_21": lambda f: (
        (f.r.clip(upper=0) ** 2).rolling(21).sum() / (f.r**2).rolling(21).sum()
    ),
    "jump_share_21": lambda f: (
        1
        - np.pi
        / 2
        * (f.r.abs() * f.r.abs().shift()).rolling(21).mean()
        / (f.r**2).rolling(21).mean()
    ).clip(lower=0),
    "illiquidity_21_63": lambda f: np.log(
        (f.r.abs() / (f.close * f.volume)).rolling(21).mean()
        / (f.r.abs() / (f.close * f.volume)).rolling(63).mean()
    ),
    "vwap_gap_20": lambda f: np.log(
        f.close
        * f.volume.rolling(20).sum()
        / ((f.high + f.low + f.close) / 3 * f.volume).rolling(20).sum()
    ),
    "return_volume_correlation_21": lambda f: f.r.rolling(21).corr(f.volume),
    "candle_upper_shadow": lambda f: (f.high - f[["open", "close"]].max(axis=1)) / (f.high - f.low),
    "candle_gap": lambda f: np.log(f.open / f.close.shift()),
    "autocorrelation_5_63": lambda f: f.r.rolling(63).apply(
        lambda r: np.corrcoef(r[5:], r[:-5])[0, 1], raw=True
    ),
    "variance_ratio_5_63": lambda f: (
        np.log(f.close).diff(5).rolling(63).var() / (5 * f.r.rolling(63).var())
    ),
    "efficiency_21": lambda f: f.r.rolling(21).sum() / f.r.abs().rolling(21).sum(),
    "range_position_63": lambda f: (
        (f.close - f.close.rolling(63).min())
        / (f.close.rolling(63).max() - f.close.rolling(63).min())
    ),
    "drawdown_126": lambda f: np.log(f.close / f.close.rolling(126).max()),
}


def rogers_satchell(f):
    return np.log(f.high / f.close) * np.log(f.high / f.open) + np.log(f.low / f.close) * np.log(
        f.low / f.open
    )


@pytest.mark.parametrize("name", FORMULAS)
def test_formula(sample, name):
    frame, computed = sample
    expected = FORMULAS[name](frame).to_numpy()
    warm = np.isfinite(computed[name])
    assert warm.sum() >= 170
    np.testing.assert_allclose(computed[name][warm], expected[warm], rtol=1e-7, atol=1e-9)
