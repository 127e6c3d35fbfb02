"""Orders of an epoch: nothing is left out, and what belongs together stays together."""

import numpy as np
import torch

from regimecast.data.datamodule import FinancialDataModule
from regimecast.data.shuffling import ShuffledTimes
from tests.data.folds import build_fold, build_market
from tests.data.panels import random_panel


def test_windows_of_one_time_stay_together_and_times_are_shuffled():
    origin = np.concatenate([np.arange(50), np.arange(20, 60), np.arange(30)])
    order = ShuffledTimes(origin, torch.Generator().manual_seed(0))
    first, second = list(order), list(order)
    assert len(order) == len(origin)
    assert first != second
    for epoch in (first, second):
        assert sorted(epoch) == list(range(len(origin)))
        seen = origin[epoch]
        changes = np.flatnonzero(np.diff(seen)) + 1
        assert len(changes) + 1 == len(np.unique(origin))  # every time comes up once, in one piece
        assert not (np.diff(seen[changes]) > 0).all()
    again = ShuffledTimes(origin, torch.Generator().manual_seed(0))
    assert list(again) == first


def test_no_windows_are_no_order():
    assert list(ShuffledTimes(np.empty(0), torch.Generator())) == []


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
