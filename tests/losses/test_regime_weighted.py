"""What a weight means: k is k copies, 0 is absence, masked cells do not exist."""

import pytest
import torch
from torch import multiprocessing

from regimecast.core.types import Task
from regimecast.losses.base import LossRegistry
from regimecast.losses.regime_weighted import RegimeWeightedLoss
from tests.synthetic import make_batch, make_spec, take

LOSSES = {
    "quantile": {"levels": [0.1, 0.5, 0.9]},
    "huber": {"delta": 1.0},
    "student_t": {"levels": [0.5]},
    "sharpe": {"risk_aversion": 0.1, "cost_bps": 5.0},
    "cross_entropy": {"class_weights": "none", "gamma": 0.0, "label_smoothing": 0.0},
}


def setting(name, n=8):
    task = Task.CLASSIFICATION if name == "cross_entropy" else Task.FORECAST
    spec = make_spec(task=task)
    loss = LossRegistry.create(name, spec=spec, **LOSSES[name])
    torch.manual_seed(1)
    output = torch.randn(n, spec.horizon, loss.n_outputs)
    return RegimeWeightedLoss(loss), output, make_batch(spec, n)


def gradient(reducer, output, batch, index=None):
    """Gradient of the numerator, with respect to one copy of each row."""
    leaf = output.clone().requires_grad_()
    used = leaf if index is None else leaf[index]
    total, _ = reducer.parts(used, batch)
    total.backward()
    return leaf.grad


@pytest.mark.parametrize("name", LOSSES)
def test_weight_k_is_k_copies(name):
    reducer, output, batch = setting(name)
    copies = torch.tensor([0, 1, 1, 1, 2, 3, 4, 4, 5, 6, 7])
    repeated = gradient(reducer, output, take(batch, copies), copies)
    batch.weight[:] = torch.bincount(copies, minlength=8)[:, None].float()
    torch.testing.assert_close(gradient(reducer, output, batch), repeated, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_weight_zero_is_absence_from_the_numerator(name):
    reducer, output, batch = setting(name)
    kept = torch.tensor([0, 1, 2, 5, 6, 7])
    without, _ = reducer.parts(output[kept], take(batch, kept))
    batch.weight[[3, 4]] = 0
    total, count = reducer.parts(output, batch)
    torch.testing.assert_close(total, without)
    assert count == batch.mask.sum()


def test_divides_by_known_cells_and_never_by_weights():
    reducer, output, batch = setting("huber")
    plain = reducer(output, batch)
    batch.weight[:] = 2
    torch.testing.assert_close(reducer(output, batch), 2 * plain)


@pytest.mark.parametrize("name", LOSSES)
def test_masked_cells_never_influence_the_gradient(name):
    reducer, output, batch = setting(name)
    batch.mask[:3] = False
    batch.target[:3] = 0
    calm = gradient(reducer, output, batch)
    assert not calm[:3].any()
    batch.weight[:3] = 1e6
    if name != "cross_entropy":
        batch.target[:3] = 1e3
    assert torch.equal(gradient(reducer, output, batch), calm)


def test_a_batch_without_known_cells_gives_zero():
    reducer, output, batch = setting("quantile")
    batch.mask[:] = False
    output.requires_grad_()
    loss = reducer(output, batch)
    loss.backward()
    assert loss == 0
    assert not output.grad.any()


def _rank(rank, rendezvous, results):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=2
    )
    reducer, output, batch = setting("quantile")
    batch.mask[0] = False
    rows = torch.arange(5) if rank == 0 else torch.arange(5, 8)
    leaf = output.clone().requires_grad_()
    reducer(leaf[rows], take(batch, rows)).backward()
    torch.distributed.all_reduce(leaf.grad)
    if rank == 0:
        torch.save(leaf.grad / 2, results)
    torch.distributed.destroy_process_group()


def test_two_processes_have_the_gradient_of_one(tmp_path):
    results = tmp_path / "gradient.pt"
    multiprocessing.spawn(_rank, (str(tmp_path / "rendezvous"), str(results)), nprocs=2)
    reducer, output, batch = setting("quantile")
    batch.mask[0] = False
    output.requires_grad_()
    reducer(output, batch).backward()
    torch.testing.assert_close(torch.load(results, weights_only=True), output.grad)
