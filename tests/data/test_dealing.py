"""Shares of batches: together they are every position once, and steps are as many everywhere."""

import pytest
import torch

from regimecast.core.errors import ConfigError
from regimecast.data.dealing import DealtBatches
from regimecast.data.shuffling import InOrder, ShuffledWindows


@pytest.mark.parametrize("n", [1, 7, 12, 13, 17, 24, 25, 26, 27])
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_every_position_is_dealt_once_and_no_share_is_empty(n, processes, monkeypatch):
    shares = []
    for rank in range(processes):
        place = staticmethod(lambda rank=rank: (rank, processes))
        monkeypatch.setattr(DealtBatches, "_place", place)
        dealt = DealtBatches(ShuffledWindows(n, 5), batch_size=4)
        share = list(dealt)
        assert all(batch.dtype == torch.int64 for batch in share)
        assert len(dealt) == len(share)
        shares.append([batch.tolist() for batch in share])
        for start in range(len(dealt) + 1):
            dealt.epoch, dealt.start = 0, start
            assert [batch.tolist() for batch in dealt] == shares[-1][start:]
            assert dealt.start == 0
    assert sorted(p for share in shares for batch in share for p in batch) == list(range(n))
    assert len({len(share) for share in shares}) == 1
    assert n < processes or all(batch for share in shares for batch in share)


def test_a_step_of_two_processes_is_one_of_one_with_batches_twice_as_large(monkeypatch):
    order = ShuffledWindows(50, 1)
    alone = [batch.tolist() for batch in DealtBatches(order, batch_size=8)]
    steps = []
    for rank in range(2):
        monkeypatch.setattr(DealtBatches, "_place", staticmethod(lambda rank=rank: (rank, 2)))
        steps.append([batch.tolist() for batch in DealtBatches(order, batch_size=4)])
    assert [sorted(a + b) for a, b in zip(*steps, strict=True)] == [sorted(b) for b in alone]


def test_setting_the_epoch_starts_it_unless_it_is_the_one_to_resume():
    dealt = DealtBatches(ShuffledWindows(20, 0), batch_size=4)
    first = [batch.tolist() for batch in dealt]
    dealt.epoch, dealt.start = 3, 2
    dealt.set_epoch(3)
    rest = [batch.tolist() for batch in dealt]
    dealt.set_epoch(4)
    dealt.set_epoch(3)
    whole = [batch.tolist() for batch in dealt]
    assert whole[2:] == rest
    assert len(whole) == 5
    assert whole != first


def test_fewer_windows_than_processes(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 0)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 4)
    with pytest.raises(ConfigError, match=r"3 windows .* trainer\.devices=4"):
        len(DealtBatches(InOrder(3), batch_size=2))
