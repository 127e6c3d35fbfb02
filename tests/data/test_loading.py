"""Loaders: every window once an epoch, the same again from any place in it, on any device."""

import io
import logging

import pytest
import torch

from regimecast.core.batch import Batch
from regimecast.core.errors import ConfigError, SpecError
from regimecast.data.loading import BatchLoader, Pending, check_loading
from regimecast.data.shuffling import InOrder, ShuffledWindows
from tests.data.folds import build_fold, build_market
from tests.data.panels import random_panel
from tests.data.test_dataset import build
from tests.data.test_gathering import same


def loader(n_workers: int = 0, *, batch_size: int = 16, placement: str = "memory", seed: int = 2):
    dataset, _ = build([40, 25], 5, 2)
    order = ShuffledWindows(len(dataset), seed)
    return BatchLoader(
        dataset, order, batch_size=batch_size, num_workers=n_workers, placement=placement
    )


def origins(batches) -> list[list[int]]:
    return [batch.origin.tolist() for batch in batches]


def test_every_pass_is_another_epoch_with_every_window_once():
    loads = loader()
    first, second = origins(loads), origins(loads)
    assert first != second
    for epoch in (first, second):
        assert len(epoch) == len(loads)
        assert sorted(row for batch in epoch for row in batch) == loads.dataset.samples.row.tolist()
    # A pass that is broken off counts as one, too.
    for batch in loads:
        assert batch.origin.tolist() not in (first[0], second[0])
        break
    again = loader()
    assert [origins(again) for _ in range(2)] == [first, second]
    again.batch_sampler.set_epoch(0)
    assert origins(again) == first


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("taken", [0, 1, 3, 4])
def test_the_rest_of_an_epoch_is_the_same_after_a_restart(workers, taken):
    whole = loader()
    epochs = [origins(whole) for _ in range(3)]
    stopped = loader(workers)
    stopped.batch_sampler.set_epoch(1)
    seen = []
    for batch in stopped if taken else ():
        seen.append(batch.origin.tolist())
        if len(seen) == taken:
            state = saved(stopped.state_dict())
            break
    if not taken:
        state = saved(stopped.state_dict())
    resumed = loader(workers)
    resumed.load_state_dict(state)
    resumed.batch_sampler.set_epoch(1)  # as Lightning does
    assert seen + origins(resumed) == epochs[1]
    assert origins(resumed) == epochs[2]


def test_a_finished_epoch_is_followed_by_the_next():
    loads, again = loader(), loader()
    epochs = [origins(loads) for _ in range(2)]
    list(again)
    state = saved(again.state_dict())
    fresh = loader()
    fresh.load_state_dict(state)
    assert origins(fresh) == epochs[1]


def test_random_state_comes_back_with_the_place():
    loads = loader()
    torch.manual_seed(11)
    for _ in loads:
        torch.rand(3)
        state = saved(loads.state_dict())
        expected = torch.rand(3)
        break
    torch.manual_seed(12)
    fresh = loader()
    fresh.load_state_dict(state)
    next(iter(fresh))
    assert torch.equal(torch.rand(3), expected)
    # An ordinary pass neither sets it nor draws from it.
    torch.manual_seed(13)
    before = torch.get_rng_state()
    list(loader())
    assert torch.equal(torch.get_rng_state(), before)


def test_a_checkpoint_of_other_data_is_refused():
    state, other = loader().state_dict(), loader(batch_size=8)
    other.load_state_dict(state)
    with pytest.raises(SpecError, match=r"epochs of 4 steps; here they have 8.*window\.batch_size"):
        next(iter(other))


def test_on_the_device_a_loader_yields_positions_that_become_the_same_batches():
    for batch, pending in zip(loader(), loader(placement="device"), strict=True):
        assert isinstance(pending, Pending)
        assert len(pending) == len(batch)
        same(pending.to("cpu"), batch)
        same(pending.to(torch.device("cpu"), non_blocking=True), batch)


def test_workers_gather_the_same_batches():
    for batch, other in zip(loader(), loader(1), strict=True):
        assert isinstance(other, Batch)
        same(other, batch)


def test_a_batch_larger_than_the_data_is_all_of_it(caplog):
    with caplog.at_level(logging.INFO):
        (batch,) = loader(batch_size=1000)
    assert len(batch) == 57
    assert caplog.messages == [
        "window.batch_size=1000 is more than the 57 windows: every step takes all of them"
    ]


def test_no_windows_are_no_batches():
    dataset, _ = build([3], 5, 2)
    empty = BatchLoader(dataset, InOrder(0), batch_size=4, num_workers=0, placement="memory")
    assert len(empty) == 0
    assert list(empty) == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((0, 0, "memory"), r"window\.batch_size=0 must be a whole number of at least 1"),
        ((2.5, 0, "memory"), r"window\.batch_size=2\.5"),
        ((True, 0, "memory"), r"window\.batch_size=True"),
        ((4, -1, "memory"), r"window\.num_workers=-1 must be a whole number of at least 0"),
        ((4, "2", "memory"), r"window\.num_workers='2'"),
        ((4, 0, "maped"), r"window\.placement='maped'.*mapped.*Allowed: memory, mapped, device"),
        ((4, 2, "device"), r"window\.num_workers=2 workers have nothing to do.*Allowed: 0"),
    ],
)
def test_values_out_of_range_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        check_loading(*values)


def test_a_fold_refuses_what_its_loaders_would():
    with pytest.raises(ConfigError, match=r"window\.batch_size=0"):
        build_fold(build_market(random_panel(300)), batch_size=0)


def saved(state):
    """The state as a checkpoint gives it back, read without pickle's freedom."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)
