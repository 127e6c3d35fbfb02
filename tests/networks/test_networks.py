"""Our own networks: shapes, what they look at, and what they cannot see."""

import pytest
import torch

from regimecast.networks.lstm import LSTMNetwork
from regimecast.networks.transformer import TransformerNetwork
from tests.synthetic import make_batch, make_spec

NETWORKS = {
    "lstm": (LSTMNetwork, {"hidden_size": 8, "layers": 2, "dropout": 0.2}),
    "transformer": (
        TransformerNetwork,
        {"patch_length": 5, "width": 8, "heads": 2, "layers": 2, "dropout": 0.2},
    ),
}


def make(name, spec, **changes):
    torch.manual_seed(0)
    network, params = NETWORKS[name]
    return network(spec=spec, n_outputs=7, **{**params, **changes}).eval()


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("known", [0, 3])
@pytest.mark.parametrize("static", [0, 2])
@pytest.mark.parametrize("length", [1, 12])
def test_shape_for_every_kind_of_covariates(name, known, static, length):
    spec = make_spec(past=3, known=known, static=static, context_length=length, horizon=4)
    assert make(name, spec)(make_batch(spec, 5)).shape == (5, 4, 7)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_input_matters_and_rows_are_apart(name):
    spec = make_spec()
    network, batch = make(name, spec), make_batch(spec, 4)
    for tensor in (batch.past, batch.known, batch.static):
        tensor.requires_grad_()
    network(batch)[1].sum().backward()
    for tensor in (batch.past, batch.known, batch.static):
        assert (tensor.grad[1] != 0).all()
        assert not tensor.grad[[0, 2, 3]].any()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_answer_is_not_in_what_is_read(name):
    spec = make_spec()
    network, batch = make(name, spec), make_batch(spec, 4)
    before = network(batch)
    batch.target[:] = 99
    batch.weight[:] = 99
    batch.mask[:] = False
    assert torch.equal(network(batch), before)


def test_steps_ahead_are_told_apart_without_any_covariate():
    spec = make_spec(past=2, known=0, static=0)
    for name in NETWORKS:
        output = make(name, spec)(make_batch(spec, 2))
        assert not torch.equal(output[:, 0], output[:, 1])


def test_attention_is_that_of_its_definition():
    spec = make_spec()
    network = make("transformer", spec, heads=2, width=8)
    block = network.blocks[0]
    tokens = torch.randn(3, 6, 8)
    normed = block.attention_norm(tokens)
    query, key, value = block.project(normed).chunk(3, dim=-1)
    mixed = torch.empty_like(query)
    for head in (slice(0, 4), slice(4, 8)):
        score = query[..., head] @ key[..., head].transpose(1, 2) / 4**0.5
        mixed[..., head] = score.softmax(dim=-1) @ value[..., head]
    expected = tokens + block.merge(mixed)
    expected = expected + block.perceptron(expected)
    torch.testing.assert_close(block(tokens), expected)
