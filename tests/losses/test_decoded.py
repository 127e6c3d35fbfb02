"""The loss of a forecast is that of the network's output which it was decoded from."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from regimecast.core.types import Task
from regimecast.losses.base import LossRegistry
from regimecast.losses.decoded import loss_of_decoded
from regimecast.losses.regime_weighted import RegimeWeightedLoss
from tests.synthetic import make_batch, make_spec

CLASSES = {"class_weights": "balanced", "gamma": 1.0, "label_smoothing": 0.1}


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("quantile", {"levels": [0.1, 0.5, 0.9]}),
        ("huber", {"delta": 0.5}),
        ("mae", {}),
        ("mse", {}),
        ("cross_entropy", CLASSES),
    ],
)
def test_it_is_the_number_that_networks_are_validated_by(name, params):
    task = Task.CLASSIFICATION if name == "cross_entropy" else Task.FORECAST
    spec = make_spec(task=task)
    batch = make_batch(spec, 40, seed=0)
    batch = replace(batch, mask=torch.rand_like(batch.weight) > 0.3, weight=batch.weight + 0.5)
    loss = LossRegistry.create(name, spec=spec, **params)
    target, weight = batch.target.numpy(), batch.weight.numpy()
    loss.fit(target, weight)
    output = torch.randn(40, spec.horizon, loss.n_outputs)
    decoded = loss.decode(output)
    if name == "quantile":
        output = decoded  # sorting lowers it
    found = loss_of_decoded(loss, decoded.double().numpy(), target, batch.mask.numpy(), weight)
    assert found == pytest.approx(float(RegimeWeightedLoss(loss)(output, batch)), rel=1e-5)


def test_a_likelihood_gives_way_to_the_pinball_loss_of_its_quantiles():
    spec = make_spec()
    levels = [0.1, 0.5, 0.9]
    batch = make_batch(spec, 40, seed=0)
    likelihood = LossRegistry.create("student_t", spec=spec, levels=levels)
    pinball = LossRegistry.create("quantile", spec=spec, levels=levels)
    decoded = np.sort(np.random.default_rng(0).normal(size=(40, spec.horizon, 3)))
    given = decoded, batch.target.numpy(), batch.mask.numpy(), batch.weight.numpy()
    assert loss_of_decoded(likelihood, *given) == loss_of_decoded(pinball, *given)


def test_a_class_without_probability_costs_much_and_not_infinitely():
    spec = make_spec(task=Task.CLASSIFICATION)
    batch = make_batch(spec, 9, seed=0)
    loss = LossRegistry.create("cross_entropy", spec=spec, **{**CLASSES, "class_weights": "none"})
    decoded = np.zeros((9, spec.horizon, len(spec.classes)))
    decoded[..., 0] = 1.0
    target = np.ones((9, spec.horizon), np.float32)
    mask, weight = batch.mask.numpy(), batch.weight.numpy()
    assert 10 < loss_of_decoded(loss, decoded, target, mask, weight) < 1000
    assert loss_of_decoded(loss, decoded, target, np.zeros_like(mask), weight) is None
