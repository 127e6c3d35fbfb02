import numpy as np
import pandas as pd
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from regimecast.core.errors import ConfigError, DataError
from regimecast.labels import (
    atr_barriers,
    average_true_range,
    percentage_barriers,
    triple_barrier,
    volatility_barriers,
)


def bars(length: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, length)))
    spread = rng.exponential(0.008, (2, length))
    return close * (1 + spread[0]), close * (1 - np.minimum(spread[1], 0.5)), close


@given(seed=st.integers(0, 10_000), length=st.integers(1, 120), window=st.integers(1, 40))
@settings(max_examples=100, deadline=None)
def test_average_true_range_is_talibs(seed, length, window):
    high, low, close = bars(length, seed)
    mine = average_true_range(high, low, close, window=window)
    np.testing.assert_allclose(mine, talib.ATR(high, low, close, window), rtol=1e-12)


def test_average_true_range_is_talibs_on_bitcoin(shared_data):
    table = pd.read_parquet(shared_data / "crypto_1m" / "btcusdt_1m_2020H1.parquet")
    high, low, close = (table[name].to_numpy(np.float64) for name in ("high", "low", "close"))
    mine = average_true_range(high, low, close, window=14)
    np.testing.assert_allclose(mine, talib.ATR(high, low, close, 14), rtol=1e-12)


def test_a_missing_price_starts_the_average_anew():
    high, low, close = bars(60, 1)
    close[20] = np.nan  # the true range of bar 21 is missing
    mine = average_true_range(high, low, close, window=5)
    assert np.isfinite(mine[5:21]).all()
    assert np.isnan(mine[21:26]).all()
    np.testing.assert_allclose(
        mine[26:], talib.ATR(high[21:], low[21:], close[21:], 5)[5:], rtol=1e-12
    )


def test_widths_are_multiples_of_their_unit():
    high, low, close = bars(80, 2)
    ranges = atr_barriers(high, low, close, window=10, upper=1.5, lower=1.0)
    unit = talib.ATR(high, low, close, 10) / close
    np.testing.assert_allclose(ranges.upper, 1.5 * unit, rtol=1e-12)
    np.testing.assert_allclose(ranges.lower, unit, rtol=1e-12)
    moves = volatility_barriers(close, window=10, upper=2.0, lower=3.0)
    unit = pd.Series(np.log(close)).diff().rolling(10).std().to_numpy()
    np.testing.assert_allclose(moves.upper, 2.0 * unit, rtol=1e-9)
    np.testing.assert_allclose(moves.lower, 3.0 * unit, rtol=1e-9)
    fixed = percentage_barriers(80, upper=0.0015, lower=0.001)
    assert (set(fixed.upper), set(fixed.lower)) == ({0.0015}, {0.001})
    for widths, first in ((ranges, 10), (moves, 10), (fixed, 0)):
        np.testing.assert_array_equal(np.flatnonzero(widths.known), np.arange(first, 80))


def test_widths_label_from_their_first_known_bar():
    high, low, close = bars(200, 3)
    widths = atr_barriers(high, low, close, window=14, upper=1.0, lower=2.0)
    labels = triple_barrier(
        close,
        high,
        low,
        upper=widths.upper,
        lower=widths.lower,
        horizon=12,
        entries=np.flatnonzero(widths.known),
    )
    assert len(labels.label) == 200 - 14
    assert {-1, 1} <= set(labels.label.tolist())


@given(seed=st.integers(0, 1000), cut=st.integers(1, 99))
@settings(max_examples=50, deadline=None)
def test_widths_do_not_know_the_future(seed, cut):
    high, low, close = bars(100, seed)
    for whole, until in (
        (
            atr_barriers(high, low, close, window=7, upper=1.0, lower=2.0),
            atr_barriers(high[:cut], low[:cut], close[:cut], window=7, upper=1.0, lower=2.0),
        ),
        (
            volatility_barriers(close, window=7, upper=1.0, lower=2.0),
            volatility_barriers(close[:cut], window=7, upper=1.0, lower=2.0),
        ),
    ):
        np.testing.assert_array_equal(whole.upper[:cut], until.upper)
        np.testing.assert_array_equal(whole.lower[:cut], until.lower)


def test_prices_that_stand_still_get_the_floor():
    still = np.full(30, 5.0)
    for widths in (
        atr_barriers(still, still, still, window=3, upper=2.0, lower=1.0, floor=1e-3),
        volatility_barriers(still, window=3, upper=2.0, lower=1.0, floor=1e-3),
    ):
        np.testing.assert_allclose(widths.upper[3:], 2e-3)
        np.testing.assert_allclose(widths.lower[3:], 1e-3)


@pytest.mark.parametrize("asymmetry", ["upper", "lower"])
def test_a_farther_barrier_makes_the_other_label_more_frequent(asymmetry):
    # T-17: on a drifting price the nearer lower barrier balances, the farther one does not.
    rng = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(rng.normal(2e-4, 0.01, 20_000)))
    far = {"upper": 2.0, "lower": 2.0, asymmetry: 2.5}
    shares = []
    for multiples in ({"upper": 2.0, "lower": 2.0}, far):
        widths = volatility_barriers(close, window=20, **multiples)
        labels = triple_barrier(
            close,
            None,
            None,
            upper=widths.upper,
            lower=widths.lower,
            horizon=50,
            entries=np.flatnonzero(widths.known),
        ).label
        shares.append((labels == 1).sum() / np.isin(labels, (-1, 1)).sum())
    assert shares[0] > 0.5
    assert (shares[1] > shares[0]) == (asymmetry == "lower")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda p: atr_barriers(p, p[1:], p, window=3, upper=1.0, lower=1.0), DataError, "low has"),
        (lambda p: average_true_range(p[1:], p, p, window=3), DataError, "high has 9 bars"),
        (lambda p: average_true_range(p, p, p, window=0), ConfigError, "window=0"),
        (
            lambda p: volatility_barriers(p, window=1, upper=1.0, lower=1.0),
            ConfigError,
            "window=1",
        ),
        (
            lambda p: volatility_barriers(-p, window=3, upper=1.0, lower=1.0),
            DataError,
            "close=-5.0 at bar 0",
        ),
        (
            lambda p: volatility_barriers(p, window=3, upper=1.0, lower=1.0, floor=0.0),
            ConfigError,
            "floor=0.0",
        ),
        (lambda p: percentage_barriers(3, upper=0.0, lower=0.1), ConfigError, "upper=0.0"),
        (
            lambda p: percentage_barriers(3, upper=0.1, lower=float("nan")),
            ConfigError,
            "lower=nan",
        ),
    ],
)
def test_wrong_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call(np.full(10, 5.0))
