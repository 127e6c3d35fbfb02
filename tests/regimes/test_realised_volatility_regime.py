import numpy as np
import pytest

from regimecast.core.errors import ConfigError, DataError, LeakageError, SpecError
from regimecast.core.types import Interval, Regime
from regimecast.data.returns import trailing_volatility


def path(seed: int, n: int = 900) -> np.ndarray:
    """Prices whose volatility changes between quiet, plain and wild stretches."""
    rng = np.random.default_rng(seed)
    level = np.repeat([0.004, 0.01, 0.02], n // 3)[rng.permutation(n // 100).repeat(100) % 3 * 300]
    return 100 * np.exp(np.cumsum(rng.normal(0, level)))


def first(panel, n: int) -> Interval:
    return Interval(panel.time[0], panel.time[n - 1])


@pytest.fixture
def rule(labeller):
    return labeller("realised_volatility", minimum=50)


@pytest.mark.parametrize("window", [2, 5, 21])
def test_trailing_volatility_equals_numpy(window):
    rng = np.random.default_rng(0)
    returns = rng.normal(0, 0.01, 120)
    returns[[0, 60]] = np.nan
    expected = np.array(
        [
            np.std(returns[t - window + 1 : t + 1], ddof=1) if t + 1 >= window else np.nan
            for t in range(120)
        ]
    )
    np.testing.assert_allclose(trailing_volatility(returns, window=window), expected, rtol=1e-12)


def test_codes_follow_training_quantiles(labeller, panel_of, price):
    panel = panel_of(path(0))
    rule = labeller("realised_volatility", minimum=50, price={**price, "rise": 100.0})
    codes = rule.fit(panel, first(panel, 900)).label(panel)
    assert (codes[:21] == -1).all()
    shares = np.bincount(codes[21:], minlength=5) / 879
    np.testing.assert_allclose(shares, [0.32, 0.50, 0.14, 0.04, 0.0], atol=0.005)


def test_thresholds_are_annual_and_per_asset(rule, panel_of):
    calm = path(1)
    wild = 100 * (calm / 100) ** 3
    panel = panel_of(calm, wild)
    state = rule.fit(panel, first(panel, 600)).state()
    np.testing.assert_allclose(
        np.array(state["thresholds"]["A1"]), 3 * np.array(state["thresholds"]["A0"]), rtol=1e-9
    )
    assert state["bars_per_year"] == pytest.approx(365.25)
    assert state["interval"] == first(panel, 600).to_json()
    codes = rule.label(panel)
    agree = codes[:900] == codes[900:]
    assert agree[(codes[:900] < 3) & (codes[900:] < 3)].all()


def test_nothing_after_the_training_interval_is_learned(labeller, panel_of):
    close = path(2)
    changed = close.copy()
    changed[600:] *= np.exp(np.cumsum(np.random.default_rng(9).normal(0, 0.2, 300)))
    states = []
    for prices in (close, changed):
        panel = panel_of(prices)
        fitted = labeller("realised_volatility", minimum=50).fit(panel, first(panel, 600))
        states.append(fitted.state())
    assert states[0] == states[1]


@pytest.mark.parametrize("cut", [1, 25, 300, 601, 899])
def test_truncation_changes_nothing_before_it(rule, panel_of, cut):
    panel = panel_of(path(3))
    rule.fit(panel, first(panel, 600))
    short = rule.label(panel.until(panel.time[cut - 1]))
    assert short.tobytes() == rule.label(panel)[:cut].tobytes()


def test_bars_before_the_training_interval_are_unknown(rule, panel_of):
    panel = panel_of(path(4))
    rule.fit(panel, Interval(panel.time[300], panel.time[700]))
    codes = rule.label(panel)
    assert set(codes[:300]) <= {-1, Regime.CRASH, Regime.RECOVERY}
    assert (codes[300:] >= 0).all()
    with pytest.raises(LeakageError, match="before that"):
        rule.label(panel.until(panel.time[299]))


def test_an_asset_without_training_history_stays_unknown_with_a_warning(rule, panel_of, caplog):
    long, short = path(5), path(6)[:80]
    start = np.datetime64("2020-01-01", "ns")
    day = np.timedelta64(1, "D").astype("timedelta64[ns]")
    panel = panel_of(
        long, short, times=[start + day * np.arange(900), start + day * (850 + np.arange(80))]
    )
    codes = rule.fit(panel, Interval(panel.time[0], panel.time[800])).label(panel)
    assert "1 of 2 assets" in caplog.text
    assert "A1" in caplog.text
    assert set(codes[900:]) <= {-1, Regime.CRASH, Regime.RECOVERY}
    assert (codes[21:900] >= 0).all()


def test_too_little_history_for_anyone_is_refused(labeller, panel_of):
    panel = panel_of(path(7)[:100])
    with pytest.raises(DataError, match=r"regime\.minimum=250"):
        labeller("realised_volatility").fit(panel, first(panel, 100))


def test_label_before_fit_is_refused(rule, panel_of):
    with pytest.raises(SpecError, match="was not fitted"):
        rule.label(panel_of(path(0)))


def test_bad_prices_are_missing_not_infinite(rule, panel_of):
    close = path(8)
    close[[100, 200, 300]] = [0.0, -5.0, np.nan]
    panel = panel_of(close)
    codes = rule.fit(panel, first(panel, 900)).label(panel)
    assert np.isfinite(np.array(rule.state()["thresholds"]["A0"])).all()
    assert set(codes) <= {-1, 0, 1, 2, 3, 4}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window": 1}, r"regime\.window=1"),
        ({"quantiles": [0.5, 0.4, 0.9]}, r"regime\.quantiles"),
        ({"quantiles": [0.5, 0.9]}, r"regime\.quantiles"),
        ({"minimum": 0}, r"regime\.minimum=0"),
    ],
)
def test_contradictions_are_refused(labeller, changes, message):
    with pytest.raises(ConfigError, match=message):
        labeller("realised_volatility", **changes)


def test_the_crash_and_the_recovery_of_the_s_and_p_500(labeller, sp500):
    rule = labeller("realised_volatility")
    interval = Interval(np.datetime64("1990-01-01", "ns"), np.datetime64("2009-12-31", "ns"))
    codes = rule.fit(sp500, interval).label(sp500)
    month = sp500.time.astype("datetime64[M]")
    assert (codes[month == np.datetime64("2020-03")] == Regime.CRASH).mean() > 0.5
    assert (codes[month == np.datetime64("2020-04")] == Regime.RECOVERY).all()
    assert (codes[month == np.datetime64("2008-10")] == Regime.CRASH).mean() >= 0.5
