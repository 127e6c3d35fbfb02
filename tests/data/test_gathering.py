"""Compiled gathers against those in torch, to the bit."""

import pickle
from dataclasses import fields, replace
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from regimecast.core.batch import Batch
from regimecast.core.types import DataSpec, Interval, Samples, Task
from regimecast.data.dataset import TimeSeriesDataset
from regimecast.data.scaling import FeatureScaler
from regimecast.data.windows import WindowSource
from regimecast.labels.base import TargetSeries


def same(batch: Batch, other: Batch) -> None:
    """Nothing, if two batches are the same to the bit, NaN and the sign of 0 included."""
    for field in fields(Batch):
        one, two = getattr(batch, field.name), getattr(other, field.name)
        assert one.dtype == two.dtype, field.name
        assert one.shape == two.shape, field.name
        assert one.numpy().tobytes() == two.numpy().tobytes(), field.name


def build(
    *,
    channels: int = 3,
    known: int = 2,
    scheduled: int = 2,
    anchored: bool = True,
    scaled: bool = True,
    context: int = 4,
    horizon: int = 3,
    seed: int = 0,
) -> TimeSeriesDataset:
    """Two assets with every kind of value that a panel may hold."""
    rng = np.random.default_rng(seed)
    lengths = [30, 25]
    rows, asset = sum(lengths), np.repeat([0, 1], lengths)
    offsets = np.array([0, 30, 55])
    past = rng.normal(size=(rows, 1 + channels)).astype(np.float32)
    past[:, 0] = 0
    own = rng.normal(size=(rows, scheduled)).astype(np.float32)
    for values in (past[:, 1:], own):
        values[rng.random(values.shape) < 0.1] = np.nan
        values[rng.random(values.shape) < 0.05] = 1e30
        values[rng.random(values.shape) < 0.05] = -0.0
    series = np.cumsum(rng.normal(size=rows))
    series[rng.random(rows) < 0.05] = np.nan
    names = [f"k{i}" for i in range(known + scheduled)]
    spec = DataSpec(
        task=Task.FORECAST,
        context_length=context,
        horizon=horizon,
        past=("history", *(f"x{i}" for i in range(channels))),
        known=tuple(names),
        static=("s",),
        assets=("A", "B"),
        frequency="1D",
        bars_per_year=252.0,
    )
    time = np.datetime64("2020-01-01", "ns") + np.arange(rows) * np.timedelta64(1, "D")
    interval = Interval(time[0], time[-1])

    def scaler(values: np.ndarray) -> FeatureScaler | None:
        if not scaled:
            return None
        std = rng.uniform(0.5, 2.0, values.shape[1]).astype(np.float32)
        std[:1] = np.inf  # without a value in training
        return FeatureScaler(rng.normal(size=len(std)).astype(np.float32), std, 1.5, interval)

    source = WindowSource(
        spec=spec,
        past=past,
        last_row=offsets[1:][asset] - 1,
        target=TargetSeries(
            task=spec.task,
            horizon=horizon,
            series=series,
            anchored=anchored,
            scale=rng.uniform(0.1, 2.0, rows),
            end_row=np.arange(rows),
            lookback=0,
        ),
        known=rng.normal(size=(rows + horizon + 1, known)).astype(np.float32),
        known_index=np.sort(rng.integers(0, rows, rows)),
        scheduled=own,
        static=rng.normal(size=(2, 1)).astype(np.float32),
        asset_of_row=asset,
        scaler=scaler(past[:, 1:]),
        scheduled_scaler=scaler(own),
        time=time,
    )
    origin = np.arange(context - 1, rows - (horizon if scheduled else 0))
    origin = rng.permutation(origin)
    samples = Samples(origin, asset[origin], time[origin], time[origin], time[origin], origin)
    weight, regime = rng.random(len(origin)), rng.integers(-1, 5, len(origin))
    return TimeSeriesDataset(source, samples, weight=weight, regime=regime)


def in_torch(dataset: TimeSeriesDataset) -> TimeSeriesDataset:
    """The same windows, cut from tensors that carry gradients."""
    source, _ = dataset.source.with_leaves()
    return TimeSeriesDataset(
        source, dataset.samples, weight=dataset.weight[:, 0], regime=dataset.regime
    )


@settings(deadline=None, max_examples=60)
@given(
    channels=st.sampled_from([0, 1, 3, 600]),
    known=st.integers(0, 2),
    scheduled=st.integers(0, 2),
    anchored=st.booleans(),
    scaled=st.booleans(),
    context=st.integers(1, 7),
    horizon=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_compiled_gathers_are_those_of_torch_to_the_bit(**how):
    dataset = build(**how)
    positions = torch.randperm(len(dataset))[:40]
    batch = dataset.gather(positions)
    with torch.no_grad():
        same(batch, in_torch(dataset).gather(positions))
    # The copy that a device holds is scaled beforehand; here it lies beside the panel.
    moved = TimeSeriesDataset(
        dataset.source._copied(torch.device("cpu")),
        dataset.samples,
        weight=dataset.weight[:, 0],
        regime=dataset.regime,
    )
    same(batch, moved.gather(positions))


def test_gradients_pass_the_gathers_of_torch():
    source, leaves = build().source.with_leaves()
    origin = torch.tensor([10, 40])
    batch = source.batch(origin, torch.ones(2, 3), torch.zeros(2, dtype=torch.int64))
    batch.past.nan_to_num().sum().backward()
    rows = leaves["past"].grad.abs().sum(dim=1).nonzero().ravel().tolist()
    assert set(rows) <= {7, 8, 9, 10, 37, 38, 39, 40}
    assert rows


@pytest.mark.parametrize("origin", [2, 55, -1])
def test_windows_beyond_the_panel_are_refused(origin):
    source = build(scheduled=0).source
    with pytest.raises(IndexError):
        source.batch(torch.tensor([origin]), torch.ones(1, 3), torch.zeros(1, dtype=torch.int64))


def test_a_panel_in_another_order_of_memory_gives_the_same_windows():
    dataset = build()
    other = build()
    other.source._past = torch.from_numpy(np.asfortranarray(other.source._past.numpy()))
    other.source._fused = other.source._past.is_contiguous()
    assert not other.source._fused
    positions = torch.arange(20)
    same(dataset.gather(positions), other.gather(positions))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_gathers_the_same_windows():
    dataset = build()
    positions = torch.randperm(len(dataset))
    there = dataset.gather(positions.to("cuda"))
    assert there.past.is_cuda
    same(dataset.gather(positions), there.to("cpu"))
    assert dataset.source.on(torch.device("cuda", 0)) is dataset.source.on(torch.device("cuda", 0))


GROUPS = [
    dict(zip(("past", "known", "static"), c, strict=True)) for c in product((False, True), repeat=3)
]


@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("device", ["memory", "elsewhere"])
def test_a_narrow_source_gives_the_same_windows_without_what_is_not_read(groups, device):
    dataset, positions = build(), torch.tensor([3, 0, 17, 3])
    narrow = dataset.only(**groups)
    whole = dataset.gather(positions)
    if device == "elsewhere":  # the copy for a device is made in the same memory here
        origin = narrow._here.origin[positions].long()
        source = narrow.source._copied(torch.device("cpu"))
        batch = source.batch(origin, whole.weight, whole.regime)
    else:
        batch = narrow.gather(positions)
    spec = narrow.spec
    assert (
        batch.past.shape[2] == len(spec.past) == (len(dataset.spec.past) if groups["past"] else 1)
    )
    assert batch.known.shape[2] == len(spec.known) == (4 if groups["known"] else 0)
    assert batch.static.shape[1] == len(spec.static) == (1 if groups["static"] else 0)
    expected = replace(
        whole,
        past=whole.past[:, :, : len(spec.past)].contiguous(),
        known=whole.known if groups["known"] else whole.known[:, :, :0],
        static=whole.static if groups["static"] else whole.static[:, :0],
    )
    same(batch, expected)


def test_a_narrow_source_is_a_view_and_made_once():
    source = build().source
    narrow = source.only(past=False, known=False, static=False)
    assert narrow._past.data_ptr() == source._past.data_ptr()
    assert source.only(past=False, known=False, static=False) is narrow
    assert narrow.only(past=True, known=True, static=True).spec == narrow.spec


def test_a_narrow_source_travels():
    dataset = build().only(past=False, known=True, static=False)
    again = pickle.loads(pickle.dumps(dataset))  # as loader workers receive it
    positions = torch.arange(len(dataset))
    same(again.gather(positions), dataset.gather(positions))
