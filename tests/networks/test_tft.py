"""The Temporal Fusion Transformer against its equations, and what it cannot see."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from regimecast.core.errors import SpecError
from regimecast.models.tft import TFT
from regimecast.networks import gated
from regimecast.networks.gated import VariableSelection, embedding_parameter
from regimecast.networks.tft import TFTNetwork, _SharedValueAttention
from tests.models import network_zoo
from tests.synthetic import make_batch, make_spec

PARAMS = {"hidden_size": 8, "heads": 2, "layers": 1, "dropout": 0.1, "attention_dropout": 0.1}


def make(spec, **changes):
    torch.manual_seed(0)
    return TFTNetwork(spec=spec, n_outputs=3, **{**PARAMS, **changes})


def one_by_one(selection, values, embedding, context):
    """Equations 2 to 8 as written: embeddings side by side, one variable after the other."""
    embedded = values[..., None] * embedding[0] + embedding[1]
    shares, every = selection.shares, embedded.flatten(2)
    hidden = shares.first(every) + shares.context(context)[:, None]
    gate = functional.glu(shares.gate(shares.dropout(shares.second(functional.elu(hidden)))))
    share = shares.norm(shares.skip(every) + gate).softmax(-1)
    total = 0
    for v in range(values.shape[2]):
        hidden = functional.elu(embedded[:, :, v] @ selection.first[v] + selection.first_bias[v])
        second = selection.dropout(hidden @ selection.second[v] + selection.second_bias[v])
        gate = functional.glu(second @ selection.gate[v] + selection.gate_bias[v])
        transformed = functional.layer_norm(
            embedded[:, :, v] + gate,
            gate.shape[-1:],
            selection.norm[v],
            selection.norm_bias[v],
            eps=1e-3,
        )
        total = total + share[..., v, None] * transformed
    return total, share


class Doubled(nn.Module):
    """Dropout without chance."""

    share = 0.5

    def forward(self, values):
        return values * 2 if self.training else values


@pytest.mark.parametrize("chunk", [1, 700, 1 << 30])
@pytest.mark.parametrize("training", [False, True])
def test_all_variables_at_once_are_one_after_the_other(monkeypatch, training, chunk):
    monkeypatch.setattr(gated, "_CHUNK_VALUES", chunk)
    torch.manual_seed(0)
    selection = VariableSelection(5, 8, 0.3, context=True).double()
    selection.dropout = selection.shares.dropout = Doubled()
    selection.train(training)
    embedding = embedding_parameter(5, 8).double()
    for parameter in (embedding, *selection.parameters()):
        parameter.data += 0.1 * torch.randn_like(parameter)
    values = torch.randn(7, 6, 5, dtype=torch.double, requires_grad=True)
    context = torch.randn(7, 8, dtype=torch.double, requires_grad=True)
    found, share = selection(values, embedding, context)
    expected, expected_share = one_by_one(selection, values, embedding, context)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(share, expected_share)
    inputs = (values, embedding, context, *selection.parameters())
    torch.testing.assert_close(
        torch.autograd.grad(found.sin().sum(), inputs),
        torch.autograd.grad(expected.sin().sum(), inputs),
    )


def test_attention_averages_heads_over_shared_values():
    torch.manual_seed(0)
    attention, tokens = _SharedValueAttention(8, 2, 0.0), torch.randn(3, 6, 8)
    query, key, value = attention.query(tokens), attention.key(tokens), attention.value(tokens)
    future = torch.ones(6, 6, dtype=torch.bool).triu(1)
    heads = []
    for head in (slice(0, 4), slice(4, 8)):
        score = query[..., head] @ key[..., head].transpose(1, 2) / 4**0.5
        heads.append(score.masked_fill(future, -torch.inf).softmax(-1) @ value)
    expected = attention.merge((heads[0] + heads[1]) / 2)
    torch.testing.assert_close(attention(tokens, 2), expected[:, -2:])


def test_a_step_sees_what_is_known_up_to_itself():
    spec = make_spec(horizon=4)
    network, batch = make(spec).eval(), make_batch(spec, 3)
    before = network(batch)
    for step in range(4):
        known = batch.known.clone()
        known[:, spec.context_length + step] += 1
        moved = (network(replace(batch, known=known)) - before).abs().amax(dim=(0, 2)) > 0
        assert moved.tolist() == [h >= step for h in range(4)]


@pytest.mark.parametrize("past", [0, 3])
@pytest.mark.parametrize("known", [0, 1, 3])
@pytest.mark.parametrize("static", [0, 1, 2])
@pytest.mark.parametrize(("length", "horizon"), [(1, 1), (9, 4)])
def test_every_parameter_learns_whatever_the_channels(past, known, static, length, horizon):
    spec = network_zoo.make_spec(
        past=past, known=known, static=static, length=length, horizon=horizon
    )
    network, batch = make(spec, layers=2), network_zoo.make_batch(spec, 16)
    output = network(batch)
    assert output.shape == (16, horizon, 3)
    (output - batch.target[..., None]).square().mean().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        # One bar: a memory that starts at zero never meets its own weights, and a history alone,
        # anchored at that bar, is always zero.
        assert parameter.grad.any() or length == 1, key


def test_flat_and_wild_windows_stay_finite():
    spec = make_spec()
    network, batch = make(spec), make_batch(spec, 4)
    for factor in (0.0, 1e4):
        network.zero_grad()
        output = network(replace(batch, past=batch.past * factor, known=batch.known * factor))
        output.mean().backward()
        assert output.isfinite().all()
        assert all(p.grad.isfinite().all() for p in network.parameters())


def test_many_channels_in_bfloat16():
    spec = make_spec(past=76, known=10)
    network, batch = make(spec), make_batch(spec, 4)
    with torch.autocast("cpu", torch.bfloat16):
        output = network(batch)
        output.float().mean().backward()
    assert output.isfinite().all()
    assert all(p.grad.isfinite().all() for p in network.parameters())


def test_the_seed_decides_and_dropout_works_in_training_only():
    spec = make_spec()
    batch = make_batch(spec, 4)

    def trained(seed):
        torch.manual_seed(seed)
        network = TFTNetwork(spec=spec, n_outputs=3, **PARAMS)
        network(batch).mean().backward()
        return network

    first, again, other = trained(1), trained(1), trained(2)
    for one, two in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(one.grad, two.grad)
    assert not torch.equal(first.eval()(batch), other.eval()(batch))
    assert torch.equal(first(batch), first(batch))
    assert not torch.equal(other.train()(batch), other(batch))


def test_shares_of_the_variables_are_told():
    spec = make_spec()
    shares = make(spec).eval().variable_weights(make_batch(spec, 4))
    sizes = {"past": len(spec.past + spec.known), "ahead": len(spec.known), "static": 1}
    assert {kind: len(share) for kind, share in shares.items()} == sizes
    for share in shares.values():
        assert float(share.sum()) == pytest.approx(1)


def test_a_width_that_heads_do_not_share_is_refused():
    with pytest.raises(SpecError, match="heads=3"):
        TFT(spec=make_spec(), loss={"name": "mse"}, **{**PARAMS, "heads": 3})
