"""A loss that is not a number says which window it came from."""

import pytest
from torch import nn

from regimecast.losses.base import LossRegistry
from regimecast.training.callbacks.non_finite import NonFiniteError
from regimecast.training.trainer import ModelTrainer
from tests.data.folds import build_fold, build_market
from tests.data.panels import random_panel


class Mean(nn.Module):
    def __init__(self, channels: int, horizon: int) -> None:
        super().__init__()
        self.head = nn.Linear(channels, horizon)

    def forward(self, batch):
        return self.head(batch.past.mean(dim=1))[:, :, None]


@pytest.mark.parametrize("part", ["train", "validation"])
def test_asset_and_time_are_named(part):
    data = build_fold(build_market(random_panel(260, 240)), batch_size=32)
    dataset = data.split(part)
    dataset.weight[3, 0] = float("nan")
    origin = str(dataset.samples.origin[3])[:10]
    loss = LossRegistry.create("mse", spec=data.spec)
    trainer = ModelTrainer.default()
    module = trainer.build_module(Mean(len(data.spec.past), data.spec.horizon), loss)
    with pytest.raises(NonFiniteError, match=rf"loss is nan at epoch 0, .*origin {origin}"):
        trainer.fit_module(module, data)
