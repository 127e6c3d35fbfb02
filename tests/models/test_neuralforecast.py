"""Laws that every network of neuralforecast keeps behind the adapter."""

import copy
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from tests.models.network_zoo import (
    NAMES,
    config,
    evaluate,
    make_batch,
    make_model,
    make_network,
    make_spec,
    rows,
    trainable,
)

from regimecast.core.batch import Batch
from regimecast.core.types import Task
from regimecast.models.base import ModelRegistry

TASKS = list(Task)

CONTEXT_ONLY = {"timesnet"}
"""Networks that read known covariates over the context only."""
SWITCHES = {"revin", "use_norm"}
"""Switches for scaling a window by its own deviation, which may be 0."""


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Networks this small lose time to threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_the_zoo_is_complete() -> None:
    recurrent = {"gru"}
    convolutional = {"tcn", "bitcn", "timesnet"}
    dense = {"nhits", "nbeatsx", "tide", "dlinear", "nlinear", "kan"}
    attentive = {"itransformer"}
    assert (
        recurrent | convolutional | dense | attentive
        <= set(NAMES)
        <= set(ModelRegistry.available())
    )


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_learns_from_both_tasks(name: str, task: Task) -> None:
    spec = make_spec(task)
    model = make_model(name, spec)
    torch.manual_seed(0)
    network, batch = model.build_network(), make_batch(spec, 32)
    output = network.train()(batch)
    assert output.shape == (32, spec.horizon, model.loss.n_outputs)
    model.loss(output, batch).mean().backward()
    for key, parameter in trainable(network):
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        assert parameter.grad.any(), key


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", NAMES)
def test_short_contexts_and_no_covariates(name: str, task: Task) -> None:
    spec = make_spec(task, length=8, past=0, known=0, static=0)
    network, batch = make_network(name, spec), make_batch(spec)
    assert evaluate(network, batch).isfinite().all()
    network.train()(batch).mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for _, p in trainable(network))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("part", ["past", "known", "static"])
def test_any_one_kind_of_covariates_will_do(name: str, part: str) -> None:
    counts = dict.fromkeys(("past", "known", "static"), 0) | {part: 2}
    spec = make_spec(**counts)
    network = make_network(name, spec)
    network.train()(make_batch(spec)).mean().backward()
    assert not [key for key, p in trainable(network) if p.grad is None]


@pytest.mark.parametrize(
    ("name", "switch"),
    [
        *((name, {}) for name in NAMES),
        *((name, {key: True}) for name in NAMES for key in SWITCHES & set(config("model", name))),
    ],
)
def test_flat_and_wild_windows_stay_finite(name: str, switch: dict[str, bool]) -> None:
    spec = make_spec()
    network, batch = make_network(name, spec, **switch), make_batch(spec, 4)
    for factor in (0.0, 1e4):
        extreme = replace(batch, past=batch.past * factor, known=batch.known * factor)
        network.zero_grad()
        output = network.train()(extreme)
        assert output.isfinite().all()
        output.mean().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for _, p in trainable(network))


@pytest.mark.parametrize("name", NAMES)
def test_capabilities_tell_the_truth(name: str) -> None:
    spec = make_spec()
    network, batch = make_network(name, spec), make_batch(spec)
    able = ModelRegistry.get(name).capabilities
    before = evaluate(network, batch)
    for kind in ("past", "known", "static"):
        for channel in range(1 if kind == "past" else 0, getattr(batch, kind).shape[-1]):
            changed = getattr(batch, kind).clone()
            changed[..., channel] = changed[..., channel].flip(0)
            after = evaluate(network, replace(batch, **{kind: changed}))
            assert torch.equal(before, after) is not getattr(able, kind), (kind, channel)
    assert make_model(name, spec).unused == tuple(
        channel
        for kind in ("past", "known", "static")
        for channel in getattr(spec, kind)
        if not getattr(able, kind) and channel != "history"
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_step_has_seen_the_newest_bar(name: str) -> None:
    spec = make_spec(known=0)
    network, batch = make_network(name, spec), make_batch(spec)
    past = batch.past.clone()
    past[:, -1] += 1.0
    moved = (evaluate(network, replace(batch, past=past)) - evaluate(network, batch)).abs()
    assert (moved.amax(dim=2) > 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_known_covariates_count_over_context_and_horizon(name: str) -> None:
    spec = make_spec()
    network, batch = make_network(name, spec), make_batch(spec)
    able = ModelRegistry.get(name).capabilities.known
    before = evaluate(network, batch)
    for part, read in ((slice(0, 16), able), (slice(16, 19), able and name not in CONTEXT_ONLY)):
        known = batch.known.clone()
        known[:, part] += 1.0
        assert torch.equal(before, evaluate(network, replace(batch, known=known))) is not read


@pytest.mark.parametrize("name", NAMES)
def test_a_forecast_depends_on_its_own_inputs_alone(name: str) -> None:
    spec = make_spec()
    network, batch = make_network(name, spec), make_batch(spec, 6)
    together = evaluate(network, batch)
    # Neighbours in the batch, even absurd ones.
    others = replace(batch, past=batch.past * 100.0, known=-batch.known)
    mixed = Batch(**{k: torch.cat([v[:1], vars(others)[k][1:]]) for k, v in vars(batch).items()})
    torch.testing.assert_close(evaluate(network, mixed)[:1], together[:1], rtol=1e-4, atol=1e-5)
    alone = torch.cat([evaluate(network, rows(batch, [i])) for i in range(6)])
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-5)
    # What is not an input: the outcome, the weight, the regime, the asset.
    told = replace(
        batch,
        target=batch.target + 1.0,
        mask=~batch.mask,
        scale=batch.scale * 2.0,
        weight=batch.weight * 3.0,
        regime=batch.regime + 1,
        asset=batch.asset + 1,
        origin=batch.origin + 1,
    )
    assert torch.equal(evaluate(network, told), together)


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides_and_weights_are_the_whole_state(name: str) -> None:
    spec = make_spec()
    batch = make_batch(spec)
    first, again, other = (make_network(name, spec, seed=seed) for seed in (3, 3, 4))
    expected = evaluate(first, batch)
    assert torch.equal(evaluate(again, batch), expected)
    assert not torch.equal(evaluate(other, batch), expected)
    first.train()(batch).mean().backward()
    other.load_state_dict(copy.deepcopy(first).state_dict())
    assert torch.equal(evaluate(other, batch), evaluate(first, batch))


@pytest.mark.parametrize("name", NAMES)
def test_dropout_works_in_training_only(name: str) -> None:
    spec = make_spec()
    given = {k: v for k, v in config("model", name).items() if "dropout" in k}
    network, batch = make_network(name, spec), make_batch(spec)
    assert network.training
    random_parts = not torch.equal(network(batch), network(batch))
    assert random_parts is any(share > 0 for share in given.values())
    assert torch.equal(evaluate(network, batch), evaluate(network, batch))
