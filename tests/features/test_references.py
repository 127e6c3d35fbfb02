"""Every column of the newer families against TA-Lib's golden file or plain numpy, row by row."""

import math

import numpy as np
import pandas as pd
import pytest
import talib
from scipy import stats

from regimecast.features.base import FeatureRegistry
from regimecast.features.paths import fractional_weights
from tests.data.panels import random_panel
from tests.features.markets import packaged, sp500_panel, with_vix

ROWS = (260, 311, 399)
"""Rows at which the slow references are worked out."""


def columns_of(name, bars, **overrides):
    family = FeatureRegistry.create(name, **{**packaged(name), **overrides})
    names = [feature.name for feature in family.features()]
    return dict(zip(names, family.compute(bars).T, strict=True))


@pytest.fixture(scope="module")
def bars():
    return real_bars()


@pytest.fixture(scope="module")
def computed(bars):
    """Every column of the families that are checked here."""
    found = {}
    for name in (
        *("averages", "channels", "oscillators", "cycles", "participation", "liquidity"),
        *("realised", "dependence", "regime_distance", "implied_volatility"),
    ):
        found |= columns_of(name, bars)
    return found


def returns(b, t, window):
    return np.diff(np.log(b["close"][t - window : t + 1]))


def by_talib(b):
    """Columns that TA-Lib gives whole."""
    o, h, l, c, v = (b[name] for name in ("open", "high", "low", "close", "volume"))  # noqa: E741  # as in O H L C
    kc, don, acc = talib.KC(h, l, c, 20, 10, 2), talib.DONCHIAN(h, l, 20), talib.ACCBANDS(h, l, c)
    sine, lead = talib.HT_SINE(c)
    phase, quadrature = talib.HT_PHASOR(c)
    bull, bear = talib.ERI(h, l, c, 13)
    down, up = talib.AROON(h, l, 14)
    plus, minus = talib.VORTEX(h, l, c, 14)
    mama, fama = talib.MAMA(c, 0.5, 0.05)
    volume = pd.Series(v)

    def place(channel):
        return (c - channel[1]) / ((channel[0] - channel[2]) / 2)

    return {
        "kama_gap_10": 1 - talib.KAMA(c, 10) / c,
        "dema_gap_20": 1 - talib.DEMA(c, 20) / c,
        "tema_gap_20": 1 - talib.TEMA(c, 20) / c,
        "t3_gap_10": 1 - talib.T3(c, 10, 0.7) / c,
        "hull_gap_20": 1 - talib.HMA(c, 20) / c,
        "zero_lag_gap_20": 1 - talib.ZLEMA(c, 20) / c,
        "mama_gap": 1 - mama / c,
        "fama_gap": 1 - fama / c,
        "hilbert_gap": 1 - talib.HT_TRENDLINE(c) / c,
        "donchian_position_20": place(don),
        "keltner_position_20": place(kc),
        "acceleration_position_20": place(acc),
        "sar_gap": 1 - talib.SAR(h, l, 0.02, 0.2) / c,
        "supertrend_gap_10": 1 - talib.SUPERTREND(h, l, c, 10, 3)[0] / c,
        "directional_index_14": talib.DX(h, l, c, 14),
        "aroon_down_14": down,
        "aroon_up_14": up,
        "vortex_14": plus - minus,
        "horizontal_filter_28": talib.VHF(c, 28),
        "stochastic_rsi_14": talib.STOCHRSI(c, 14, 14, 3)[1],
        "chande_momentum_14": talib.CMOU(c, 14),
        "true_strength_25_13": talib.TSI(c, 25, 13),
        "coppock_10": talib.COPPOCK(c, 10, 11, 14),
        "forecast_oscillator_14": talib.FOSC(c, 14),
        "intraday_momentum_14": talib.IMI(o, c, 14),
        "bull_power_13": bull / c,
        "bear_power_13": bear / c,
        "awesome_5_34": talib.AO(h, l, 5, 34) / c,
        "mass_index_25": talib.MASSI(h, l, 9, 25),
        "chaikin_volatility_10": talib.CVI(h, l, 10, 10),
        "relative_volatility_14": talib.RVI(c, 14, 10),
        "cycle_period": talib.HT_DCPERIOD(c),
        "cycle_sine": sine,
        "cycle_lead": lead,
        "cycle_amplitude": np.hypot(phase, quadrature) / c,
        "chaikin_oscillator_3_10": talib.ADOSC(h, l, c, v, 3, 10) / volume.rolling(10).mean(),
        "volume_oscillator_12_26": 100 * (talib.EMA(v, 12) / talib.EMA(v, 26) - 1),
        "force_13": talib.EFI(c, v, 13) / (c * volume.rolling(13).mean()),
        **{
            f"{name}_{w}": pd.Series(np.log(index(c, v))).diff(w)
            for name, index in (("quiet_return", talib.NVI), ("busy_return", talib.PVI))
            for w in (21, 63)
        },
    }


def real_bars():
    panel = with_vix(sp500_panel(400))
    return {name: panel.available(name).copy() for name in panel.names}


TALIB = tuple(by_talib(real_bars()))


@pytest.mark.parametrize("name", TALIB)
def test_talib_columns(bars, computed, name):
    expected = np.asarray(by_talib(bars)[name])
    warm = np.isfinite(computed[name])
    assert warm.sum() >= 150
    np.testing.assert_allclose(computed[name][warm], expected[warm], rtol=1e-9, atol=1e-12)


def corwin_schultz(b, t, window):
    spreads = []
    for i in range(t - window + 1, t + 1):
        high, low, before = b["high"][i], b["low"][i], b["close"][i - 1]
        gap = low - before if low > before else high - before if high < before else 0.0
        high, low = high - gap, low - gap
        beta = math.log(b["high"][i - 1] / b["low"][i - 1]) ** 2 + math.log(high / low) ** 2
        top, bottom = max(high, b["high"][i - 1]), min(low, b["low"][i - 1])
        root = 3 - 2 * math.sqrt(2)
        alpha = (math.sqrt(2 * beta) - math.sqrt(beta)) / root
        alpha -= math.sqrt(math.log(top / bottom) ** 2 / root)
        spreads.append(max(2 * (math.exp(alpha) - 1) / (1 + math.exp(alpha)), 0.0))
    return np.mean(spreads)


def abdi_ranaldo(b, t, window):
    middle = (np.log(b["high"]) + np.log(b["low"])) / 2
    last = np.log(b["close"])
    terms = [
        4 * (last[i - 1] - middle[i - 1]) * (last[i - 1] - middle[i])
        for i in range(t - window + 1, t + 1)
    ]
    return np.mean(np.sqrt(np.maximum(terms, 0)))


def sides(b, t, window):
    """Share of each bar's volume that was bought less that which was sold."""
    return np.array(
        [
            2 * stats.norm.cdf(returns(b, i, 1)[0] / returns(b, i, window).std(ddof=1)) - 1
            for i in range(t - window + 1, t + 1)
        ]
    )


def signed_volume_slope(b, t, window):
    r, v = returns(b, t, window), b["volume"][t - window + 1 : t + 1]
    return np.polyfit(np.sign(r) * v, r, 1)[0] * v.mean()


def vwap_distance(b, t, window):
    part = slice(t - window + 1, t + 1)
    typical = (b["high"][part] + b["low"][part] + b["close"][part]) / 3
    vwap = np.average(typical, weights=b["volume"][part])
    return np.log(b["close"][t] / vwap) / (returns(b, t, window).std(ddof=1) * math.sqrt(window))


def volatility(b, t, window):
    return returns(b, t, window).std(ddof=1)


def hurst(b, t, window, boxes):
    price = np.log(b["close"][: t + 1])
    sizes = []
    for box in boxes:
        squares = []
        for k in range(window // box):
            part = price[len(price) - (k + 1) * box : len(price) - k * box]
            line = np.polyval(np.polyfit(np.arange(box), part, 1), np.arange(box))
            squares.append(np.mean((part - line) ** 2))
        sizes.append(0.5 * math.log(np.mean(squares)))
    return np.polyfit(np.log(boxes), sizes, 1)[0]


def variance_ratio_z(b, t, q, window):
    r = returns(b, t, window + q)
    long = np.array([r[i - q + 1 : i + 1].sum() for i in range(q, window + q)])
    r2 = r[q:] ** 2
    ratio = np.sum(long**2) / (q * r2.sum())
    theta = sum(
        (2 * (q - j) / q) ** 2 * np.sum(r2 * r[q - j : len(r) - j] ** 2) / r2.sum() ** 2
        for j in range(1, q)
    )
    return (ratio - 1) / math.sqrt(theta)


def fraction(b, t, order):
    width = len(fractional_weights(order, 0.001, 200))
    weights = [1.0]
    for k in range(1, width):
        weights.append(-weights[-1] * (order - k + 1) / k)
    price = np.log(b["close"][t - width : t + 1][::-1])
    return np.dot(weights, price[:-1] - price[-1])


def permutation_entropy(b, t, window):
    close = b["close"]
    orders = [tuple(np.argsort(close[i - 2 : i + 1])) for i in range(t - window + 1, t + 1)]
    counts = np.array([orders.count(order) for order in set(orders)])
    return stats.entropy(counts) / math.log(6)


def return_entropy(b, t, window):
    scores = [returns(b, i, 1)[0] / volatility(b, i, window) for i in range(t - window + 1, t + 1)]
    bins = np.digitize(scores, stats.norm.ppf(np.arange(1, 6) / 6).round(3), right=True)
    return stats.entropy(np.bincount(bins)) / math.log(6)


def dickey_fuller(b, t, window):
    before = np.log(b["close"][t - window : t])
    fit = stats.linregress(before, returns(b, t, window))
    return fit.slope / fit.stderr


def rank(values):
    return (np.sum(values[:-1] < values[-1]) + 0.5 * np.sum(values[:-1] == values[-1])) / (
        len(values) - 1
    )


def volatilities(b, t, inner, outer):
    return np.array([volatility(b, i, inner) for i in range(t - outer + 1, t + 1)])


def age(above, t, most):
    bars = 0
    while bars < most and above(t - bars - 1) == above(t):
        bars += 1
    return (1 if above(t) else -1) * bars / most


def ulcer(b, t):
    falls = [b["close"][i] / b["close"][i - 20 : i + 1].max() - 1 for i in range(t - 20, t + 1)]
    return np.sqrt(np.mean(np.square(falls)))


def band(b, t):
    return sum(b["vix"][t] >= level for level in (15, 25, 35))


REFERENCES = {
    **{
        f"{name}_{w}": (lambda b, t, w=w, f=f: f(b, t, w))
        for w in (21, 63)
        for name, f in {
            "amihud": lambda b, t, w: (
                np.mean(np.abs(returns(b, t, w)) / (b["close"] * b["volume"])[t - w + 1 : t + 1])
                * np.mean((b["close"] * b["volume"])[t - w + 1 : t + 1])
            ),
            "kyle_lambda": signed_volume_slope,
            "roll_spread": lambda b, t, w: (
                2 * math.sqrt(max(-np.cov(returns(b, t, w), returns(b, t - 1, w))[0, 1], 0))
            ),
            "corwin_schultz": corwin_schultz,
            "abdi_ranaldo": abdi_ranaldo,
            "semideviation_down": lambda b, t, w: np.sqrt(
                np.mean(np.minimum(returns(b, t, w), 0) ** 2)
            ),
            "semideviation_up": lambda b, t, w: np.sqrt(
                np.mean(np.maximum(returns(b, t, w), 0) ** 2)
            ),
            "median_volatility": lambda b, t, w: np.sqrt(
                np.pi
                / (6 - 4 * np.sqrt(3) + np.pi)
                * np.mean(
                    [np.median(np.abs(returns(b, i, 3))) ** 2 for i in range(t - w + 1, t + 1)]
                )
            ),
            "largest_move": lambda b, t, w: np.abs(returns(b, t, w)).max() / volatility(b, t, w),
            "reward": lambda b, t, w: returns(b, t, w).mean() / volatility(b, t, w),
            "range_over_close": lambda b, t, w: (
                np.sqrt(
                    np.mean(np.log(b["high"] / b["low"])[t - w + 1 : t + 1] ** 2) / (4 * np.log(2))
                )
                / volatility(b, t, w)
            ),
            "volatility_of_volatility": lambda b, t, w: (
                volatilities(b, t, 10, w).std(ddof=1) / volatilities(b, t, 10, w).mean()
            ),
            "permutation_entropy": permutation_entropy,
            "return_entropy": return_entropy,
            "volume_weighted_return": lambda b, t, w: np.average(
                returns(b, t, w), weights=b["volume"][t - w + 1 : t + 1]
            ),
        }.items()
    },
    **{
        f"flow_{name}_{w}": lambda b, t, w=w, sign=sign: np.average(
            sign(sides(b, t, w)), weights=b["volume"][t - w + 1 : t + 1]
        )
        for w in (21, 50)
        for name, sign in (("imbalance", np.asarray), ("toxicity", np.abs))
    },
    **{f"vwap_distance_{w}": (lambda b, t, w=w: vwap_distance(b, t, w)) for w in (5, 20, 63)},
    "unchanged_share_63": lambda b, t: np.mean(np.diff(b["close"][t - 63 : t + 1]) == 0),
    "volume_variation_21": lambda b, t: (
        b["volume"][t - 20 : t + 1].std(ddof=1) / b["volume"][t - 20 : t + 1].mean()
    ),
    "volume_memory_21": lambda b, t: np.corrcoef(
        b["volume"][t - 20 : t + 1], b["volume"][t - 21 : t]
    )[0, 1],
    "volume_rank_126": lambda b, t: rank(b["volume"][t - 125 : t + 1]),
    "leverage_63": lambda b, t: np.corrcoef(returns(b, t - 1, 63), returns(b, t, 63) ** 2)[0, 1],
    "overnight_share_21": lambda b, t: (lambda night, day: night.sum() / (night.sum() + day.sum()))(
        np.log(b["open"][t - 20 : t + 1] / b["close"][t - 21 : t]) ** 2,
        np.log(b["close"][t - 20 : t + 1] / b["open"][t - 20 : t + 1]) ** 2,
    ),
    "ulcer_21": ulcer,
    "hurst_126": lambda b, t: hurst(b, t, 126, (4, 8, 16)),
    **{
        f"variance_ratio_z_{q}_126": (lambda b, t, q=q: variance_ratio_z(b, t, q, 126))
        for q in (2, 5, 10)
    },
    **{f"fraction_{round(100 * d)}": (lambda b, t, d=d: fraction(b, t, d)) for d in (0.3, 0.5)},
    **{
        f"trend_fit_{w}": (
            lambda b, t, w=w: np.corrcoef(np.log(b["close"][t - w + 1 : t + 1]), np.arange(w))[0, 1]
        )
        for w in (10, 21, 63)
    },
    **{f"dickey_fuller_{w}": (lambda b, t, w=w: dickey_fuller(b, t, w)) for w in (63, 126)},
    "volatility_rank_21_126": lambda b, t: rank(volatilities(b, t, 21, 126)),
    "volatility_distance_21_126": lambda b, t: np.log(
        volatility(b, t, 21) / volatilities(b, t, 21, 126).mean()
    ),
    "volatility_age_21_126": lambda b, t: age(
        lambda i: volatility(b, i, 21) >= volatilities(b, i, 21, 126).mean(), t, 63
    ),
    "trend_age_50": lambda b, t: age(
        lambda i: b["close"][i] >= b["close"][i - 49 : i + 1].mean(), t, 63
    ),
    **{
        f"{name}_{w}": (
            lambda b, t, w=w, f=f: np.log(b["close"][t] / f(b["close"][t - w + 1 : t + 1]))
        )
        for w in (10, 63)
        for name, f in (("fall_from_high", np.max), ("rise_from_low", np.min))
    },
    **{
        f"{name}_{w}": (lambda b, t, w=w, f=f: f(b["close"][t - w + 1 : t + 1][::-1]) / w)
        for w in (63, 126)
        for name, f in (("since_high", np.argmax), ("since_low", np.argmin))
    },
    "vix_band": band,
    "vix_band_age": lambda b, t: (
        next((k for k in range(63) if band(b, t - k - 1) != band(b, t)), 63) / 63
    ),
    "vix_distance": lambda b, t: min(np.log(b["vix"][t] / np.array([15, 25, 35])), key=abs),
    "vix_rank_126": lambda b, t: rank(b["vix"][t - 125 : t + 1]),
    "vix_swing_126": lambda b, t: np.log(b["vix"][t] / b["vix"][t - 125 : t + 1].mean()),
    **{
        f"vix_change_{w}": (lambda b, t, w=w: np.log(b["vix"][t] / b["vix"][t - w]))
        for w in (1, 5, 21)
    },
    "vix_premium_21": lambda b, t: np.log(
        b["vix"][t] / (100 * volatility(b, t, 21) * math.sqrt(252))
    ),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_formulas(bars, computed, name):
    for row in ROWS:
        expected = REFERENCES[name](bars, row)
        assert computed[name][row] == pytest.approx(expected, rel=1e-7, abs=1e-10), row


def test_no_column_is_without_a_reference(computed):
    assert set(computed) == {*REFERENCES, *TALIB}


def test_golden(shared_data):
    """TA-Lib's values from elsewhere, for the columns that the file has."""
    frame = pd.read_parquet(shared_data / "daily" / "spx_ohlcv_1990_2023.parquet")
    frame = frame.loc["2004-01-02":"2023-12-28"]
    golden = pd.read_parquet(shared_data / "golden" / "talib_spx_2004_2023.parquet")
    bars = {c: frame[c].to_numpy(np.float64) for c in ("open", "high", "low", "close", "volume")}
    found = columns_of("averages", bars, kama_window=30) | columns_of("channels", bars)
    found |= columns_of("participation", bars)
    volume = frame.volume.rolling(10).mean()
    for name, expected in {
        "kama_gap_30": 1 - golden.kama30 / frame.close,
        "dema_gap_20": 1 - golden.dema20 / frame.close,
        "tema_gap_20": 1 - golden.tema20 / frame.close,
        "sar_gap": 1 - golden.psar / frame.close,
        "chaikin_oscillator_3_10": golden.adosc / volume,
    }.items():
        warm = np.isfinite(found[name]) & np.isfinite(expected.to_numpy())
        assert warm.sum() > 4_500
        np.testing.assert_allclose(
            found[name][warm], expected.to_numpy()[warm], rtol=1e-6, atol=1e-8, err_msg=name
        )


def test_patterns_are_the_signs_of_talib(bars):
    for name, column in columns_of("patterns", bars).items():
        function = getattr(talib, f"CDL{name.removeprefix('pattern_').upper()}")
        expected = np.sign(function(*(bars[c] for c in ("open", "high", "low", "close"))))
        warm = np.isfinite(column)
        np.testing.assert_array_equal(column[warm], expected[warm])
        assert (~warm).sum() == np.argmax(warm)


def test_cross_section():
    panel = random_panel(200, 200, 200, 200)
    family = FeatureRegistry.create("cross_section", **packaged("cross_section"))
    names = [feature.name for feature in family.features()]
    found = dict(zip(names, family.compute(panel).T.reshape(-1, 4, 200), strict=True))
    close = panel.actual("close").reshape(4, 200)
    log = np.log(close)
    r = np.diff(log, axis=1, prepend=np.nan)
    for t in (130, 199):
        for w in (5, 21, 63):
            moved = log[:, t] - log[:, t - w]
            share = np.mean(moved > 0)
            for asset in range(4):
                above = np.sum(moved < moved[asset]) / 3
                assert found[f"return_rank_of_assets_{w}"][asset, t] == pytest.approx(above)
                assert found[f"advancing_share_{w}"][asset, t] == share
                assert found[f"asset_spread_{w}"][asset, t] == pytest.approx(moved.std())
        for w in (20, 50):
            above = np.mean(close[:, t] > close[:, t - w + 1 : t + 1].mean(axis=1))
            assert found[f"above_average_{w}"][0, t] == above
        part, before = slice(t - 62, t + 1), slice(t - 63, t)
        for asset in range(4):
            own, others = r[asset], np.delete(r, asset, axis=0).mean(axis=0)
            fit = stats.linregress(others[part], own[part])
            rest = own[part] - fit.intercept - fit.slope * others[part]
            down = np.minimum(others[part], 0)
            for name, value in {
                "market_volatility_63": others[part].std(ddof=1),
                "own_volatility_63": np.sqrt(np.sum(rest**2) / 61),
                "downside_beta_63": np.sum(own[part] * down) / np.sum(down**2),
                "follows_market_63": np.corrcoef(own[part], others[before])[0, 1],
            }.items():
                assert found[name][asset, t] == pytest.approx(value), name


def test_an_asset_that_stopped_drops_out_of_the_cross_section():
    panel = random_panel(200, 200, 200)
    ended = type(panel)(
        values=panel.values[:560], time=panel.time[:560], offsets=np.array([0, 200, 400, 560]),
        columns=panel.columns, assets=panel.assets, frequency="1D", calendar="24/7",
    )  # fmt: skip
    family = FeatureRegistry.create("cross_section", **packaged("cross_section"))
    share = family.compute(ended)[:200, 1]
    log = np.log(panel.actual("close").reshape(3, 200))
    for row, alive in ((162, 3), (163, 2), (199, 2)):  # it counts for three moments more
        moved = [
            log[a, min(row, 159) if a == 2 else row]
            - log[a, (min(row, 159) if a == 2 else row) - 5]
            for a in range(alive)
        ]
        assert share[row] == pytest.approx(np.mean(np.array(moved) > 0)), row


def test_expiry_is_the_third_friday_or_the_session_before():
    def expiry(*texts, calendar="XNYS"):
        family = FeatureRegistry.create("expiry", **packaged("expiry"))
        names = [feature.name for feature in family.features()]
        time = np.array(texts, dtype="datetime64[ns]")
        return dict(zip(names, family.compute(time, calendar).T, strict=True))

    dates = ("2024-03-11", "2024-03-14", "2024-03-15", "2024-03-16", "2024-03-18")
    table = expiry(*dates)
    np.testing.assert_allclose(table["expiry_after"], [11 / 15, 14 / 15, 1, 0, 0])
    np.testing.assert_allclose(table["expiry_before"], [0, 0, 1, 14 / 15, 12 / 15])
    np.testing.assert_allclose(table["quarter_expiry_after"][:3], [41 / 45, 44 / 45, 1])
    np.testing.assert_array_equal(table["expiry_week"], [1, 1, 1, 0, 0])
    moved = expiry("2019-04-18", "2019-04-19", "2019-04-15")  # Good Friday: a day earlier
    np.testing.assert_allclose(moved["expiry_before"], [1, 14 / 15, 0])
    np.testing.assert_array_equal(moved["expiry_week"], [1, 0, 1])
    assert expiry("2019-04-19", calendar="24/7")["expiry_after"][0] == 1
