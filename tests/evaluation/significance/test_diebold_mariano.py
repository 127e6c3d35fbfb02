import numpy as np
import pytest
import statsmodels.api as sm
from scipy.fft import dct
from scipy.stats import t as student
from statsmodels.stats.multitest import multipletests

from regimecast.core.errors import SpecError
from regimecast.evaluation.significance.diebold_mariano import (
    diebold_mariano,
    holm,
    pairwise,
    t_statistics,
)
from regimecast.evaluation.significance.testable import NotTestableError


def losses(n=300, seed=0):
    rng = np.random.default_rng(seed)
    smooth = np.convolve(rng.standard_normal(n + 3), np.ones(4), mode="valid")
    return 1.0 + smooth**2, 1.1 + rng.standard_normal(n) ** 2


def test_rectangular_is_the_formula_of_harvey_leybourne_and_newbold():
    first, second = losses()
    d, n, h = first - second, 300, 4
    moved = d - d.mean()
    gamma = [np.sum(moved[k:] * moved[: n - k]) / n for k in range(h)]
    statistic = d.mean() / np.sqrt((gamma[0] + 2 * sum(gamma[1:])) / n)
    corrected = statistic * np.sqrt((n + 1 - 2 * h + h * (h - 1) / n) / n)
    found = diebold_mariano(first, second, horizon=h, variance="rectangular")
    assert found.statistic == pytest.approx(corrected, rel=1e-12)
    assert found.p_value == pytest.approx(2 * student.sf(abs(corrected), n - 1), rel=1e-12)
    assert (found.n, found.degrees) == (n, n - 1)
    assert found.difference == pytest.approx(d.mean())


def test_bartlett_is_a_regression_on_a_constant_with_newey_west_errors():
    first, second = losses()
    d, n, lags = first - second, 300, 7
    fitted = sm.OLS(d, np.ones(n)).fit(
        cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False}
    )
    h = lags + 1
    corrected = fitted.tvalues[0] * np.sqrt((n + 1 - 2 * h + h * (h - 1) / n) / n)
    found = diebold_mariano(first, second, horizon=h, variance="bartlett")
    assert found.statistic == pytest.approx(corrected, rel=1e-12)


def test_cosine_is_the_mean_of_squared_coefficients():
    first, second = losses()
    d, n = first - second, 300
    degrees = int(0.4 * n ** (2 / 3))
    wave = [
        np.sqrt(2 / n) * np.sum(d * np.cos(np.pi * j * (np.arange(n) + 0.5) / n))
        for j in range(1, degrees + 1)
    ]
    found = diebold_mariano(first, second)
    assert found.degrees == degrees == 17
    assert found.statistic == pytest.approx(d.mean() / np.sqrt(np.mean(np.square(wave)) / n))
    assert found.p_value == pytest.approx(2 * student.sf(abs(found.statistic), degrees))
    np.testing.assert_allclose(wave, dct(d, norm="ortho")[1 : degrees + 1], atol=1e-10)
    assert diebold_mariano(first, second, horizon=20).degrees == 6  # 0.4 n / h
    assert diebold_mariano(second, first).statistic == -found.statistic


@pytest.mark.parametrize("seed", [0, 1])
def test_pairs_are_single_tests(seed):
    rng = np.random.default_rng(seed)
    table = rng.gamma(2.0, size=(200, 4))
    table[:, 3] = table[:, 1]
    statistic, p_value = pairwise(table, horizon=3)
    assert np.isnan(np.diag(p_value)).all()
    assert np.isnan([p_value[1, 3], p_value[3, 1]]).all()
    for i, j in ((0, 1), (0, 2), (2, 3)):
        one = diebold_mariano(table[:, i], table[:, j], horizon=3)
        assert statistic[i, j] == pytest.approx(one.statistic)
        assert statistic[j, i] == pytest.approx(-one.statistic)
        assert p_value[i, j] == p_value[j, i] == pytest.approx(one.p_value)


def test_holm():
    p = np.array([0.01, np.nan, 0.04, 0.03, 0.005, 0.8])
    known = np.isfinite(p)
    expected = multipletests(p[known], method="holm")[1]
    adjusted = holm(p)
    np.testing.assert_allclose(adjusted[known], expected)
    assert np.isnan(adjusted[1])
    assert holm(np.array([np.nan])).shape == (1,)


def garch_differences(seed, n, series, horizon):
    """Differences of squared errors of two equal models whose variance is one GARCH(1, 1)."""
    rng = np.random.default_rng(seed)
    variance, errors = np.ones(series), np.empty((n + 200, 2, series))
    for t in range(len(errors)):
        errors[t] = np.sqrt(variance) * rng.standard_normal((2, series))
        variance = 0.02 + 0.08 * errors[t, 0] ** 2 + 0.9 * variance
    sums = np.cumsum(errors, axis=0)
    squares = (sums[horizon:] - sums[:-horizon])[-n:] ** 2
    return squares[:, 0] - squares[:, 1]


@pytest.mark.parametrize("horizon", [1, 5])
@pytest.mark.parametrize("n", [250, 1000])
def test_size_under_garch(n, horizon):
    difference = garch_differences(n, n, 1500, horizon)
    t, degrees = t_statistics(difference, horizon=horizon)
    assert 0.03 <= np.mean(2 * student.sf(np.abs(t), degrees) < 0.05) <= 0.07


def test_size_under_correlated_losses_where_newey_and_west_fail():
    rng = np.random.default_rng(1)
    series = rng.standard_normal((700, 1500))
    for t in range(1, 700):
        series[t] += 0.6 * series[t - 1]
    rejected = {}
    for variance in ("cosine", "bartlett", "rectangular"):
        t, degrees = t_statistics(series[200:], horizon=1, variance=variance)
        rejected[variance] = np.mean(2 * student.sf(np.abs(t), degrees) < 0.05)
    assert 0.03 <= rejected["cosine"] <= 0.07
    assert 0.08 < rejected["bartlett"] < rejected["rectangular"]


def test_it_finds_what_is_there():
    rng = np.random.default_rng(2)
    first = rng.gamma(2.0, size=1000)
    assert diebold_mariano(first, first + 0.2 + 0.5 * rng.standard_normal(1000)).p_value < 1e-4


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (np.arange(20.0), np.zeros(20), "20 times"),
        (np.arange(50.0), np.arange(50.0), "all values are equal"),
        (np.arange(50.0) + 3, np.arange(50.0), "all values are equal"),
        (np.full(50, np.nan), np.zeros(50), "NaN"),
    ],
)
def test_what_is_not_testable(first, second, said):
    with pytest.raises(NotTestableError, match=said):
        diebold_mariano(first, second)


def test_a_variance_below_zero_is_not_testable():
    saw = np.tile([1.0, -1.0], 30)
    with pytest.raises(NotTestableError, match="rectangular estimate of the variance"):
        diebold_mariano(saw, np.zeros(60), horizon=2, variance="rectangular")


def test_lengths_must_agree():
    with pytest.raises(SpecError, match="50 and 49 times"):
        diebold_mariano(np.arange(50.0), np.arange(49.0))
