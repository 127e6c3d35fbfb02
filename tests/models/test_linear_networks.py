"""NLinear and DLinear of the adapter against the formulas of Zeng et al. (2023)."""

import math

import pytest
import torch
from tests.models.network_zoo import make_batch, make_model, make_spec
from torch import Tensor
from torch.nn import functional

L, H = 40, 7


def network_and_history(name: str) -> tuple[torch.nn.Module, dict[str, Tensor], Tensor, Tensor]:
    """The network, its parameters, histories that do not end at 0, and the forecast of them."""
    spec = make_spec(length=L, horizon=H, past=0, known=0, static=0)
    torch.manual_seed(0)
    network = make_model(name, spec, loss="mse").build_network()
    batch = make_batch(spec, 6)
    batch.past += torch.arange(6.0)[:, None, None]
    return network, dict(network.named_parameters()), batch.past[:, :, 0], network(batch)[:, :, 0]


def test_nlinear_is_a_linear_map_of_what_is_above_the_last_value():
    _, parameters, history, forecast = network_and_history("nlinear")
    assert {key: tuple(p.shape) for key, p in parameters.items()} == {
        "network.linear.weight": (H, L), "network.linear.bias": (H,),
    }  # fmt: skip
    weight, bias = parameters.values()
    last = history[:, -1:]
    torch.testing.assert_close(forecast, (history - last) @ weight.T + bias + last)


def test_dlinear_maps_trend_and_rest():
    _, parameters, history, forecast = network_and_history("dlinear")
    assert sum(p.numel() for p in parameters.values()) == 2 * (H * L + H)
    # The trend is a centred mean of 25 bars, the ends being repeated beyond themselves.
    padded = functional.pad(history[:, None], (12, 12), mode="replicate")[:, 0]
    trend = torch.stack([padded[:, i : i + 25].mean(dim=1) for i in range(L)], dim=1)
    part = {
        name: (
            parameters[f"network.linear_{name}.weight"],
            parameters[f"network.linear_{name}.bias"],
        )
        for name in ("trend", "season")
    }
    expected = functional.linear(trend, *part["trend"])
    expected = expected + functional.linear(history - trend, *part["season"])
    torch.testing.assert_close(forecast, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["nlinear", "dlinear"])
def test_weights_start_as_torch_makes_them(name: str):
    _, parameters, _, _ = network_and_history(name)
    for parameter in parameters.values():
        assert 0.5 / math.sqrt(L) < parameter.abs().max() <= 1 / math.sqrt(L)
