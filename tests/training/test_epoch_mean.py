"""The mean of an epoch goes on where it was, whatever the type of the loss."""

import pytest
import torch

from regimecast.training.epoch_mean import EpochMean


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_what_was_restored_goes_on_to_the_bit(dtype):
    values = torch.linspace(0.1, 1.7, 40, dtype=torch.float64).to(dtype)
    count = torch.tensor(3.0, dtype=dtype)
    whole, first, second = EpochMean(), EpochMean(), EpochMean()
    for value in values:
        whole.add(value, count)
    for value in values[:17]:
        first.add(value, count)
    second.restore(first.state())
    for value in values[17:]:
        second.add(value, count)
    assert torch.equal(second.take(torch.device("cpu")), whole.take(torch.device("cpu")))


def test_nothing_added_nothing_kept():
    mean = EpochMean()
    mean.restore(EpochMean().state())
    assert mean.take(torch.device("cpu")) == 0
