"""Which numbers a registered model may look at: masks, weights, time and declared channels.

See `test_models` for what "the same" means.
"""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from regimecast.core.types import Task
from regimecast.data.dataset import TimeSeriesDataset
from regimecast.losses.regime_weighted import RegimeWeightedLoss
from regimecast.models.base import BaseTimeSeriesModel
from regimecast.models.baseline import Baseline
from regimecast.models.neural import NeuralModel
from regimecast.training.seeding import seeded
from tests.contracts.builders import CASES, Case, Edited, build_data, quick_trainer
from tests.contracts.fitting import Fitted, refit, same

ON_ROWS = [c for c in CASES if not issubclass(c.kind, NeuralModel | Baseline)]

# Masks and weights


def garbled(data: TimeSeriesDataset, value: float, *, weightless: bool) -> Edited:
    """The dataset with this value in every cell that must not count.

    The last fifth of samples has unknown targets, from the second step on if there is one; every
    seventh sample has weight 0.
    """
    target, mask = (part.copy() for part in data.targets())
    step = 1 if data.spec.horizon > 1 else 0
    mask[-len(mask) // 5 :, step:] = False
    weight = data.weight[:, 0].copy()
    if weightless:
        weight[::7] = 0.0
    target[~mask | (weight == 0)[:, None]] = value
    return Edited(data, target=target, mask=mask, weight=weight)


def test_masked_cells_and_samples_of_weight_0_do_not_count(fitted: Fitted) -> None:
    weightless = fitted.model.capabilities.sample_weight
    values = (0.0, 2.0) if fitted.case.task is Task.CLASSIFICATION else (-50.0, 7.0)
    one, other = (
        refit(
            fitted,
            train=garbled(fitted.data.split("train"), value, weightless=weightless),
            validation=garbled(fitted.data.split("validation"), value, weightless=False),
        )
        for value in values
    )
    assert same(one, other)
    assert not same(one, fitted.test)


def test_weight_2_is_two_copies(fitted: Fitted) -> None:
    """At the forecasts; for networks, whose batches would differ, at the gradient of one batch."""
    if not fitted.model.capabilities.sample_weight:
        pytest.skip("does not use weights")
    train = fitted.data.split("train")
    counts = 1 + np.arange(len(train)) % 2
    copied = np.repeat(np.arange(len(train)), counts)
    if isinstance(fitted.model, NeuralModel):
        heavy = gradient(fitted.model, Edited(train, weight=counts.astype(float)), np.arange(48))
        twice = gradient(fitted.model, train, copied[: counts[:48].sum()])
        torch.testing.assert_close(heavy, twice, rtol=1e-6, atol=1e-6)
        assert not torch.allclose(heavy, gradient(fitted.model, train, np.arange(48)), rtol=1e-3)
    else:
        copies = TimeSeriesDataset(train.source, train.samples.take(copied))
        heavy_fit = refit(fitted, train=Edited(train, weight=counts.astype(float)))
        assert same(heavy_fit, refit(fitted, train=copies))
        assert not same(heavy_fit, fitted.test)


@pytest.mark.parametrize("case", ON_ROWS, ids=str)
def test_certainty_and_uneven_weights_do_not_stop_training(case: Case) -> None:
    """Where one channel tells the target, curvature falls to 0; LightGBM once gave up there."""
    own = build_data(case.task)
    easy = {name: planted(own.split(name), "past") for name in ("train", "validation")}
    target, _ = easy["train"].targets()
    uneven = Edited(easy["train"], target=target, weight=1.0 + np.arange(len(target)) % 2)
    data = build_data(case.task, train=uneven, validation=easy["validation"])
    model = case.make({"rounds": 60})
    model.fit(data, quick_trainer())
    point = model.predict(data, "train").point()
    high = target > target.mean()
    assert (point / uneven.scale)[high].mean() > (point / uneven.scale)[~high].mean()


def gradient(model: NeuralModel, data: TimeSeriesDataset, positions: np.ndarray) -> torch.Tensor:
    """Gradient of the weighted sum of losses over a batch, in float64."""
    with seeded(0):
        network = model.build_network().double().eval()
    reducer = RegimeWeightedLoss(copy.deepcopy(model.loss).double())
    batch = data.gather(torch.from_numpy(positions))
    double = {k: v.double() for k, v in vars(batch).items() if v.is_floating_point()}
    batch = replace(batch, **double)
    total, _ = reducer.parts(network(batch), batch)
    parameters = [p for p in network.parameters() if p.requires_grad]
    return torch.cat([g.flatten() for g in torch.autograd.grad(total, parameters)])


# Time


@pytest.mark.parametrize("row", [25, 130, 216], ids=["first window", "training", "test"])
def test_forecasts_do_not_change_when_the_data_end_earlier(fitted: Fitted, row: int) -> None:
    """Data that end at t: same origins up to t, same bits."""
    end = fitted.data.market.bars.time[row]
    shorter = fitted.model.predict(fitted.data.at(fitted.data.market.until(end)), "all")
    expected = fitted.all.take(fitted.all.origin <= end)
    assert len(expected) == 1 if row == 25 else len(expected) > 1
    assert np.array_equal(shorter.origin, expected.origin)
    assert np.array_equal(shorter.asset, expected.asset)
    assert same(shorter, expected)


# Capabilities


@pytest.mark.parametrize("kind", ["past", "known", "static"])
def test_channels_are_used_as_declared(fitted: Fitted, kind: str) -> None:
    model, market = fitted.model, fitted.data.market
    turned = replace(market, **{kind: getattr(market, kind)[::-1].copy()})

    def ignores(model: BaseTimeSeriesModel) -> bool:
        other = model.predict(fitted.data.at(turned), "all")
        return same(other, model.predict(fitted.data, "all"))

    if not getattr(model.capabilities, kind):
        assert ignores(model)
    elif ignores(model):
        # Trees pass over a channel that tells them little; not over one that is the target.
        model = fitted.case.make()
        splits = {name: planted(fitted.data.split(name), kind) for name in ("train", "validation")}
        model.fit(build_data(fitted.case.task, **splits), quick_trainer())
        assert not ignores(model)


def planted(data: TimeSeriesDataset, kind: str) -> Edited:
    """The dataset with a target that one channel of a kind tells."""
    batch = data.gather(torch.arange(len(data)))
    channels = {
        "past": batch.past[:, -1, 1],
        "known": batch.known[:, -1, 0],
        "static": batch.static[:, 0],
    }
    target = channels[kind][:, None].numpy() - channels[kind].mean().item()
    if data.spec.task is Task.CLASSIFICATION:
        target = np.where(target > 0, np.float32(2), np.float32(0))
    return Edited(data, target=np.repeat(target, data.spec.horizon, axis=1))


def test_unused_channels_are_named(fitted: Fitted) -> None:
    able, spec = fitted.model.capabilities, fitted.data.spec
    expected = (
        *(() if able.past else spec.past[1:]),
        *(() if able.known else spec.known),
        *(() if able.static else spec.static),
    )
    assert fitted.report.unused == fitted.model.unused == expected
