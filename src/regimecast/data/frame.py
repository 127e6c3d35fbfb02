"""Windows of a ready table, for users who bring their own features and labels."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Int

from regimecast.core.errors import DataError
from regimecast.core.types import DataSpec, Samples, Task
from regimecast.data.windows import WindowSource
from regimecast.labels.base import INCOMPLETE, TargetSeries

__all__ = ["frame_windows"]


class _FrameSource(WindowSource):
    """A source whose history channel is what its column 0 holds."""

    history_given: ClassVar[bool] = True


def frame_windows(
    df: pd.DataFrame,
    feature_cols: list[str],
    label_col: str,
    lookback: int,
    indices: Sequence[int] | Int[np.ndarray, " N"] | None,
) -> tuple[WindowSource, Samples]:
    """Source and samples of `TimeSeriesDataset.from_frame`; see there."""
    if missing := [name for name in [*feature_cols, label_col] if name not in df.columns]:
        raise DataError(f"no column {missing}; columns: {', '.join(map(str, df.columns))}")
    if not feature_cols or lookback < 1 or len(df) <= lookback:
        raise DataError(
            f"{len(feature_cols)} features, lookback={lookback} and {len(df)} rows: at least one "
            f"feature, lookback >= 1 and more than lookback rows are needed"
        )
    if not df.index.is_monotonic_increasing or not df.index.is_unique:
        raise DataError("the index must increase strictly; sort the rows and drop duplicates first")
    for name in [*feature_cols, label_col]:
        if not pd.api.types.is_numeric_dtype(df[name]):
            raise DataError(f"column {name!r} is {df[name].dtype}, not numeric")
    features = df[feature_cols].to_numpy(dtype=np.float32)
    if not np.isfinite(features).all():
        row, column = np.argwhere(~np.isfinite(features))[0]
        raise DataError(f"column {feature_cols[column]!r} is not finite at row {row}")
    n = len(df)
    label = df[label_col].to_numpy()
    classification = pd.api.types.is_integer_dtype(label)
    classes = tuple(int(c) for c in np.unique(label[label != INCOMPLETE])) if classification else ()
    position = np.arange(lookback, n) if indices is None else np.asarray(indices, dtype=np.int64)
    if len(position) and (position.min() < lookback or position.max() >= n):
        raise IndexError(f"indices must lie in [{lookback}, {n - 1}], where the window is full")
    usable = label[position] != INCOMPLETE if classification else np.isfinite(label[position])
    position = position[usable]
    spec = DataSpec(
        task=Task.CLASSIFICATION if classification else Task.FORECAST,
        context_length=lookback,
        horizon=1,
        past=("history", *feature_cols),
        known=(),
        static=(),
        assets=("frame",),
        frequency="row",
        bars_per_year=float("nan"),
        classes=classes,
        target=label_col,
    )
    # The origin is the row before t: its window is rows [t - lookback, t), and t is one step ahead.
    target = TargetSeries(
        task=spec.task,
        horizon=1,
        series=features[:, 0].astype(np.float64) if classification else label.astype(np.float64),
        anchored=False,
        scale=np.ones(n),
        end_row=np.append(np.arange(1, n), -1),
        lookback=0,
        label=np.append(label[1:], INCOMPLETE).astype(np.int64) if classification else None,
        classes=classes,
    )
    source = _FrameSource(
        spec=spec,
        past=np.ascontiguousarray(np.concatenate([features[:, :1], features], axis=1)),
        last_row=np.full(n, n - 1),
        target=target,
        known=np.empty((n + 1, 0), dtype=np.float32),
        known_index=np.arange(n),
        static=np.empty((1, 0), dtype=np.float32),
        asset_of_row=np.zeros(n, dtype=np.int64),
        scaler=None,
        scheduled=np.empty((n, 0), dtype=np.float32),
        scheduled_scaler=None,
    )
    time = (
        df.index.to_numpy(dtype="datetime64[ns]")
        if isinstance(df.index, pd.DatetimeIndex)
        else np.arange(n).astype("datetime64[ns]")
    )
    origin = position - 1
    samples = Samples(
        row=origin,
        asset=np.zeros(len(origin), dtype=np.int64),
        origin=time[origin],
        start=time[position - lookback],
        end=time[position],
        end_row=position,
    )
    return source, samples
