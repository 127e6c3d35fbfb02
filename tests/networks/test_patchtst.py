"""PatchTST: its parts against naive ones, the whole against neuralforecast's."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from regimecast.core.batch import Batch
from regimecast.core.types import DataSpec
from regimecast.models.neuralforecast import NeuralForecastModel, using
from regimecast.networks.patchtst import PatchTSTNetwork, attend, level_and_spread
from tests.synthetic import make_batch, make_spec

OPTIONS: dict[str, Any] = {
    "patch_length": 4,
    "stride": 2,
    "width": 8,
    "heads": 2,
    "layers": 3,
    "feedforward": 12,
    "dropout": 0.2,
    "head_dropout": 0.1,
    "norm": "batch",
    "residual_attention": True,
    "revin": "mean",
    "restore": True,
    "covariates": False,
}


class Library(NeuralForecastModel):
    """The same network of neuralforecast, whatever the registry holds by its name."""

    name = "patchtst"
    architecture = "PatchTST"
    capabilities = using()

    def __init__(self, *, spec: DataSpec, loss: dict[str, Any], **sizes: Any) -> None:
        super().__init__(spec=spec, loss=loss)


def make(spec: DataSpec, *, seed: int = 0, **changes: Any) -> PatchTSTNetwork:
    torch.manual_seed(seed)
    return PatchTSTNetwork(spec=spec, n_outputs=7, **{**OPTIONS, **changes}).eval()


def rows(batch: Batch, index: list[int]) -> Batch:
    return Batch(**{key: value[index] for key, value in vars(batch).items()})


@pytest.mark.parametrize(
    ("length", "patch", "stride"), [(12, 4, 2), (13, 4, 3), (5, 8, 3), (1, 2, 1), (9, 1, 4)]
)
def test_patches_are_those_of_a_naive_slicer(length: int, patch: int, stride: int) -> None:
    spec = make_spec(context_length=length)
    network = make(spec, patch_length=patch, stride=stride)
    series = torch.randn(3, length)
    filled = np.concatenate([series.numpy(), np.repeat(series.numpy()[:, -1:], stride, 1)], axis=1)
    starts = range(0, length + stride - patch + 1, stride)
    expected = np.stack([filled[:, start : start + patch] for start in starts], axis=1)
    assert np.array_equal(network.patches(series).numpy(), expected)
    assert len(network.position) == len(starts)
    # The newest bar is in the last patch, whatever is left over.
    assert (expected[:, -1] == series.numpy()[:, -1:]).any(axis=1).all()


@pytest.mark.parametrize("level", ["last", "mean"])
def test_revin_undoes_itself_and_forgets_level_and_spread(level: Any) -> None:
    spec = make_spec()
    batch = make_batch(spec, 5)
    network = make(spec, revin=level).double()
    batch = replace(batch, past=batch.past.double())
    moved = replace(batch, past=batch.past * 50 + 1000)
    torch.testing.assert_close(network(moved), network(batch) * 50 + 1000, rtol=1e-5, atol=1e-4)
    shift, spread = level_and_spread(batch.past[:, :, 0], level)
    scaled = (batch.past[:, :, 0] - shift) / spread
    torch.testing.assert_close(
        scaled.std(dim=1, correction=0), torch.ones(5).double(), rtol=1e-4, atol=0
    )
    zero = scaled[:, -1] if level == "last" else scaled.mean(dim=1)
    torch.testing.assert_close(zero, torch.zeros(5).double(), rtol=0, atol=1e-12)
    # Outputs that are no values of the target are not moved with it.
    free = make(spec, revin=level, restore=False).double()
    torch.testing.assert_close(free(moved), free(batch), rtol=1e-4, atol=1e-5)


def test_flat_and_wild_windows_stay_finite() -> None:
    spec = make_spec()
    for revin in ("none", "last", "mean"):
        network, batch = make(spec, revin=revin, covariates=True).train(), make_batch(spec, 4)
        for factor in (0.0, 1e4):
            output = network(replace(batch, past=batch.past * factor))
            network.zero_grad()
            output.mean().backward()
            assert output.isfinite().all()
            assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("covariates", [False, True])
def test_other_channels_count_only_where_they_are_wanted(covariates: bool) -> None:
    spec = make_spec(past=4, known=2, static=2)
    network, batch = make(spec, covariates=covariates), make_batch(spec, 6)
    before = network(batch)
    for kind in ("past", "known", "static"):
        for channel in range(kind == "past", getattr(batch, kind).shape[-1]):
            changed = getattr(batch, kind).clone()
            changed[..., channel] = changed[..., channel].flip(0)
            after = network(replace(batch, **{kind: changed}))
            assert torch.equal(before, after) is not covariates, (kind, channel)


def test_with_covariates_every_input_matters_and_rows_are_apart() -> None:
    spec = make_spec()
    network, batch = make(spec, covariates=True), make_batch(spec, 4)
    inputs = (batch.past, batch.known, batch.static)
    for tensor in inputs:
        tensor.requires_grad_()
    network(batch)[1].sum().backward()
    for tensor in inputs:
        assert (tensor.grad[1] != 0).all()
        assert not tensor.grad[[0, 2, 3]].any()


def test_with_covariates_it_learns_what_the_history_does_not_tell() -> None:
    spec = make_spec()
    train, held = make_batch(spec, 256), make_batch(spec, 256, seed=1)
    explained = {}
    for covariates in (False, True):
        network = make(spec, covariates=covariates, revin="none", dropout=0.0).train()
        optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
        for _ in range(80):
            optimizer.zero_grad()
            functional.mse_loss(network(train)[:, :, 0], train.target).backward()
            optimizer.step()
        error = functional.mse_loss(network.eval()(held)[:, :, 0], held.target)
        explained[covariates] = 1 - (error / held.target.var()).item()
    assert explained[True] > 0.5 > 0.1 > explained[False]


def test_a_channel_is_encoded_as_if_it_were_alone() -> None:
    spec = make_spec()
    network = make(spec)
    series = torch.randn(10, spec.context_length)
    alone = torch.cat([network.encode(one[None]) for one in series])
    torch.testing.assert_close(network.encode(series), alone)


@pytest.mark.parametrize("known", [0, 3])
@pytest.mark.parametrize("static", [0, 2])
@pytest.mark.parametrize("past", [1, 3])
@pytest.mark.parametrize("length", [2, 12])
def test_shape_for_every_kind_of_covariates(
    known: int, static: int, past: int, length: int
) -> None:
    spec = make_spec(
        past=max(past, 2), known=known, static=static, context_length=length, horizon=4
    )
    batch = make_batch(spec, 5)
    if past == 1:
        spec, batch = replace(spec, past=spec.past[:1]), replace(batch, past=batch.past[:, :, :1])
    for covariates in (False, True):
        assert make(spec, covariates=covariates)(batch).shape == (5, 4, 7)


@pytest.mark.parametrize(
    "changes",
    [{}, {"covariates": True}, {"norm": "layer"}, {"residual_attention": False}, {"revin": "none"}],
)
def test_every_parameter_learns(changes: dict[str, Any]) -> None:
    spec = make_spec()
    network = make(spec, **changes).train()
    network(make_batch(spec, 32)).square().mean().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.any(), key


def test_same_seed_same_bits() -> None:
    spec = make_spec()
    batch = make_batch(spec, 6)
    first, again, other = (make(spec, seed=seed, covariates=True) for seed in (3, 3, 4))
    assert torch.equal(first(batch), again(batch))
    assert not torch.equal(first(batch), other(batch))
    gradients = []
    for network in (first, again):
        torch.manual_seed(7)
        network.train()(batch).square().mean().backward()
        gradients.append([p.grad for p in network.parameters()])
    assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))


def test_a_batch_of_one_token_trains() -> None:
    spec = make_spec(context_length=8)
    network = make(spec, patch_length=10, stride=2).train()
    assert len(network.position) == 1
    network(make_batch(spec, 1)).mean().backward()


@pytest.mark.parametrize("tokens", [1, 7, 12, 42, 48, 49, 60])
@pytest.mark.parametrize("extra", [0, 4])
def test_attention_is_that_of_its_definition(tokens: int, extra: int) -> None:
    torch.manual_seed(0)
    query, key = torch.randn(2, 3, 2, tokens, 4 + extra, requires_grad=True).unbind()
    value = torch.randn(3, 2, tokens, 4, requires_grad=True)
    found = attend(query, key, value, 0.3)
    scores = torch.einsum("nhtd,nhsd->nhts", query, key) * 0.3
    expected = torch.einsum("nhts,nhsd->nhtd", scores.softmax(dim=-1), value)
    torch.testing.assert_close(found, expected)
    gradients = [
        torch.autograd.grad(o.square().sum(), (query, key, value)) for o in (found, expected)
    ]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("length", [24, 100])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("revin", ["none", "last", "mean"])
def test_it_is_the_network_of_neuralforecast(length: int, residual: bool, revin: str) -> None:
    spec = make_spec(context_length=length, horizon=3)
    ours = make(spec, revin=revin, residual_attention=residual, dropout=0.0, head_dropout=0.0)
    library = Library(
        spec=spec,
        loss={"name": "quantile", "levels": [0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9]},
        patch_len=4,
        stride=2,
        hidden_size=8,
        n_heads=2,
        encoder_layers=3,
        linear_hidden_size=12,
        dropout=0.0,
        revin=revin != "none",
        revin_subtract_last=revin == "last",
        res_attention=residual,
    )
    theirs = library.build_network().eval()
    network = theirs.network
    backbone = network.model.backbone
    with torch.no_grad():
        for mine, other in [
            (ours.embed, backbone.W_P),
            *(
                pair
                for layer, block in zip(ours.layers, backbone.encoder.layers, strict=True)
                for pair in [
                    (layer.merge[0], block.self_attn.to_out[0]),
                    (layer.perceptron[0], block.ff[0]),
                    (layer.perceptron[3], block.ff[3]),
                ]
            ),
        ]:
            mine.load_state_dict(other.state_dict())
        ours.position.copy_(backbone.W_pos)
        for layer, block in zip(ours.layers, backbone.encoder.layers, strict=True):
            attention = block.self_attn
            parts = (attention.W_Q, attention.W_K, attention.W_V)
            layer.project.weight.copy_(torch.cat([part.weight for part in parts]))
            layer.project.bias.copy_(torch.cat([part.bias for part in parts]))
        head = network.model.head.linear
        # Theirs lays a window out by width, ours by token.
        ours.head[2].weight.copy_(head.weight.unflatten(1, (8, -1)).transpose(1, 2).flatten(1))
        ours.head[2].bias.copy_(head.bias)
    batch = make_batch(spec, 6)
    torch.testing.assert_close(ours(batch), theirs(batch), rtol=1e-4, atol=1e-5)
    ours.train(), theirs.train()
    outputs = [ours(batch), theirs(batch)]
    torch.testing.assert_close(*outputs, rtol=1e-4, atol=1e-5)
    for output in outputs:
        functional.mse_loss(output[:, :, 0], batch.target).backward()
    torch.testing.assert_close(
        ours.embed.weight.grad, backbone.W_P.weight.grad, rtol=1e-3, atol=1e-6
    )
