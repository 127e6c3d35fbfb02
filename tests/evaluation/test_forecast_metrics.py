import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import mean_absolute_error, mean_pinball_loss
from torchmetrics.functional.regression import mean_absolute_error as torch_mae
from torchmetrics.functional.regression import mean_squared_error as torch_mse

from regimecast.evaluation import forecast_metrics as metrics

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)


@pytest.fixture
def cells() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    actual = rng.normal(size=400)
    return actual + rng.normal(size=400), actual, rng.uniform(0, 3, 400)


def test_errors_agree_with_torchmetrics(cells):
    predicted, actual, _ = cells
    p, a = torch.from_numpy(predicted), torch.from_numpy(actual)
    assert metrics.mae(predicted, actual) == pytest.approx(torch_mae(p, a).item(), rel=1e-12)
    rmse = torch_mse(p, a, squared=False).item()
    assert metrics.rmse(predicted, actual) == pytest.approx(rmse, rel=1e-12)


def test_weighted_metrics_agree_with_sklearn(cells):
    predicted, actual, weight = cells
    expected = mean_absolute_error(actual, predicted, sample_weight=weight)
    assert metrics.mae(predicted, actual, weight) == pytest.approx(expected, rel=1e-12)
    quantiles = np.stack([predicted + shift for shift in (-1, -0.5, 0, 0.5, 1)], axis=1)
    each = [
        mean_pinball_loss(actual, quantiles[:, i], alpha=level, sample_weight=weight)
        for i, level in enumerate(LEVELS)
    ]
    found = metrics.pinball(quantiles, LEVELS, actual, weight)
    assert found == pytest.approx(np.mean(each), rel=1e-12)


def test_weight_k_is_k_copies(cells):
    predicted, actual, _ = cells
    copies = np.random.default_rng(1).integers(0, 4, len(actual))
    weight = copies.astype(np.float64)
    many = np.repeat(predicted, copies), np.repeat(actual, copies)
    for metric in (metrics.mae, metrics.rmse, metrics.directional_accuracy):
        assert metric(predicted, actual, weight) == pytest.approx(metric(*many), rel=1e-12)


def test_crps_of_many_quantiles_is_that_of_the_distribution():
    """The closed form for the normal distribution, Gneiting & Raftery (2007), eq. 21."""
    levels = tuple(float(q) for q in np.arange(1, 200) / 200)
    mu, sigma = 0.3, 1.7
    actual = np.random.default_rng(0).normal(size=500)
    z = (actual - mu) / sigma
    exact = sigma * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi))
    quantiles = np.tile(stats.norm.ppf(levels, mu, sigma), (500, 1))
    assert metrics.crps(quantiles, levels, actual) == pytest.approx(exact.mean(), rel=2e-3)


@pytest.mark.parametrize("level", [0.01, 0.5, 0.9])
def test_crps_of_a_lone_level_is_the_absolute_error(cells, level):
    predicted, actual, weight = cells
    found = metrics.crps(predicted[:, None], (level,), actual, weight)
    assert found == pytest.approx(metrics.mae(predicted, actual, weight), rel=1e-12)


@pytest.mark.parametrize("levels", [LEVELS, (0.01, 0.02), (0.9, 0.99)])
def test_crps_of_a_point_forecast_is_the_absolute_error_whatever_the_levels(cells, levels):
    predicted, actual, weight = cells
    same = np.tile(predicted[:, None], len(levels))
    found = metrics.crps(same, levels, actual, weight)
    assert found == pytest.approx(metrics.mae(predicted, actual, weight), rel=1e-12)


def test_crps_is_the_integral_of_the_pinball_loss_over_all_levels(cells):
    """A fine numerical integral, each level taking the quantile of the nearest stated one."""
    _, actual, _ = cells
    levels = (0.02, 0.1, 0.5, 0.6, 0.95)
    quantiles = actual[:, None] + np.random.default_rng(2).normal(size=(len(actual), 5))
    fine = (np.arange(20_000) + 0.5) / 20_000
    nearest = np.abs(fine[:, None] - np.array(levels)).argmin(axis=1)
    total = 0.0
    for column in range(5):
        error = (actual - quantiles[:, column])[:, None]
        level = fine[nearest == column]
        total += 2 * np.maximum(level * error, (level - 1) * error).sum() / 20_000
    found = metrics.crps(quantiles, levels, actual)
    assert found == pytest.approx(total / len(actual), rel=1e-6)


def test_crps_prefers_the_true_distribution_whatever_the_spacing_of_levels():
    actual = np.random.default_rng(0).normal(size=4000)
    levels = (0.01, 0.02, 0.05, 0.1, 0.5, 0.6, 0.95)
    scores = [
        metrics.crps(np.tile(stats.norm.ppf(levels, 0, s), (4000, 1)), levels, actual)
        for s in (0.3, 1.0, 3.0)
    ]
    assert min(scores) == scores[1]


def test_crps_refuses_levels_that_do_not_ascend():
    with pytest.raises(ValueError, match="ascend"):
        metrics.crps(np.zeros((1, 2)), (0.9, 0.1), np.zeros(1))


def test_ties_of_direction():
    predicted = np.array([1.0, 0.0, -1.0, 5.0])
    actual = np.array([2.0, 1.0, 3.0, 0.0])
    assert metrics.directional_accuracy(predicted, actual) == (1 + 0.5 + 0) / 3
    assert metrics.directional_accuracy(predicted[3:], actual[3:]) is None


def test_coverage_and_width():
    lower, upper = np.array([0.0, 0.0, 0.0]), np.array([1.0, 2.0, 3.0])
    actual = np.array([1.0, -0.1, 2.0])
    assert metrics.coverage(lower, upper, actual) == pytest.approx(2 / 3)
    assert metrics.coverage(lower, upper, actual, np.array([1.0, 2.0, 1.0])) == pytest.approx(0.5)
    assert metrics.width(lower, upper) == 2.0


def test_central_intervals_are_the_symmetric_pairs():
    found = metrics.central_intervals((0.05, 0.1, 0.5, 0.9, 0.99))
    assert [(low, high) for low, high, _ in found] == [(1, 3)]
    assert found[0][2] == pytest.approx(0.8)


@pytest.mark.parametrize("rank", [False, True])
def test_information_coefficient_of_one_asset_is_scipys(cells, rank):
    predicted, actual, _ = cells
    predicted = np.round(predicted, 1)  # ties
    origin, step = np.arange(400), np.zeros(400, dtype=np.int64)
    found = metrics.information_coefficient(predicted, actual, origin=origin, step=step, rank=rank)
    oracle = stats.spearmanr if rank else stats.pearsonr
    assert found == pytest.approx(oracle(predicted, actual).statistic, rel=1e-10)


@pytest.mark.parametrize("rank", [False, True])
def test_information_coefficient_of_a_panel_averages_wide_dates(rank):
    rng = np.random.default_rng(3)
    origin = np.repeat(np.arange(30), rng.integers(1, 12, 30))
    step = np.zeros(len(origin), dtype=np.int64)
    actual = rng.normal(size=len(origin))
    predicted = np.round(actual + rng.normal(size=len(origin)), 1)
    oracle = stats.spearmanr if rank else stats.pearsonr
    expected = [
        oracle(predicted[origin == day], actual[origin == day]).statistic
        for day in range(30)
        if (origin == day).sum() >= 5
    ]
    found = metrics.information_coefficient(predicted, actual, origin=origin, step=step, rank=rank)
    assert found == pytest.approx(np.mean(expected), rel=1e-10)


def test_longer_steps_do_not_pass_for_skill():
    """Pooled over steps, a drift that grows with them would correlate; per step nothing does."""
    rng = np.random.default_rng(0)
    step = np.tile(np.arange(10), 500)
    origin = np.repeat(np.arange(500), 10)
    predicted = step + rng.normal(size=5000)
    actual = step + rng.normal(size=5000)
    assert stats.pearsonr(predicted, actual).statistic > 0.8
    found = metrics.information_coefficient(predicted, actual, origin=origin, step=step, rank=False)
    assert abs(found) < 0.05


def test_a_constant_forecast_has_no_information_coefficient():
    origin, step = np.arange(50), np.zeros(50, dtype=np.int64)
    actual = np.random.default_rng(0).normal(size=50)
    constant = np.full(50, 0.1)
    for rank in (False, True):
        found = metrics.information_coefficient(
            constant, actual, origin=origin, step=step, rank=rank
        )
        assert found is None


def test_nothing_in_nothing_out():
    none, whole = np.empty(0), np.empty(0, dtype=np.int64)
    assert metrics.mae(none, none) is None
    assert metrics.rmse(none, none) is None
    assert metrics.pinball(np.empty((0, 1)), (0.5,), none) is None
    assert metrics.crps(np.empty((0, 1)), (0.5,), none) is None
    assert metrics.directional_accuracy(none, none) is None
    assert metrics.information_coefficient(none, none, origin=whole, step=whole, rank=True) is None
    assert metrics.mae(np.ones(2), np.zeros(2), np.zeros(2)) is None
