"""The Temporal Fusion Transformer: with neuralforecast's weights it is neuralforecast's network."""

from copy import deepcopy

import pytest
import torch

from regimecast.models.neuralforecast import NeuralForecastModel, using
from regimecast.networks.tft import TFTNetwork
from tests.models.network_zoo import make_batch, make_spec


class Library(NeuralForecastModel):
    """The same network of neuralforecast, whatever the registry holds by its name."""

    name = "tft"
    architecture = "TFT"
    capabilities = using(past=True, known=True, static=True)

    def __init__(self, *, spec, loss, **sizes):
        super().__init__(spec=spec, loss=loss)


def pairs_of_layers(ours, theirs):
    """Layers that are the same in both."""
    encoder, decoder = theirs.temporal_encoder, theirs.temporal_fusion_decoder
    yield ours.encoder, encoder.history_encoder
    yield ours.decoder, encoder.future_encoder
    yield ours.head, theirs.output_adapter
    yield ours.attention.merge, decoder.attention.out_proj
    for skip, gate, norm in (
        (ours.recurrent_skip, encoder.input_gate, encoder.input_gate_ln),
        (ours.attention_skip, decoder.attention_gate, decoder.attention_ln),
        (ours.final_skip, decoder.decoder_gate, decoder.decoder_ln),
    ):
        yield skip.gate, gate.lin
        yield skip.norm, norm
    networks = [
        (ours.enrich, decoder.enrichment_grn),
        (ours.feed_forward, decoder.positionwise_grn),
    ]
    if ours.contexts:
        uses = ("selection", "enrichment", "hidden", "cell")
        grns = zip(uses, theirs.static_encoder.context_grns, strict=True)
        networks += [(ours.contexts[use], grn) for use, grn in grns]
    for network, grn in networks:
        yield network.first, grn.lin_a
        yield network.second, grn.lin_i
        yield network.skip.gate, grn.glu.lin
        yield network.skip.norm, grn.layer_norm.ln
        if network.context is not None:
            yield network.context, grn.lin_c


def copy_selection(ours, theirs, order):
    """Weights of a selection of variables; `order` holds their place of each of our variables."""
    grns = [theirs.var_grns[i] for i in order]
    for name, layer in (("first", "lin_a"), ("second", "lin_i"), ("gate", "glu.lin")):
        layers = [grn.get_submodule(layer) for grn in grns]
        getattr(ours, name).copy_(torch.stack([layer.weight.T for layer in layers]))
        getattr(ours, f"{name}_bias").copy_(torch.stack([layer.bias for layer in layers]))
    ours.norm.copy_(torch.stack([grn.layer_norm.ln.weight for grn in grns]))
    ours.norm_bias.copy_(torch.stack([grn.layer_norm.ln.bias for grn in grns]))
    if ours.shares is None:
        return
    joint, count = theirs.joint_grn, len(order)
    both = [*order, *(count + i for i in order)]
    for layer, other, rows in (
        (ours.shares.first, joint.lin_a, slice(None)),
        (ours.shares.second, joint.lin_i, slice(None)),
        (ours.shares.gate, joint.glu.lin, both),
        (ours.shares.skip, joint.out_proj, order),
        (ours.shares.norm, joint.layer_norm.ln, order),
    ):
        weight = other.weight[rows]
        if layer in (ours.shares.first, ours.shares.skip):
            weight = weight.unflatten(1, (count, -1))[:, order].flatten(1)
        layer.weight.copy_(weight)
        layer.bias.copy_(other.bias[rows])
    if ours.shares.context is not None:
        ours.shares.context.load_state_dict(joint.lin_c.state_dict())


def copy_library(ours, theirs, spec):
    """Gives our network the weights of theirs."""
    past, known, static = len(spec.past), len(spec.known), len(spec.static)
    with torch.no_grad():
        for layer, other in pairs_of_layers(ours, theirs):
            layer.load_state_dict(other.state_dict())
        attention = ours.attention
        parts = (attention.query, attention.key, attention.value)
        sizes = [len(part.weight) for part in parts]
        weights = theirs.temporal_fusion_decoder.attention.qkv_linears.weight.split(sizes)
        for part, weight in zip(parts, weights, strict=True):
            part.weight.copy_(weight)

        def embedding(*kinds):
            vectors = [
                theirs.embedding.get_parameter(f"{kind}_embedding_vectors") for kind in kinds
            ]
            levels = [theirs.embedding.get_parameter(f"{kind}_embedding_bias") for kind in kinds]
            return torch.stack([torch.cat(vectors), torch.cat(levels)])

        ours.past_embedding.copy_(embedding(*(["tgt", "hist_exog"] if past > 1 else ["tgt"])))
        ours.known_embedding.copy_(embedding("futr_exog"))
        # Theirs has the other past channels first, then the known ones, then the history.
        order = [past + known - 1, *range(past + known - 1)]
        copy_selection(ours.past, theirs.temporal_encoder.history_vsn, order)
        copy_selection(ours.ahead, theirs.temporal_encoder.future_vsn, list(range(known)))
        if static:
            ours.static_embedding.copy_(embedding("stat_exog"))
            copy_selection(ours.static, theirs.static_encoder.vsn, list(range(static)))


def both(spec, width):
    """Our network and theirs behind the adapter, without dropout."""
    loss = {"name": "quantile", "levels": [0.1, 0.5, 0.9]}
    sizes = {"hidden_size": width, "dropout": 0.0}
    torch.manual_seed(0)
    library = Library(spec=spec, loss=loss, n_head=2, attn_dropout=0.0, **sizes).build_network()
    ours = TFTNetwork(spec=spec, n_outputs=3, heads=2, layers=1, attention_dropout=0.0, **sizes)
    return ours, library


@pytest.mark.parametrize("past", [0, 3])
@pytest.mark.parametrize("known", [1, 2])
@pytest.mark.parametrize("static", [0, 1, 3])
def test_it_is_the_network_of_neuralforecast(past, known, static):
    spec = make_spec(past=past, known=known, static=static)
    ours, library = both(spec, width=8)
    theirs = library.network
    for parameter in theirs.parameters():  # levels are 0 and norms 1 at first
        parameter.data += 0.1 * torch.randn_like(parameter)
    copy_library(ours, theirs, spec)
    batch = make_batch(spec, 6)
    outputs = [ours(batch), library(batch)]
    torch.testing.assert_close(*outputs, rtol=1e-4, atol=1e-5)
    for output in outputs:
        output.sin().sum().backward()
    # Every weight of ours is one of theirs, so that gradients are copied as weights are.
    for parameter in theirs.parameters():
        parameter.data = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
    expected = deepcopy(ours)
    copy_library(expected, theirs, spec)
    for (name, mine), other in zip(ours.named_parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(
            mine.grad, other.data, rtol=1e-3, atol=1e-4, msg=lambda text, of=name: f"{of}: {text}"
        )


def test_it_starts_as_the_network_of_neuralforecast_does():
    spec = make_spec(past=20, known=16, static=16)
    ours, library = both(spec, width=32)
    copied = deepcopy(ours)
    copy_library(copied, library.network, spec)
    compared = set()
    for (name, mine), other in zip(ours.named_parameters(), copied.parameters(), strict=True):
        # A few numbers have no spread to speak of; embeddings are drawn as the authors do.
        if mine.numel() < 500 or name.endswith("embedding"):
            continue
        compared.add(name)
        torch.testing.assert_close(mine.std(), other.std(), rtol=0.1, atol=1e-6)
        torch.testing.assert_close(mine.abs().max(), other.abs().max(), rtol=0.1, atol=1e-6)
    assert compared > {"past.first", "past.first_bias", "past.gate_bias", "encoder.weight_ih_l0"}
