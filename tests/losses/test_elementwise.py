"""Every loss against a naive reference or another library."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from regimecast.core.errors import ConfigError
from regimecast.core.types import ForecastKind, Task
from regimecast.losses.base import Loss, LossRegistry
from tests.synthetic import make_batch, make_spec

FORECAST = make_spec()
CLASSES = make_spec(task=Task.CLASSIFICATION)
LEVELS = [0.05, 0.25, 0.5, 0.75, 0.95]
PARAMS = {
    "quantile": {"levels": LEVELS},
    "huber": {"delta": 0.5},
    "mse": {},
    "mae": {},
    "student_t": {"levels": LEVELS},
    "sharpe": {"risk_aversion": 0.2, "cost_bps": 10.0},
    "cross_entropy": {"class_weights": "balanced", "gamma": 1.5, "label_smoothing": 0.1},
}


def make(name: str, **changes: object) -> Loss:
    spec = CLASSES if name == "cross_entropy" else FORECAST
    return LossRegistry.create(name, spec=spec, **{**PARAMS[name], **changes})


def output_for(loss: Loss, n: int, *, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, loss.spec.horizon, loss.n_outputs, generator=generator)


def test_every_loss_of_the_registry_is_tested_here():
    assert set(LossRegistry.available()) >= set(PARAMS)


@pytest.mark.parametrize("name", PARAMS)
def test_is_unreduced_and_finite_where_masked(name):
    loss = make(name)
    batch = make_batch(loss.spec, 9)
    batch.mask[:, -1] = False
    batch.target[:, -1] = 0
    values = loss(output_for(loss, 9), batch)
    assert values.shape == batch.target.shape
    assert torch.isfinite(values).all()


@pytest.mark.parametrize("name", PARAMS)
def test_each_row_has_its_own_loss(name):
    loss = make(name)
    batch, output = make_batch(loss.spec, 6), output_for(loss, 6)
    before = loss(output, batch)
    changed = output.clone()
    changed[2, :, 0] += 1
    after = loss(changed, batch)
    rest = [0, 1, 3, 4, 5]
    assert torch.equal(before[rest], after[rest])
    assert not torch.equal(before[2], after[2])


def test_quantile_is_the_pinball_loss():
    loss = make("quantile")
    batch, output = make_batch(FORECAST, 7), output_for(make("quantile"), 7)
    expected = np.zeros((7, 3))
    for b in range(7):
        for h in range(3):
            errors = [float(batch.target[b, h] - output[b, h, i]) for i in range(5)]
            pinball = [
                q * e if e >= 0 else (q - 1) * e for q, e in zip(LEVELS, errors, strict=True)
            ]
            expected[b, h] = np.mean(pinball)
    np.testing.assert_allclose(loss(output, batch).numpy(), expected, rtol=1e-5)


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=5, max_size=5))
@settings(max_examples=50, deadline=None)
def test_quantiles_never_cross(values):
    decoded = make("quantile").decode(torch.tensor(values).reshape(1, 1, 5))
    assert (decoded.diff(dim=-1) >= 0).all()


@given(st.lists(st.floats(-60, 60, width=32), min_size=3, max_size=3))
@settings(max_examples=50, deadline=None)
def test_student_t_quantiles_never_cross_and_are_finite(values):
    decoded = make("student_t").decode(torch.tensor(values).reshape(1, 1, 3))
    assert torch.isfinite(decoded).all()
    assert (decoded.diff(dim=-1) >= 0).all()


@pytest.mark.parametrize(
    "levels",
    [[], [0.5, 0.1], [0.5, 0.5], [0.0, 0.5], [0.5, 1.0], [float("nan")], [0.9], [0.1, 0.4]],
)
@pytest.mark.parametrize("name", ["quantile", "student_t"])
def test_bad_levels_are_refused(name, levels):
    with pytest.raises(ConfigError, match="levels"):
        make(name, levels=levels)


@pytest.mark.parametrize("levels", [[0.5], [0.4, 0.6], [0.1, 0.5], [0.5, 0.9]])
def test_levels_enclose_the_median(levels):
    assert make("quantile", levels=levels).levels == tuple(levels)
    with pytest.raises(ConfigError, match=r"loss\.levels=\[0\.6\] must enclose .* at least 0\.5"):
        make("quantile", levels=[0.6])


@pytest.mark.parametrize(("name", "power"), [("mse", 2), ("mae", 1)])
def test_point_losses_are_powers_of_the_error(name, power):
    loss = make(name)
    batch, output = make_batch(FORECAST, 8), output_for(loss, 8)
    expected = np.abs(output[:, :, 0].numpy() - batch.target.numpy()) ** power
    np.testing.assert_allclose(loss(output, batch).numpy(), expected, rtol=1e-6)
    assert loss.levels == (0.5,)
    assert torch.equal(loss.decode(output), output)


def test_huber_is_quadratic_then_linear():
    loss = make("huber")
    batch, output = make_batch(FORECAST, 8), output_for(make("huber"), 8)
    error = (batch.target - output[:, :, 0]).abs().numpy()
    expected = np.where(error <= 0.5, error**2 / 2, 0.5 * (error - 0.25))
    np.testing.assert_allclose(loss(output, batch).numpy(), expected, rtol=1e-5, atol=1e-7)
    with pytest.raises(ConfigError, match="delta=0"):
        make("huber", delta=0.0)


def test_student_t_agrees_with_scipy():
    loss = make("student_t")
    batch, output = make_batch(FORECAST, 20), output_for(loss, 20)
    location, scale, freedom = (x.numpy().astype(float) for x in loss.parameters_of(output))
    assert freedom.min() > 2
    likelihood = stats.t.logpdf(batch.target.numpy(), freedom, location, scale)
    np.testing.assert_allclose(loss(output, batch).numpy(), -likelihood, rtol=1e-4, atol=1e-5)
    quantiles = stats.t.ppf(
        np.array(LEVELS), freedom[..., None], location[..., None], scale[..., None]
    )
    np.testing.assert_allclose(loss.decode(output).numpy(), quantiles, rtol=1e-5, atol=1e-6)


def test_student_t_survives_a_sure_network_and_a_huge_surprise():
    loss = make("student_t")
    batch = make_batch(FORECAST, 2)
    batch.target[:] = 1e4
    output = torch.full((2, 3, 3), -80.0, requires_grad=True)
    loss(output, batch).sum().backward()
    assert torch.isfinite(output.grad).all()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_with_focus_agrees_with_its_formula(smoothing):
    loss = make("cross_entropy", label_smoothing=smoothing)
    batch, output = make_batch(CLASSES, 11), output_for(loss, 11)
    loss.fit(batch.target.numpy(), batch.weight.numpy())
    weight = loss.class_weight.numpy()
    for b in range(11):
        logits = output[b, 0].double().numpy()
        p = np.exp(logits) / np.exp(logits).sum()
        y = int(batch.target[b, 0])
        goal = np.full(3, smoothing / 3) + (1 - smoothing) * np.eye(3)[y]
        expected = (1 - p[y]) ** 1.5 * -(goal * weight * np.log(p)).sum()
        assert float(loss(output, batch)[b, 0]) == pytest.approx(expected, rel=1e-5)


def test_cross_entropy_without_focus_is_torchs():
    loss = make("cross_entropy", class_weights="none", gamma=0.0, label_smoothing=0.0)
    batch, output = make_batch(CLASSES, 11), output_for(loss, 11)
    expected = torch.nn.functional.cross_entropy(
        output[:, 0], batch.target[:, 0].long(), reduction="none"
    )
    torch.testing.assert_close(loss(output, batch)[:, 0], expected)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focus_has_a_finite_gradient_at_certainty(gamma):
    loss = make("cross_entropy", gamma=gamma)
    batch = make_batch(CLASSES, 3)
    output = torch.nn.functional.one_hot(batch.target.long(), 3) * 200.0
    output.requires_grad_()
    loss(output, batch).sum().backward()
    assert torch.isfinite(output.grad).all()


def test_balanced_class_weights_make_classes_count_alike():
    loss = make("cross_entropy")
    target = np.array([[0], [0], [0], [1], [2], [2]], dtype=np.float32)
    weight = np.array([[1], [1], [1], [2], [1], [0]], dtype=np.float32)
    loss.fit(target, weight)
    mass = np.bincount(target.astype(int).ravel(), weights=weight.ravel())
    fitted = loss.class_weight.numpy()
    np.testing.assert_allclose(mass * fitted, np.full(3, mass.sum() / 3), rtol=1e-6)
    assert (mass * fitted).sum() / mass.sum() == pytest.approx(1)


def test_a_class_that_never_occurs_in_training_keeps_weight_one():
    loss = make("cross_entropy")
    loss.fit(np.zeros((4, 1), dtype=np.float32), np.ones((4, 1), dtype=np.float32))
    assert loss.class_weight.tolist() == [1.0, 1.0, 1.0]


def test_fitted_class_weights_are_part_of_the_saved_state():
    loss, other = make("cross_entropy"), make("cross_entropy")
    target = np.array([[0], [0], [1], [2]], dtype=np.float32)
    loss.fit(target, np.ones_like(target))
    other.load_state_dict(loss.state_dict())
    assert torch.equal(loss.class_weight, other.class_weight)
    assert loss.class_weight.tolist() != [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    "change",
    [{"class_weights": "auto"}, {"gamma": -1.0}, {"label_smoothing": 1.0}],
)
def test_cross_entropy_refuses_bad_parameters(change):
    with pytest.raises((ConfigError, TypeError), match=next(iter(change))):
        make("cross_entropy", **change)


def test_probabilities_sum_to_one():
    loss = make("cross_entropy")
    decoded = loss.decode(output_for(loss, 5))
    torch.testing.assert_close(decoded.sum(dim=-1), torch.ones(5, 1))
    assert loss.levels == (-1.0, 0.0, 1.0)


def test_sharpe_profit_is_that_of_a_trader_step_by_step():
    loss = make("sharpe")
    batch, output = make_batch(FORECAST, 6), output_for(loss, 6)
    expected = np.zeros((6, 3))
    for b in range(6):
        scale, held, path = float(batch.scale[b, 0]), 0.0, 0.0
        for h in range(3):
            position = np.tanh(float(output[b, h, 0]))
            log_return = (float(batch.target[b, h]) - path) * scale
            profit = position * np.expm1(log_return) - 0.0010 * abs(position - held)
            expected[b, h] = profit / scale
            held, path = position, float(batch.target[b, h])
    np.testing.assert_allclose(loss.profit(output, batch).numpy(), expected, rtol=1e-4, atol=1e-5)
    utility = 0.5 * (1 - 0.2 * expected) ** 2
    np.testing.assert_allclose(loss(output, batch).numpy(), utility, rtol=1e-4)


def test_sharpe_steps_over_unknown_targets():
    loss = make("sharpe", cost_bps=0.0)
    batch = make_batch(FORECAST, 1)
    batch.target[:] = torch.tensor([[1.0, 0.0, 3.0]])
    batch.mask[:] = torch.tensor([[True, False, True]])
    profit = loss.profit(torch.full((1, 3, 1), 20.0), batch)
    expected = [np.expm1(0.01) / 0.01, 0.0, np.expm1(0.02) / 0.01]
    np.testing.assert_allclose(profit.numpy()[0], expected, rtol=1e-4)


def test_least_utility_loss_over_the_scale_of_positions_is_a_function_of_the_sharpe_ratio():
    profit = np.random.default_rng(0).normal(0.05, 1.0, 4000)
    scales = np.linspace(0, 0.2, 4001)
    least = min(np.mean(0.5 * (1 - s * profit) ** 2) for s in scales)
    sharpe = profit.mean() / profit.std()
    assert least == pytest.approx(0.5 / (1 + sharpe**2), rel=1e-6)


def test_positions_are_limited():
    loss = make("sharpe")
    assert loss.kind is ForecastKind.POSITIONS
    assert loss.decode(torch.tensor([[[-1e6], [0.0], [1e6]]])).flatten().tolist() == [-1, 0, 1]


@pytest.mark.parametrize("change", [{"risk_aversion": 0.0}, {"cost_bps": -1.0}])
def test_sharpe_refuses_bad_parameters(change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        make("sharpe", **change)
