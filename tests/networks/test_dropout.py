"""Dropout: torch's meaning, from fewer random numbers."""

import pytest
import torch

from regimecast.networks.dropout import Dropout


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9])
def test_the_share_is_kept_and_the_mean_stays(share: float) -> None:
    torch.manual_seed(0)
    ones = torch.ones(1_000_003)
    thinned = Dropout(share).train()(ones)
    kept = thinned != 0
    # Five standard errors of a binomial share.
    error = 5 * (share * (1 - share) / len(ones)) ** 0.5
    assert abs(kept.float().mean().item() - (1 - share)) < error
    assert thinned[kept].unique().numel() == 1
    assert thinned[kept][0].item() == pytest.approx(1 / (1 - share), rel=1e-4)
    assert thinned.mean().item() == pytest.approx(1, abs=error / (1 - share))


def test_neighbours_are_dropped_apart() -> None:
    torch.manual_seed(0)
    kept = (Dropout(0.5).train()(torch.ones(400_000)) != 0).float() - 0.5
    for apart in range(1, 9):
        assert abs((kept[apart:] * kept[:-apart]).mean().item()) < 0.002


@pytest.mark.parametrize("shape", [(1,), (3, 5), (2, 3, 7)])
def test_the_gradient_is_that_of_the_factors(shape: tuple[int, ...]) -> None:
    values = torch.randn(shape, requires_grad=True)
    torch.manual_seed(1)
    thinned = Dropout(0.5).train()(values)
    assert thinned.shape == shape
    thinned.sum().backward()
    torch.testing.assert_close(values.grad * values.detach(), thinned.detach())


def test_evaluation_and_a_share_of_zero_change_nothing() -> None:
    values = torch.randn(4, 4)
    assert Dropout(0.5).eval()(values) is values
    assert Dropout(0.0).train()(values) is values


def test_the_seed_decides() -> None:
    layer, values = Dropout(0.5).train(), torch.ones(1000)
    drawn = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        drawn.append(layer(values))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert not torch.equal(layer(values), layer(values))


def test_half_precision_stays_half() -> None:
    assert Dropout(0.5).train()(torch.ones(8, dtype=torch.bfloat16)).dtype is torch.bfloat16
