import numpy as np
import pytest
from statsmodels.tsa.regime_switching.markov_regression import MarkovRegression

from regimecast.core.errors import ConfigError, DataError, SpecError
from regimecast.core.types import Interval, Regime

LEVELS = np.array([0.004, 0.012, 0.035])
STAY = 0.98


def simulated(seed: int, n: int = 1500) -> tuple[np.ndarray, np.ndarray]:
    """Prices and the true state of each bar."""
    rng = np.random.default_rng(seed)
    state = np.empty(n, dtype=int)
    state[0] = 0
    for t in range(1, n):
        state[t] = state[t - 1] if rng.random() < STAY else rng.integers(0, 3)
    returns = rng.normal(0, LEVELS[state])
    returns[0] = 0.0
    return 100 * np.exp(np.cumsum(returns)), state


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray]:
    return simulated(5)


@pytest.fixture(scope="module")
def fitted(labeller, panel_of, drawn):
    panel = panel_of(drawn[0])
    return labeller("markov").fit(panel, Interval(panel.time[0], panel.time[999])), panel


def test_states_are_found_in_order_of_variance(fitted, drawn):
    rule, panel = fitted
    chain = rule.state()["chains"]["A0"]
    found = chain["scale"] * np.sqrt(chain["variance"])
    np.testing.assert_allclose(found, LEVELS, rtol=0.25)
    np.testing.assert_allclose(np.sum(chain["transition"], axis=1), 1.0, rtol=1e-9)
    codes = rule.label(panel)
    plain = (codes >= 0) & (codes < 3)
    plain[:1000] = False  # out of sample
    assert plain.sum() > 100
    assert (codes[plain] == drawn[1][plain]).mean() > 0.75


def test_filter_equals_statsmodels(fitted, panel_of, drawn):
    rule, _ = fitted
    chain = rule.state()["chains"]["A0"]
    returns = np.diff(np.log(drawn[0]))
    model = MarkovRegression(returns / chain["scale"], k_regimes=3, switching_variance=True)
    transition = np.array(chain["transition"])
    # Parameters by name: p[i->j] for j < 2, then means and variances.
    named = {f"p[{i}->{j}]": transition[i, j] for i in range(3) for j in range(2)}
    named |= {f"const[{k}]": chain["mean"][k] for k in range(3)}
    named |= {f"sigma2[{k}]": chain["variance"][k] for k in range(3)}
    reference = model.filter(np.array([named[name] for name in model.param_names]))
    np.testing.assert_allclose(
        rule.filtered("A0", returns), reference.filtered_marginal_probabilities, atol=1e-7
    )


def test_filter_survives_missing_and_absurd_returns(fitted):
    rule, _ = fitted
    returns = np.array([np.nan, 0.001, np.nan, 0.002, 9.0, -9.0, 0.001])
    probability = rule.filtered("A0", returns)
    assert np.isnan(probability[[0, 2]]).all()
    known = ~np.isnan(returns)
    np.testing.assert_allclose(probability[known].sum(axis=1), 1.0, rtol=1e-12)
    assert probability[4].argmax() == 2


@pytest.mark.parametrize("cut", [1, 2, 400, 1001, 1499])
def test_truncation_changes_nothing_before_it(fitted, cut):
    rule, panel = fitted
    short = rule.label(panel.until(panel.time[cut - 1]))
    assert short.tobytes() == rule.label(panel)[:cut].tobytes()


def test_nothing_after_the_training_interval_is_learned(labeller, panel_of, drawn, fitted):
    changed = drawn[0].copy()
    changed[1000:] *= np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.1, 500)))
    panel = panel_of(changed)
    again = labeller("markov").fit(panel, Interval(panel.time[0], panel.time[999]))
    assert again.state() == fitted[0].state()


def test_prices_have_priority(fitted, panel_of, drawn):
    rule, _ = fitted
    close = drawn[0].copy()
    close[1200:] *= 0.7
    codes = rule.label(panel_of(close))
    assert codes[1200] == Regime.CRASH


def test_no_convergence_is_an_error_that_names_the_asset(labeller, panel_of, drawn):
    panel = panel_of(drawn[0])
    interval = Interval(panel.time[0], panel.time[-1])
    with pytest.raises(DataError, match=r"did not converge on 1499 training returns of 'A0'"):
        labeller("markov", iterations=1).fit(panel, interval)
    flat = panel_of(np.full(1000, 50.0))
    with pytest.raises(DataError, match="do not vary"):
        labeller("markov").fit(flat, Interval(flat.time[0], flat.time[-1]))


def test_too_little_history_and_no_fit_are_refused(labeller, panel_of, drawn):
    panel = panel_of(drawn[0][:100])
    rule = labeller("markov")
    with pytest.raises(DataError, match=r"regime\.minimum=500"):
        rule.fit(panel, Interval(panel.time[0], panel.time[-1]))
    with pytest.raises(SpecError, match="not fitted"):
        rule.label(panel)
    with pytest.raises(ConfigError, match=r"regime\.minimum=10"):
        labeller("markov", minimum=10)
    with pytest.raises(ConfigError, match=r"regime\.iterations=0"):
        labeller("markov", iterations=0)
