import numpy as np
import pytest
import yaml

from regimecast.core.config import config_folder
from regimecast.core.errors import ConfigError, DataError, LeakageError
from regimecast.core.types import REGIMES, Interval, Regime
from regimecast.regimes.base import RegimeRegistry


@pytest.mark.parametrize("name", ["vix", "realised_volatility", "markov"])
def test_yaml_holds_the_full_signature(labeller, name):
    config = yaml.safe_load((config_folder() / "regime" / f"{name}.yaml").read_text())
    assert [key for key in config if key != "name"] == list(RegimeRegistry.parameters(name))
    assert labeller(name).lookback > 100


@pytest.mark.parametrize(
    ("index", "regime"),
    [
        (45.0, "crash"),
        (35.01, "crash"),
        (35.0, "high_volatility"),
        (28.0, "high_volatility"),
        (25.0, "high_volatility"),
        (24.99, "normal"),
        (18.0, "normal"),
        (15.0, "normal"),
        (14.99, "low_volatility"),
        (12.0, "low_volatility"),
    ],
)
def test_thresholds_of_the_requirement(labeller, panel_of, index, regime):
    codes = labeller("vix", minimum_lag=0).label(panel_of([100.0], vix=[index]))
    assert REGIMES[codes[0]] == regime
    assert codes.dtype == np.int8


def test_the_index_of_a_day_does_not_change_the_code_of_that_day(labeller, panel_of):
    rule = labeller("vix")
    calm = panel_of([100.0] * 6, vix=[12.0] * 6, lag=1)
    spike = panel_of([100.0] * 6, vix=[12, 12, 12, 60, 12, 12], lag=1)
    assert rule.label(calm).tolist() == [-1, 0, 0, 0, 0, 0]
    assert rule.label(spike).tolist() == [-1, 0, 0, 0, 3, 0]


def test_a_missing_index_is_unknown_unless_prices_speak(labeller, panel_of):
    nothing = np.full(4, np.nan)
    codes = labeller("vix").label(panel_of([100.0, 100.0, 80.0, 95.0], vix=nothing, lag=1))
    assert codes.tolist() == [-1, -1, Regime.CRASH, Regime.RECOVERY]


def test_a_missing_index_is_the_last_known_one_of_the_same_asset(labeller, panel_of):
    nan = np.nan
    flat = [100.0] * 5
    panel = panel_of(flat, flat, vix=[nan, 12, nan, nan, 28, nan, nan, 20, nan, np.inf], lag=1)
    codes = labeller("vix").label(panel)
    low, normal = Regime.LOW_VOLATILITY, Regime.NORMAL
    assert codes.tolist() == [-1, -1, low, low, low, -1, -1, -1, normal, normal]
    for end in range(1, 5):
        short = labeller("vix").label(panel.until(panel.time[end - 1]))
        assert short.tolist() == [*codes[:end], *codes[5 : 5 + end]]


def test_the_column_is_named_when_it_is_missing(labeller, panel_of):
    with pytest.raises(DataError, match="no column 'vix'"):
        labeller("vix").label(panel_of([100.0]))
    with pytest.raises(DataError, match="Did you mean 'vix'"):
        labeller("vix", column="vixx").label(panel_of([100.0], vix=[20.0]))


def test_an_index_known_the_same_day_is_refused_unless_said_so(labeller, panel_of):
    panel = panel_of([100.0] * 3, vix=[12.0, 40.0, 12.0], lag=0)
    interval = Interval(panel.time[0], panel.time[-1])
    for call in (lambda rule: rule.fit(panel, interval), lambda rule: rule.label(panel)):
        with pytest.raises(LeakageError, match=r"'vix' has lag 0.*Set data\.lags\.vix=1"):
            call(labeller("vix"))
    assert labeller("vix", minimum_lag=0).label(panel).tolist() == [0, 3, 0]
    with pytest.raises(LeakageError, match=r"data\.lags\.vix=7"):
        labeller("vix", minimum_lag=7).label(panel_of([100.0] * 3, vix=[12.0] * 3, lag=1))
    with pytest.raises(ConfigError, match=r"regime\.minimum_lag=-1"):
        labeller("vix", minimum_lag=-1)


def test_training_bars_without_an_index_are_told_once_per_fit(labeller, panel_of, caplog):
    panel = panel_of([100.0] * 100, vix=[np.nan] * 59 + [12.0] * 41, lag=1)
    rule = labeller("vix")
    rule.fit(panel, Interval(panel.time[0], panel.time[79]))
    rule.label(panel)
    assert caplog.text.count("75 % of the training bars (2020-01-01 to 2020-03-20)") == 1
    caplog.clear()
    rule.fit(panel, Interval(panel.time[60], panel.time[-1]))
    assert not caplog.records


def test_thresholds_must_ascend(labeller):
    with pytest.raises(ConfigError, match=r"low=15\.0, high=40\.0, crash=35\.0"):
        labeller("vix", high=40.0)


def test_an_alias_names_the_same_regime():
    assert Regime.of("high_vol", key="k") is Regime.HIGH_VOLATILITY
    assert Regime.of("high_volatility", key="k") is Regime.HIGH_VOLATILITY
    with pytest.raises(ConfigError, match=r"k: unknown regime 'crahs'. Did you mean 'crash'"):
        Regime.of("crahs", key="k")


def test_fit_learns_nothing(labeller, panel_of):
    panel = panel_of([100.0] * 3, vix=[12.0, 20.0, 30.0], lag=1)
    rule = labeller("vix")
    assert rule.state()["interval"] is None
    before = rule.label(panel)
    fitted = rule.fit(panel, Interval(panel.time[0], panel.time[1]))
    assert fitted is rule
    assert rule.label(panel).tolist() == before.tolist()
    assert rule.state()["thresholds"] == [15.0, 25.0, 35.0]


def in_month(panel, codes, month):
    return codes[panel.time.astype("datetime64[M]") == np.datetime64(month)]


def test_the_crashes_and_the_recovery_of_the_s_and_p_500(labeller, sp500):
    codes = labeller("vix").label(sp500)
    assert (in_month(sp500, codes, "2008-10") == Regime.CRASH).mean() >= 0.5
    march = in_month(sp500, codes, "2020-03")
    assert (march == Regime.CRASH).mean() > 0.6
    assert (march == Regime.RECOVERY)[-5:].all()
    for month in ("2020-04", "2020-05"):
        assert (in_month(sp500, codes, month) == Regime.RECOVERY).all()
    assert (in_month(sp500, codes, "2017-10") == Regime.LOW_VOLATILITY).all()
    # The VIX closed above 35 on Thursday 27 February 2020; that was known on Friday.
    day = np.flatnonzero(sp500.time == np.datetime64("2020-02-28"))[0]
    assert [REGIMES[code] for code in codes[day - 1 : day + 1]] == ["high_volatility", "crash"]


@pytest.mark.parametrize("cut", [1, 500, 4731, 7600, 7620, 8000])
def test_truncation_changes_nothing_before_it(labeller, sp500, cut):
    rule = labeller("vix")
    short = rule.label(sp500.until(sp500.time[cut - 1]))
    assert short.tobytes() == rule.label(sp500)[:cut].tobytes()


def test_lookback_is_what_a_code_reads(labeller, sp500):
    # Started anew, an automaton agrees after its look-back, but for crashes that renew themselves.
    rule = labeller("vix")
    full = rule.label(sp500)
    later = sp500.time[2000]
    half = type(sp500)(
        sp500.values[2000:],
        sp500.time[2000:],
        np.array([0, sp500.n_rows - 2000]),
        sp500.columns,
        sp500.assets,
        sp500.frequency,
        sp500.calendar,
    )
    assert half.time[0] == later
    assert (rule.label(half)[rule.lookback :] == full[2000 + rule.lookback :]).mean() > 0.999
