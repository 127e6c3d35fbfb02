"""What `IndicatorFamily` does for its columns."""

import numpy as np
import pandas as pd
import pytest

from regimecast.core.errors import ConfigError
from regimecast.features.indicators import Indicator, IndicatorFamily, check_bars, memory


class Differences(IndicatorFamily):
    """One column: the close less the close two bars before, counting calls."""

    calls = 0

    def indicators(self):
        def difference(close, volume):
            type(self).calls += 1
            assert np.isfinite(close).all()
            result = np.zeros(len(close))
            result[2:] = close[2:] - close[:-2]
            return result

        return (Indicator("difference", 2, ("close", "volume"), "price", "test", difference),)


def test_each_stretch_starts_its_own_warm_up():
    close = np.arange(1.0, 13.0) ** 2
    volume = np.ones(12)
    close[5], volume[8] = np.nan, -1.0  # a negative volume is missing too
    values = Differences().compute({"close": close, "volume": volume})[:, 0]
    expected = np.full(12, np.nan)
    for t in (2, 3, 4, 11):
        expected[t] = close[t] - close[t - 2]
    np.testing.assert_array_equal(values, expected)


def test_stretches_that_are_all_warm_up_are_not_computed():
    Differences.calls = 0
    close = np.where(np.arange(1000) % 3 == 2, np.nan, 5.0)
    values = Differences().compute({"close": close, "volume": np.ones(1000)})
    assert np.isnan(values).all()
    assert Differences.calls == 0


@pytest.mark.parametrize("price", [0.0, -3.0, np.inf])
def test_an_impossible_price_counts_as_missing(price):
    close = np.array([1.0, 2.0, 3.0, price, 4.0, 5.0])
    values = Differences().compute({"close": close, "volume": np.ones(6)})[:, 0]
    np.testing.assert_array_equal(np.isfinite(values), [0, 0, 1, 0, 0, 0])


@pytest.mark.parametrize("alphas", [(1 / 14,), (0.06,), (1 / 14, 1 / 14), (0.125,) * 3, (0.9,)])
def test_memory_is_the_first_bar_at_which_the_past_weighs_below_one_percent(alphas):
    step = pd.Series([0.0] + [1.0] * 400)
    for alpha in alphas:
        step = step.ewm(alpha=alpha, adjust=False).mean()
    older = 1.0 - step.to_numpy()
    bars = memory(*alphas)
    assert older[bars] < 0.01 <= older[bars - 1]


@pytest.mark.parametrize("value", [0, -1, 2.0, True, "3", None])
def test_windows_are_whole_bars(value):
    with pytest.raises(ConfigError, match=r"features\.x\.window"):
        check_bars("x.window", value, minimum=1)
