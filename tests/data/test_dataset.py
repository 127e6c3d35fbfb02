"""The gather against a naive slicer, window by window."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from regimecast.core.errors import DataError, SpecError
from regimecast.core.types import DataSpec, Interval, Samples, Task
from regimecast.data.dataset import TimeSeriesDataset
from regimecast.data.scaling import FeatureScaler
from regimecast.data.windows import WindowSource
from regimecast.labels.base import INCOMPLETE, TargetSeries


def build(
    lengths: list[int], context: int, horizon: int, *, classes: bool = False, seed: int = 0
) -> tuple[TimeSeriesDataset, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    rows = sum(lengths)
    asset = np.repeat(np.arange(len(lengths)), lengths)
    offsets = np.cumsum([0, *lengths])
    past = rng.normal(size=(rows, 4)).astype(np.float32)
    past[1:][rng.random((rows - 1, 4)) < 0.05] = np.nan
    series = np.cumsum(rng.normal(size=rows))
    scale = rng.uniform(0.5, 2.0, rows)
    label = rng.choice([-1, 0, 1, INCOMPLETE], rows) if classes else None
    h = 1 if classes else horizon
    spec = DataSpec(
        task=Task.CLASSIFICATION if classes else Task.FORECAST,
        context_length=context,
        horizon=h,
        past=("history", "a", "b", "c"),
        known=("k",),
        static=("s", "t"),
        assets=tuple(f"A{i}" for i in range(len(lengths))),
        frequency="1D",
        bars_per_year=252.0,
        classes=(-1, 0, 1) if classes else (),
    )
    known = rng.normal(size=(rows + h + 1, 1)).astype(np.float32)
    static = rng.normal(size=(len(lengths), 2)).astype(np.float32)
    day = np.timedelta64(1, "D")
    time = np.datetime64("2020-01-01", "ns") + np.arange(rows) * day
    scaler = FeatureScaler.fit(
        past[:, 1:], time, spec.past[1:], interval=Interval(time[0], time[-1]), clip=1.5
    )
    source = WindowSource(
        spec=spec,
        past=past,
        last_row=offsets[1:][asset] - 1,
        target=TargetSeries(
            task=spec.task,
            horizon=h,
            series=series,
            anchored=True,
            scale=scale,
            end_row=np.arange(rows),
            lookback=0,
            label=label,
            classes=spec.classes,
        ),
        known=known,
        known_index=np.arange(rows),
        static=static,
        asset_of_row=asset,
        scheduled=np.empty((rows, 0), dtype=np.float32),
        scaler=scaler,
        scheduled_scaler=None,
    )
    origin = np.flatnonzero(np.arange(rows) - offsets[:-1][asset] >= context - 1)
    samples = Samples(
        row=origin,
        asset=asset[origin],
        origin=time[origin],
        start=time[origin],
        end=time[origin],
        end_row=origin,
    )
    raw = {
        "past": past, "series": series, "scale": scale, "known": known, "static": static,
        "asset": asset, "mean": scaler.mean, "std": scaler.std,
        "label": np.zeros(0) if label is None else label,
    }  # fmt: skip
    return TimeSeriesDataset(source, samples), raw


@settings(deadline=None, max_examples=40)
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=4),
    context=st.integers(1, 8),
    horizon=st.integers(1, 5),
    seed=st.integers(0, 1000),
)
def test_a_batch_equals_windows_cut_one_by_one(
    lengths: list[int], context: int, horizon: int, seed: int
):
    dataset, raw = build(lengths, context, horizon, seed=seed)
    if not len(dataset):
        return
    batch = dataset.gather(torch.arange(len(dataset)))
    for i, row in enumerate(dataset.samples.row):
        window = slice(row - context + 1, row + 1)
        features = np.nan_to_num((raw["past"][window, 1:] - raw["mean"]) / raw["std"])
        np.testing.assert_allclose(
            batch.past[i, :, 1:].numpy(), features.clip(-1.5, 1.5), rtol=1e-4, atol=1e-4
        )
        history = (raw["series"][window] - raw["series"][row]) / raw["scale"][row]
        np.testing.assert_allclose(batch.past[i, :, 0].numpy(), history, rtol=1e-6, atol=1e-7)
        assert batch.past[i, -1, 0] == 0
        for h in range(horizon):
            ahead = row + h + 1
            inside = ahead < len(raw["asset"]) and bool(raw["asset"][ahead] == raw["asset"][row])
            assert bool(batch.mask[i, h]) == inside
            expected = (
                (raw["series"][ahead] - raw["series"][row]) / raw["scale"][row] if inside else 0.0
            )
            assert float(batch.target[i, h]) == pytest.approx(expected, rel=1e-5, abs=1e-6)
        known = raw["known"][row - context + 1 : row + horizon + 1]
        np.testing.assert_array_equal(batch.known[i].numpy(), known)
        np.testing.assert_array_equal(batch.static[i].numpy(), raw["static"][raw["asset"][row]])
    assert batch.scale[:, 0].numpy() == pytest.approx(raw["scale"][dataset.samples.row])


def test_classes_become_indices_and_incomplete_ones_are_masked():
    dataset, raw = build([40], 4, 1, classes=True)
    batch = dataset.gather(torch.arange(len(dataset)))
    label = raw["label"][dataset.samples.row]
    known = label != INCOMPLETE
    np.testing.assert_array_equal(batch.mask[:, 0].numpy(), known)
    np.testing.assert_array_equal(batch.target[:, 0].numpy()[known], label[known] + 1)


def test_one_position_many_positions_and_flat_rows_agree():
    dataset, _ = build([30, 12], 6, 3)
    many = dataset.__getitems__([3, 0, 7])
    one = dataset[0]
    assert torch.equal(many.past[1:2], one.past)
    arrays = dataset.arrays([0, 2])
    batch = dataset.gather(torch.arange(len(dataset)))
    names = arrays.names
    column = arrays.x[:, names.index("b[-2]")]
    np.testing.assert_array_equal(column, batch.past[:, -3, 2].numpy())
    np.testing.assert_array_equal(arrays.x[:, names.index("k[+3]")], batch.known[:, -1, 0].numpy())
    np.testing.assert_array_equal(arrays.x[:, names.index("t")], batch.static[:, 1].numpy())
    np.testing.assert_array_equal(arrays.target, batch.target.numpy())
    assert np.isfinite(arrays.x).all()
    with pytest.raises(SpecError, match=r"lags \[6\].*0 to 5"):
        dataset.arrays([6])


def test_weights_and_regimes_travel_with_their_samples():
    dataset, _ = build([20], 4, 2)
    n = len(dataset)
    weighted = TimeSeriesDataset(
        dataset.source, dataset.samples, weight=np.arange(n, dtype=float), regime=np.arange(n) % 5
    )
    batch = weighted.gather(torch.tensor([5, 1, 1]))
    assert batch.weight.tolist() == [[5.0, 5.0], [1.0, 1.0], [1.0, 1.0]]
    assert batch.regime.tolist() == [0, 1, 1]


def frame(n: int = 20) -> pd.DataFrame:
    index = pd.date_range("2020-01-01", periods=n)
    return pd.DataFrame(
        {"x": np.arange(n, dtype=float), "z": -np.arange(n, dtype=float), "y": np.arange(n) * 10.0},
        index=index,
    )


def test_from_frame_predicts_row_t_from_the_rows_before_it():
    dataset = TimeSeriesDataset.from_frame(frame(), ["x", "z"], "y", 3, indices=[3, 10, 19])
    batch = dataset.gather(torch.arange(3))
    assert batch.past[0, :, 1].tolist() == [0.0, 1.0, 2.0]
    assert batch.past[2, :, 2].tolist() == [-16.0, -17.0, -18.0]
    assert batch.target[:, 0].tolist() == [30.0, 100.0, 190.0]
    assert batch.mask.all()
    assert len(TimeSeriesDataset.from_frame(frame(), ["x"], "y", 3)) == 17


def test_from_frame_with_classes_leaves_incomplete_rows_out():
    df = frame()
    df["y"] = np.where(np.arange(20) >= 18, INCOMPLETE, np.arange(20) % 3 - 1)
    dataset = TimeSeriesDataset.from_frame(df, ["x"], "y", 4)
    assert dataset.spec.classes == (-1, 0, 1)
    assert len(dataset) == 14
    batch = dataset.gather(torch.arange(14))
    np.testing.assert_array_equal(batch.target[:, 0].numpy() - 1, np.arange(4, 18) % 3 - 1)


@pytest.mark.parametrize("case", ["missing", "text", "nan", "unsorted", "short", "lookback"])
def test_from_frame_refuses_what_it_cannot_use(case: str):
    df, lookback = frame(), 3
    if case == "missing":
        df = df.drop(columns="x")
    elif case == "text":
        df["x"] = "a"
    elif case == "nan":
        df.iloc[5, 0] = np.nan
    elif case == "unsorted":
        df = df.iloc[::-1]
    elif case == "short":
        df = df.iloc[:3]
    else:
        lookback = 0
    with pytest.raises(DataError):
        TimeSeriesDataset.from_frame(df, ["x"], "y", lookback)


def test_from_frame_refuses_indices_without_a_full_window():
    with pytest.raises(IndexError, match=r"\[3, 19\]"):
        TimeSeriesDataset.from_frame(frame(), ["x"], "y", 3, indices=[2])
