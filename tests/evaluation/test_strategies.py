from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from regimecast.core.errors import ConfigError, DataError, SpecError
from regimecast.core.types import ForecastKind
from regimecast.data.returns import log_returns, trailing_volatility
from regimecast.evaluation.benchmarks import buy_and_hold, naive
from regimecast.evaluation.origins import origin_rows, trailing_return
from regimecast.evaluation.strategies.base import StrategyRegistry
from tests.evaluation.samples import make_forecast, random_panel

PANEL = random_panel(0, [60])
ONE_BAR = {"bars_per_year": 252.0}


def quantiles(rows, levels=(0.1, 0.5, 0.9), origin=None):
    values = np.asarray(rows, dtype=np.float32)
    origin = PANEL.time[: len(values)] if origin is None else origin
    return make_forecast(values, levels, origin=origin)


def create(name, **params):
    return StrategyRegistry.create(name, **params)


def sign(threshold=0.0, allow_short=True, step=None):
    return create("sign", threshold=threshold, allow_short=allow_short, step=step)


def test_sign_takes_the_last_or_the_given_step():
    forecast = quantiles([[[-2, -1, 0], [0, 1, 2]], [[0, 0, 0], [-3, -2, -1]]])
    assert sign().positions(forecast, PANEL, **ONE_BAR).tolist() == [1, -1]
    assert sign(step=1).positions(forecast, PANEL, **ONE_BAR).tolist() == [-1, 0]
    assert sign(allow_short=False).positions(forecast, PANEL, **ONE_BAR).tolist() == [1, 0]
    assert sign(threshold=1.5).positions(forecast, PANEL, **ONE_BAR).tolist() == [0, -1]
    with pytest.raises(SpecError, match=r"step=3 is beyond the forecast's horizon 2"):
        sign(step=3).positions(forecast, PANEL, **ONE_BAR)


def test_sign_accepts_every_kind():
    p = np.array([[[0.5, 0.2, 0.3]], [[0.1, 0.2, 0.7]]], dtype=np.float32)
    classes = make_forecast(p, (-1.0, 0.0, 1.0), ForecastKind.PROBABILITIES)
    assert sign().positions(classes, PANEL, **ONE_BAR).tolist() == [-1, 1]
    held = make_forecast(
        np.array([[[0.25]], [[-0.05]]], dtype=np.float32), (0.5,), ForecastKind.POSITIONS
    )
    assert sign(threshold=0.1).positions(held, PANEL, **ONE_BAR).tolist() == [0.25, 0]


def test_the_position_to_hold_next_is_the_first_step():
    values = np.array([[0.25, -1.0, 0.5], [-0.75, 1.0, 0.0]], dtype=np.float32)[:, :, None]
    held = make_forecast(values, (0.5,), ForecastKind.POSITIONS, origin=PANEL.time[20:22])
    assert sign().step_of(held) == 1
    assert sign().positions(held, PANEL, **ONE_BAR).tolist() == [0.25, -0.75]
    assert sign(step=3).positions(held, PANEL, **ONE_BAR).tolist() == [0.5, 0.0]
    sized = volatility_target().positions(held, PANEL, **ONE_BAR)
    assert np.sign(sized).tolist() == [1, -1]
    path = quantiles([[[-1], [0], [2]]], levels=(0.5,))
    assert sign().step_of(path) == 3
    assert sign(step=2).step_of(path) == 2


def test_quantile_band_needs_agreement():
    band = create(
        "quantile_band", lower=0.1, upper=0.9, margin_bps=50.0, allow_short=True, step=None
    )
    forecast = quantiles(
        [[[0.01, 0.02, 0.03]], [[0.001, 0.02, 0.03]], [[-0.03, -0.02, -0.01]], [[-1, 0, 1]]]
    )
    assert band.positions(forecast, PANEL, **ONE_BAR).tolist() == [1, 0, -1, 0]
    with pytest.raises(SpecError, match=r"lower=0.1 is outside.*strategy=sign"):
        band.positions(quantiles([[[1.0]]], levels=(0.5,)), PANEL, **ONE_BAR)


def test_class_probability_needs_a_margin():
    strategy = create("class_probability", threshold=0.2, allow_short=True, step=None)
    p = np.array([[[0.5, 0.1, 0.4]], [[0.1, 0.2, 0.7]], [[0.6, 0.2, 0.2]]], dtype=np.float32)
    forecast = make_forecast(p, (-1.0, 0.0, 1.0), ForecastKind.PROBABILITIES)
    assert strategy.positions(forecast, PANEL, **ONE_BAR).tolist() == [0, 1, -1]


def test_a_strategy_that_does_not_fit_names_one_that_does():
    p = np.full((1, 1, 2), 0.5, dtype=np.float32)
    classes = make_forecast(p, (0.0, 1.0), ForecastKind.PROBABILITIES)
    band = create(
        "quantile_band", lower=0.1, upper=0.9, margin_bps=0.0, allow_short=True, step=None
    )
    match = "cannot act on probabilities.*: class_probability, coin, sign, volatility_target"
    with pytest.raises(SpecError, match=match):
        band.positions(classes, PANEL, **ONE_BAR)


def volatility_target(**changes):
    params = {
        "target": 0.1,
        "volatility": "trailing",
        "window": 10,
        "max_leverage": 2.0,
        "threshold": 0.0,
        "step": None,
    }
    return create("volatility_target", **{**params, **changes})


def test_volatility_target_sizes_to_constant_risk():
    ups = np.ones((60, 1, 1), dtype=np.float32) * np.resize([1, -1], (60, 1, 1))
    forecast = quantiles(ups, levels=(0.5,))
    found = volatility_target().positions(forecast, PANEL, **ONE_BAR)
    returns = np.diff(np.log(PANEL.actual("close")))
    assert not found[:10].any()  # ten returns are known from the eleventh bar on
    for row in range(10, 60):
        yearly = returns[row - 10 : row].std(ddof=1) * np.sqrt(252)
        assert found[row] == pytest.approx(min(0.1 / yearly, 2.0) * (1 - 2 * (row % 2)))
    capped = volatility_target(target=50.0).positions(forecast, PANEL, **ONE_BAR)
    assert set(np.abs(capped[10:])) == {2.0}


def test_volatility_target_from_the_forecast():
    sigma = 0.03
    levels = (0.1, 0.5, 0.9)
    row = stats.norm.ppf(levels, 0.01, sigma)
    forecast = quantiles([[row, row, row, row]], levels=levels)
    strategy = volatility_target(volatility="forecast", max_leverage=9.0)
    found = strategy.positions(forecast, PANEL, **ONE_BAR)
    assert found[0] == pytest.approx(0.1 / (sigma * np.sqrt(252 / 4)), rel=1e-5)
    with pytest.raises(SpecError, match="symmetric pair"):
        strategy.positions(quantiles([[[1.0]]], levels=(0.5,)), PANEL, **ONE_BAR)


def test_a_flat_price_has_no_size():
    from tests.evaluation.samples import make_panel

    panel = make_panel([[100.0] * 20])
    forecast = make_forecast(np.ones((20, 1, 1), dtype=np.float32), (0.5,))
    assert not volatility_target().positions(forecast, panel, **ONE_BAR).any()


@pytest.mark.parametrize("name", StrategyRegistry.available())
def test_positions_do_not_know_the_future(name):
    params = {
        "sign": {"threshold": 0.0, "allow_short": True, "step": None},
        "quantile_band": {
            "lower": 0.1,
            "upper": 0.9,
            "margin_bps": 0.0,
            "allow_short": True,
            "step": None,
        },
        "class_probability": {"threshold": 0.0, "allow_short": True, "step": None},
    }.get(name)
    strategy = create(name, **params) if params else volatility_target()
    kind = next(iter(sorted(strategy.kinds)))
    rng = np.random.default_rng(0)
    if kind is ForecastKind.PROBABILITIES:
        levels: tuple[float, ...] = (-1.0, 0.0, 1.0)
    else:
        levels = (0.1, 0.5, 0.9) if kind is ForecastKind.QUANTILES else (0.5,)
    values = rng.normal(size=(60, 1, len(levels))).astype(np.float32)
    whole = make_forecast(values, levels, kind, origin=PANEL.time)
    found = strategy.positions(whole, PANEL, **ONE_BAR)
    for t in (12, 30, 45):
        cut = strategy.positions(
            whole.take(np.arange(t + 1)), PANEL.until(PANEL.time[t]), **ONE_BAR
        )
        assert np.array_equal(cut, found[: t + 1])


def test_impossible_parameters():
    for params in ({"threshold": -1.0}, {"threshold": float("nan")}, {"step": 0}):
        with pytest.raises(ConfigError, match=r"strategy\.(threshold|step)="):
            sign(**params)
    with pytest.raises(ConfigError, match="Did you mean 'trailing'"):
        volatility_target(volatility="trailling")
    with pytest.raises(ConfigError, match=r"strategy\.window=1"):
        volatility_target(window=1)
    with pytest.raises(ConfigError, match="must be below"):
        create("quantile_band", lower=0.9, upper=0.1, margin_bps=0.0, allow_short=True, step=None)
    with pytest.raises(ConfigError, match="Did you mean 'sign'"):
        StrategyRegistry.get("sing")


def test_origin_rows_finds_each_bar():
    panel = random_panel(1, [30, 20, 40])
    rng = np.random.default_rng(0)
    rows = rng.permutation(panel.n_rows)[:50]
    order = ("c", "a", "b")  # the forecast numbers assets in another order
    code = {name: i for i, name in enumerate(order)}
    asset = np.array([code[panel.assets[int(panel.asset_of_row[row])]] for row in rows])
    forecast = make_forecast(
        np.zeros((50, 1, 1), dtype=np.float32),
        (0.5,),
        asset=asset,
        origin=panel.time[rows],
        assets=order,
    )
    assert np.array_equal(origin_rows(forecast, panel), rows)
    with pytest.raises(DataError, match=r"has no bar at"):
        origin_rows(forecast, panel.until(np.sort(panel.time[rows])[20]))
    with pytest.raises(DataError, match="'c' is not in the panel"):
        origin_rows(forecast, panel.select(("a", "b")))
    with pytest.raises(SpecError, match="has 2 forecasts at"):
        origin_rows(forecast.take(np.array([0, 1, 0])), panel)


def test_trailing_figures_stay_within_their_asset():
    panel = random_panel(1, [30, 2, 40])
    for bars in (1, 5, 100):
        found = trailing_return(panel, bars)
        for asset in range(3):
            log_close = np.log(panel.actual("close")[panel.rows(asset)])
            expected = np.full(len(log_close), np.nan)
            expected[bars:] = log_close[bars:] - log_close[:-bars]
            np.testing.assert_array_equal(found[panel.rows(asset)], expected)
    volatility = trailing_volatility(log_returns(panel), window=7)
    for asset in range(3):
        log_close = np.log(panel.actual("close")[panel.rows(asset)])
        for row in range(len(log_close)):
            value = volatility[panel.offsets[asset] + row]
            if row < 7:
                assert np.isnan(value)
            else:
                expected = np.diff(log_close[row - 7 : row + 1]).std(ddof=1)
                assert value == pytest.approx(expected, rel=1e-12)


def test_benchmarks():
    panel = random_panel(1, [30])
    rows = np.arange(30)
    assert buy_and_hold(rows).tolist() == [1.0] * 30
    close = panel.actual("close")
    found = naive(rows, panel, bars=3)
    assert not found[:3].any()
    assert np.array_equal(found[3:], np.sign(close[3:] - close[:-3]))


def coins(seeds, panel, hold=1):
    forecast = quantiles(np.zeros((panel.n_rows, 1, 3)), origin=panel.time)
    forecast = replace(forecast, asset=panel.asset_of_row, assets=panel.assets)
    toss = (create("coin", seed=seed, hold=hold, step=None) for seed in seeds)
    return np.stack([coin.positions(forecast, panel, **ONE_BAR) for coin in toss]), forecast


def test_coins_are_fair_and_independent_of_one_another():
    panel = random_panel(1, [500, 500])
    tosses, _ = coins(range(100), panel)
    assert set(np.unique(tosses)) == {-1.0, 1.0}
    n = tosses.size
    assert abs(tosses.mean()) < 4 / np.sqrt(n)
    assert abs((tosses[:, 1:] * tosses[:, :-1]).mean()) < 4 / np.sqrt(n)  # bars
    assert abs((tosses[1:] * tosses[:-1]).mean()) < 4 / np.sqrt(n)  # seeds
    assert abs((tosses[:, :500] * tosses[:, 500:]).mean()) < 4 / np.sqrt(n / 2)  # assets


def test_a_toss_is_held_and_does_not_depend_on_which_bars_are_forecast():
    panel = random_panel(1, [60, 45])
    (tosses,), forecast = coins([3], panel, hold=5)
    assert (tosses[:60].reshape(12, 5) == tosses[:60:5, None]).all()
    some = np.arange(7, 90, 4)
    coin = create("coin", seed=3, hold=5, step=None)
    alone = coin.positions(forecast.take(some), panel, **ONE_BAR)
    assert (alone == tosses[some]).all()
    with pytest.raises(ConfigError, match=r"strategy\.hold=0"):
        create("coin", seed=0, hold=0, step=None)
