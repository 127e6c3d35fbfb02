"""Orders of an epoch: nothing is left out, and what belongs together stays together."""

import numpy as np
import pytest
import torch

from regimecast.data.datamodule import FinancialDataModule
from regimecast.data.shuffling import InOrder, Order, ShuffledTimes, ShuffledWindows
from tests.data.folds import build_fold, build_market
from tests.data.panels import random_panel

ORIGIN = np.concatenate([np.arange(50), np.arange(20, 60), np.arange(30)])


@pytest.mark.parametrize(
    "make",
    [lambda seed: ShuffledWindows(len(ORIGIN), seed), lambda seed: ShuffledTimes(ORIGIN, seed)],
    ids=["windows", "times"],
)
def test_an_order_is_a_function_of_seed_and_epoch(make):
    order: Order = make(3)
    epochs = [order.of(epoch) for epoch in range(4)]
    for epoch, positions in enumerate(epochs):
        assert positions.dtype == torch.int64
        assert sorted(positions.tolist()) == list(range(len(ORIGIN))) != positions.tolist()
        assert torch.equal(positions, make(3).of(epoch))  # without the epochs before
        assert not torch.equal(positions, make(4).of(epoch))
    assert len({tuple(positions.tolist()) for positions in epochs}) == 4


def test_windows_of_one_time_stay_together_and_times_are_shuffled():
    order = ShuffledTimes(ORIGIN, 0)
    assert len(order) == len(ORIGIN)
    for epoch in (order.of(0), order.of(1)):
        seen = ORIGIN[epoch.numpy()]
        changes = np.flatnonzero(np.diff(seen)) + 1
        assert len(changes) + 1 == len(np.unique(ORIGIN))  # every time comes up once, in one piece
        assert not (np.diff(seen[changes]) > 0).all()


def test_no_windows_are_no_order():
    for order in (InOrder(0), ShuffledWindows(0, 0), ShuffledTimes(np.empty(0), 0)):
        assert len(order) == len(order.of(0)) == 0


def test_batches_of_a_fold_are_whole_cross_sections():
    data = build_fold(build_market(random_panel(300, 300, 300)), batch_size=12)
    batches = list(by_times(data).train_dataloader())
    time = data.market.bars.time
    for batch in batches[:-1]:
        counts = np.unique(time[batch.origin.numpy()], return_counts=True)[1]
        assert counts.tolist() == [3] * 4
    mixed = list(data.train_dataloader())
    assert sum(map(len, mixed)) == sum(map(len, batches)) == len(data.split("train"))
    assert len(np.unique(time[mixed[0].origin.numpy()])) > 4


def by_times(data: FinancialDataModule) -> FinancialDataModule:
    data = build_fold(data.market, batch_size=data.batch_size)
    data.shuffle = "times"
    return data
